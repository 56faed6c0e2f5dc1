//! A notebook session on the evcxr engine.
//!
//! It runs the same notebooks with the same SDK as the engine's session, and tells outputs and
//! errors in the same way. What evcxr cannot do stays so: an interrupt ends the process that holds the
//! variables, and our magics other than those that evcxr has are errors.

use parking_lot::Mutex;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use patchbay_evcxr_protocol::{End, Event, Request};
use tokio::sync::mpsc;

use super::{SideConfig, package, process::SideProcess};
use patchbay_contract::{
    Answer, CellError, CellReply, CellRequest, Completeness, Completions, Control, Session,
    SessionEvent, StreamName, Timings,
};
use patchbay_engine::{completeness, error, magic::Magics};
use patchbay_toolchain::workplace::Workplace;

/// How long a question waits for an answer; evcxr answers none while a cell runs.
const PATIENCE: Duration = Duration::from_secs(8);

/// What every cell has without typing it, as in our own engine.
const PRELUDE: &str = "use patchbay::prelude::*;";

/// A session on evcxr.
pub struct EvcxrSession {
    config: SideConfig,
    working_directory: PathBuf,
    scratch: Workplace,
    shared: Arc<Shared>,
}

struct Shared {
    magics: Magics,
    process: Mutex<Option<SideProcess>>,
    running: AtomicBool,
}

/// Reaches a session while a cell runs.
pub struct EvcxrControl {
    shared: Arc<Shared>,
}

impl Session for EvcxrSession {
    fn control(&self) -> Arc<dyn Control> {
        Arc::new(EvcxrControl {
            shared: self.shared.clone(),
        })
    }

    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply> {
        Box::pin(async move {
            self.shared.running.store(true, Ordering::SeqCst);
            let start = Instant::now();
            let result = self.run(&request.code, events).await;
            self.shared.running.store(false, Ordering::SeqCst);
            CellReply {
                error: result.err(),
                timings: Timings {
                    run_nanoseconds: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
                    ..Timings::default()
                },
                payload: Vec::new(),
            }
        })
    }
}

impl EvcxrSession {
    /// A session that starts its process with the first cell.
    ///
    /// # Errors
    ///
    /// Fails where there is no folder for the session's files.
    pub fn new(
        magics: Magics,
        config: SideConfig,
        working_directory: PathBuf,
    ) -> anyhow::Result<EvcxrSession> {
        Ok(EvcxrSession {
            config,
            working_directory,
            scratch: Workplace::new(None)?,
            shared: Arc::new(Shared {
                magics,
                process: Mutex::default(),
                running: AtomicBool::new(false),
            }),
        })
    }

    async fn run(
        &mut self,
        code: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let (code, timed) = translate(code, self.shared.magics)?;
        let process = self.process().await?;
        let start = Instant::now();
        let mut result = Ok(());
        for (index, step) in steps(&code).into_iter().enumerate() {
            if index > 0 {
                outcome(evaluate(&process, ":clear".to_owned(), events).await)?;
                self.give_sdk(&process).await?;
            }
            if !step.trim().is_empty() || index == 0 {
                result = outcome(evaluate(&process, step, events).await);
            }
            if result.is_err() {
                break;
            }
        }
        if timed {
            let text = format!(
                "Wall time: {:.2} s, with the compile\n",
                start.elapsed().as_secs_f64()
            );
            let _ = events.send(SessionEvent::Stream {
                name: StreamName::Stdout,
                text,
            });
        }
        result
    }

    /// The process, started and given the SDK if there is none.
    async fn process(&self) -> Result<SideProcess, CellError> {
        if let Some(process) = self.shared.process()
            && !process.has_ended()
        {
            return Ok(process);
        }
        let failed = |error: anyhow::Error| CellError::plain("StartError", format!("{error:#}"));
        self.scratch.restore().map_err(failed)?;
        let scratch = self.scratch.path();
        let build = scratch.join("build");
        package::write_stub(&self.config, &self.stub())
            .and_then(|()| std::fs::create_dir_all(&build))
            .with_context(|| format!("{} cannot be written", scratch.display()))
            .map_err(failed)?;
        let process =
            SideProcess::start(&self.config, &self.working_directory, &build).map_err(failed)?;
        let (unseen, _) = mpsc::unbounded_channel();
        // The first cell makes evcxr start; it writes a lock file, which is replaced then.
        outcome(evaluate(&process, "1;".to_owned(), &unseen).await)?;
        package::copy_lock(&self.config, &build)
            .context("the lock file cannot be copied")
            .map_err(failed)?;
        self.give_sdk(&process).await?;
        *self.shared.process.lock() = Some(process.clone());
        Ok(process)
    }

