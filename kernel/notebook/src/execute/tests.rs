use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::json;
use tokio::sync::Notify;

use super::*;
use patchbay_contract::{Answer, CellReply, Control};

/// An engine whose cells say what to do: `print X`, `fail`, `sleep` (reacts to an interrupt),
/// `hang` (reacts to the second), `ask`.
#[derive(Default)]
struct Script {
    control: ScriptControl,
    counts: Vec<u32>,
}

#[derive(Clone, Default)]
struct ScriptControl {
    interrupts: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
    wake: Arc<Notify>,
}

impl Control for ScriptControl {
    fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::SeqCst);
        self.wake.notify_one();
    }

    fn answer_input(&self, _value: Option<String>) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.wake.notify_one();
    }
}

fn error(name: &str) -> CellReply {
    let error = CellError {
        name: name.into(),
        value: "value".into(),
        traceback: vec![format!("{name} here")],
    };
    CellReply {
        error: Some(error),
        ..CellReply::default()
    }
}

impl Session for Script {
    fn control(&self) -> Arc<dyn Control> {
        Arc::new(self.control.clone())
    }

    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply> {
        Box::pin(self.run(request, events))
    }
}

impl Script {
    async fn run(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        self.counts.push(request.execution_count);
        let say = |text: &str| {
            events
                .send(SessionEvent::Stream {
                    name: StreamName::Stdout,
                    text: text.to_owned(),
                })
                .unwrap();
        };
        match request.code.split_once(' ').unwrap_or((&request.code, "")) {
            ("print", text) => say(text),
            ("fail", _) => return error("Panic"),
            ("ask", _) => {
                events
                    .send(SessionEvent::InputRequest {
                        prompt: "?".into(),
                        password: false,
                    })
                    .unwrap();
                self.control.wake.notified().await;
            }
            ("sleep", _) => {
                self.control.wake.notified().await;
                return error("Interrupted");
            }
            ("hang", _) => {
                self.control.wake.notified().await;
                self.control.wake.notified().await;
                return error("Killed");
            }
            (other, _) => unreachable!("{other}"),
        }
        CellReply::default()
    }
}

#[derive(Default)]
struct Silent {
    ended: Vec<(usize, bool)>,
}

impl Progress for Silent {
    fn begin(&mut self, _number: usize, _source: &str) {}
    fn output(&mut self, _event: &SessionEvent) {}
    fn end(&mut self, number: usize, _duration: Duration, failed: bool) {
        self.ended.push((number, failed));
    }
}

fn notebook(cells: &[(&str, &str)]) -> Notebook {
    let cells: Vec<serde_json::Value> = cells
        .iter()
        .map(|(tag, source)| {
            let tags: Vec<&str> = tag.split_terminator(',').collect();
            let kind = if tags.contains(&"markdown") {
                "markdown"
            } else {
                "code"
            };
            json!({"cell_type": kind, "metadata": {"tags": tags}, "source": source, "outputs": []})
        })
        .collect();
    let root = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
    Notebook::parse(&root.to_string(), std::path::Path::new("nb.ipynb")).unwrap()
}

fn run(cells: &[(&str, &str)], options: Options) -> (Notebook, Report, Script, Silent) {
    let mut notebook = notebook(cells);
    let mut script = Script::default();
    let mut progress = Silent::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime
        .block_on(execute(&mut notebook, &mut script, options, &mut progress))
        .unwrap();
    (notebook, report, script, progress)
}

#[test]
fn only_code_is_counted_and_executed() {
    let cells = [
        ("markdown", "fail"),
        ("", "print a"),
        ("", "  \n"),
        ("skip-execution", "fail"),
        ("", "print b"),
    ];
    let (notebook, report, script, progress) = run(&cells, Options::default());
    assert_eq!((report.executed, report.total), (2, 2));
    assert!(report.fatal().is_none());
    assert_eq!(script.counts, [1, 2]);
    assert_eq!(progress.ended, [(2, false), (5, false)]);
    assert_eq!(notebook.cells()[4]["outputs"][0]["text"], json!(["b"]));
    assert_eq!(notebook.cells()[4]["execution_count"], 2);
}

#[test]
fn the_first_error_ends_the_run_and_is_in_the_notebook() {
    let (notebook, report, _, _) = run(&[("", "fail"), ("", "print never")], Options::default());
    let failure = report.fatal().unwrap();
    assert_eq!((failure.number, failure.error.name.as_str()), (1, "Panic"));
    assert_eq!(notebook.cells()[0]["outputs"][0]["ename"], "Panic");
    assert_eq!(notebook.cells()[1]["outputs"], json!([]));
    assert_eq!(report.executed, 1);
}

#[test]
fn errors_that_are_allowed_end_nothing() {
    let options = Options {
        allow_errors: true,
        ..Options::default()
    };
    let (_, report, _, _) = run(&[("", "fail"), ("", "print a")], options);
    assert_eq!((report.executed, report.failures.len()), (2, 1));
    assert!(report.fatal().is_none());
    let (_, report, _, _) = run(
        &[("raises-exception", "fail"), ("", "fail")],
        Options::default(),
    );
    assert_eq!(report.fatal().unwrap().number, 2);
}

#[test]
fn a_cell_that_runs_too_long_is_interrupted_then_killed() {
    let options = Options {
        timeout: Some(Duration::from_millis(100)),
        ..Options::default()
    };
    let (_, report, script, _) = run(&[("", "sleep")], options);
    let error = &report.fatal().unwrap().error;
    assert_eq!(
        error.value,
        "the cell took longer than 0.1 s and was interrupted"
    );
    assert_eq!(error.traceback[1], "Interrupted here");
    assert_eq!(script.control.interrupts.load(Ordering::SeqCst), 1);

    let (_, report, script, _) = run(&[("", "hang")], options);
    let error = &report.fatal().unwrap().error;
    assert!(
        error
            .value
            .ends_with("was killed, so its variables are lost"),
        "{}",
        error.value
    );
    assert_eq!(script.control.interrupts.load(Ordering::SeqCst), 2);
}

#[test]
fn a_cell_that_asks_the_user_is_told_that_there_is_none() {
    let (_, report, script, _) = run(&[("", "ask")], Options::default());
    assert!(report.fatal().is_none());
    assert_eq!(script.control.answered.load(Ordering::SeqCst), 1);
}