    /// Gives evcxr the SDK, at its start and after it has forgotten everything.
    async fn give_sdk(&self, process: &SideProcess) -> Result<(), CellError> {
        let (unseen, _) = mpsc::unbounded_channel();
        let flags = package::flags(&self.config).join("\u{1f}");
        let preamble = format!(
            ":offline 1\n:build_env CARGO_ENCODED_RUSTFLAGS={flags}\n\
             :dep patchbay-stub = {{ path = \"{}\" }}\n{PRELUDE}",
            self.stub().display()
        );
        outcome(evaluate(process, preamble, &unseen).await)?;
        outcome(evaluate(process, ":offline 0".to_owned(), &unseen).await)
    }

    fn stub(&self) -> PathBuf {
        self.scratch.path().join("stub")
    }
}

/// The parts of a cell before, between and behind its lines `:clear`, each in the lines that it had.
fn steps(code: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    for (index, line) in code.lines().enumerate() {
        if line.trim() == ":clear" {
            steps.push("\n".repeat(index + 1));
        } else if let Some(step) = steps.last_mut() {
            step.push_str(line);
            step.push('\n');
        }
    }
    steps
}

/// Runs a cell in the process and passes its outputs on.
async fn evaluate(
    process: &SideProcess,
    code: String,
    events: &mpsc::UnboundedSender<SessionEvent>,
) -> Option<End> {
    let (sink, mut outputs) = mpsc::unbounded_channel();
    process.set_sink(sink);
    let answer = process.ask(|id| Request::Evaluate { id, code });
    tokio::pin!(answer);
    let answer = loop {
        tokio::select! {
            biased;
            Some(event) = outputs.recv() => pass_on(event, events),
            answer = &mut answer => break answer,
        }
    };
    while let Ok(event) = outputs.try_recv() {
        pass_on(event, events);
    }
    match answer {
        Some(Event::Evaluated { end, .. }) => Some(end),
        _ => None,
    }
}

fn pass_on(event: Event, events: &mpsc::UnboundedSender<SessionEvent>) {
    let event = match event {
        Event::Stream { name, text } => SessionEvent::Stream { name, text },
        Event::Output { output } => output.into(),
        Event::InputRequest { prompt, password } => SessionEvent::InputRequest { prompt, password },
        Event::Comm { message } => SessionEvent::Comm(message),
        Event::Evaluated { .. }
        | Event::Opened { .. }
        | Event::Completed { .. }
        | Event::Inspected { .. } => return,
    };
    let _ = events.send(event);
}

fn outcome(end: Option<End>) -> Result<(), CellError> {
    match end {
        Some(End::Ok) => Ok(()),
        Some(End::CompileError { message, rendered }) => {
            Err(error::compile_error(&message, rendered))
        }
        Some(End::Failed { failure }) => Err(error::failure(&failure, |_| None)),
        Some(End::ProcessEnded { cause }) if cause == "interrupted" => Err(CellError::plain(
            "Interrupted",
            "evcxr ends the process of an interrupted cell: all variables are lost. Run the cells that \
             define what you need again",
        )),
        Some(End::ProcessEnded { cause }) => Err(error::process_ended(&cause, false)),
        Some(End::EngineError { message }) => Err(CellError::plain("EngineError", message)),
        None => Err(CellError::plain(
            "ProcessEnded",
            "the process of the evcxr engine has ended; items and variables are lost, and the next cell \
             starts it anew",
        )),
    }
}

/// Our magics in evcxr's words, line by line; and whether the cell is to be timed.
fn translate(code: &str, magics: Magics) -> Result<(String, bool), CellError> {
    use patchbay_engine::directive::{Part, Timing, split};
    let (magic, parts) = split(code, magics, &|_| false);
    let mut lines: Vec<String> = code.lines().map(str::to_owned).collect();
    let mut timed = false;
    let unknown = |sign: &str, name: &str| {
        CellError::plain(
            "MagicError",
            format!("the evcxr engine has no magic `{sign}{name}`; :help lists its commands"),
        )
    };
    if let Some(magic) = &magic {
        let command = magics.of_cell(&magic.name).and_then(|magic| magic.evcxr);
        if command.is_none() {
            return Err(unknown("%%", &magic.name));
        }
        timed = true;
        lines[0].clear();
    }
    for part in &parts {
        match part {
            Part::Rust {
                text,
                first_line,
                timing,
            } if *timing != Timing::No => {
                if *timing == Timing::Repeated {
                    return Err(unknown("%", "timeit"));
                }
                timed = true;
                text.as_ref().clone_into(&mut lines[*first_line as usize]);
            }
            Part::Directive(directive) => {
                let first = directive.line as usize;
                let further = directive.argument.matches('\n').count();
                if further > 0 {
                    // evcxr takes a command on one line.
                    lines[first] = format!(
                        ":{} {}",
                        directive.name,
                        directive.argument.replace('\n', " ")
                    );
                    lines[first + 1..=first + further]
                        .iter_mut()
                        .for_each(String::clear);
                }
                let line = &mut lines[first];
                if line.trim_start().starts_with('%') {
                    let command = magics
                        .of_line(&directive.name)
                        .and_then(|magic| magic.evcxr);
                    let Some(name) = command else {
                        return Err(unknown("%", &directive.name));
                    };
                    *line = format!(":{name} {}", directive.argument)
                        .trim_end()
                        .to_owned();
                }
            }
            Part::Rust { .. } => {}
        }
    }
    Ok((lines.join("\n"), timed))
}

impl Shared {
    fn process(&self) -> Option<SideProcess> {
        self.process.lock().clone()
    }
}

impl Control for EvcxrControl {
    /// Ends the process that runs the cell.
    fn interrupt(&self) {
        if self.shared.running.load(Ordering::SeqCst)
            && let Some(process) = self.shared.process()
        {
            process.send(Request::Interrupt);
        }
    }

    fn answer_input(&self, value: Option<String>) {
        if let Some(process) = self.shared.process() {
            process.send(Request::InputReply { value });
        }
    }

    fn completeness(&self, code: &str) -> Completeness {
        completeness::judge(code, self.shared.magics)
    }

    /// Returns the completions that evcxr knows; none while a cell runs.
    fn complete<'a>(&'a self, code: &'a str, offset: usize) -> Answer<'a, Completions> {
        Box::pin(async move {
            let answer = self.ask(|id| Request::CompleteInSession {
                id,
                code: code.to_owned(),
                cursor: offset,
            });
            match answer.await {
                Some(Event::Completed { completions, .. }) => completions,
                _ => Completions::none(offset),
            }
        })
    }

    /// Describes a name as evcxr knows it; nothing while a cell runs.
    fn inspect<'a>(&'a self, code: &'a str, offset: usize) -> Answer<'a, Option<String>> {
        Box::pin(async move {
            let answer = self.ask(|id| Request::InspectInSession {
                id,
                code: code.to_owned(),
                cursor: offset,
            });
            match answer.await {
                Some(Event::Inspected { markdown, .. }) => markdown,
                _ => None,
            }
        })
    }
}

impl EvcxrControl {
    async fn ask(&self, request: impl FnOnce(u64) -> Request) -> Option<Event> {
        if self.shared.running.load(Ordering::SeqCst) {
            return None;
        }
        let process = self.shared.process()?;
        tokio::time::timeout(PATIENCE, process.ask(request))
            .await
            .ok()?
    }
}

#[cfg(test)]
mod tests {
    use patchbay_engine::{
        directive::Timing,
        magic::{Argument, Magic},
    };

    use super::*;

    const fn magic(
        name: &'static [&'static str],
        argument: Argument,
        evcxr: Option<&'static str>,
    ) -> Magic {
        Magic {
            names: name,
            usage: "",
            summary: "",
            argument,
            changes_programs: false,
            is_listed: true,
            evcxr,
        }
    }

    const MAGICS: Magics = Magics(|| {
        static ALL: [&Magic; 5] = [
            &magic(&["%who"], Argument::Words, Some("vars")),
            &magic(&["%opt"], Argument::Words, Some("opt")),
            &magic(&["%%time"], Argument::Words, Some("time")),
            &magic(&["%time"], Argument::Statement(Timing::Once), Some("time")),
            &magic(&["%plugins"], Argument::Words, None),
        ];
        &ALL
    });

    fn translate(code: &str) -> Result<(String, bool), CellError> {
        super::translate(code, MAGICS)
    }

    #[test]
    fn magics_become_commands_in_their_lines() {
        let (code, timed) = translate("let a = 1;\n%who\n%opt 0\na").unwrap();
        assert_eq!(code, "let a = 1;\n:vars\n:opt 0\na");
        assert!(!timed);
        let (code, timed) = translate("%%time\nf()").unwrap();
        assert_eq!((code.as_str(), timed), ("\nf()", true));
        let (code, timed) = translate("%time f()").unwrap();
        assert_eq!((code.trim(), timed), ("f()", true));
        assert_eq!(translate("%plugins").unwrap_err().name, "MagicError");
        assert_eq!(translate("7\n  % 3").unwrap().0, "7\n  % 3");
        assert_eq!(steps("a\n:clear\nb"), ["a\n", "\n\nb\n"]);
    }
}
