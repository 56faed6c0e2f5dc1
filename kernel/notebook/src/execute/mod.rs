//! Executes a notebook from top to bottom.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{self, sleep_until},
};

use super::{
    CellKind, Notebook, Recorder, has_tag, kind,
    parameters::{self, Parameter},
    source,
};
use patchbay_contract::{CellError, CellRequest, Session, SessionEvent, StreamName};

/// How long a cell has after an interrupt before it is killed, and after that to be dead.
const GRACE: Duration = if cfg!(test) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(5)
};

/// How a notebook is executed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The longest that one cell may run.
    pub timeout: Option<Duration>,
    /// Go on after a cell that fails.
    pub allow_errors: bool,
    /// Ask for the values of parameters instead of taking the defaults as they stand.
    pub open_parameters: bool,
}

/// Hears how the execution goes. Cells are counted from 1 among the cells of the notebook, as a
/// reader counts them.
pub trait Progress {
    /// A code cell begins: its number from 1, its text.
    fn begin(&mut self, number: usize, source: &str);
    /// A cell has shown something.
    fn output(&mut self, event: &SessionEvent);
    /// A cell has ended.
    fn end(&mut self, number: usize, duration: Duration, failed: bool);
}

/// A cell that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The cell, counted from 1 among all cells.
    pub number: usize,
    /// The number in front of the cell.
    pub execution_count: u32,
    /// The cell's text.
    pub source: String,
    /// The error that the cell has failed with.
    pub error: CellError,
    /// The cell's tag `raises-exception` or the options allow it.
    pub allowed: bool,
}

/// What became of a notebook.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many cells ran.
    pub executed: usize,
    /// How many code cells with text there are.
    pub total: usize,
    /// The cells that have failed.
    pub failures: Vec<Failure>,
    /// How long all cells took.
    pub duration: Duration,
}

impl Report {
    /// The failure that ended the execution.
    pub fn fatal(&self) -> Option<&Failure> {
        self.failures.iter().find(|failure| !failure.allowed)
    }
}

/// Whether the cell is one to execute; the tag `skip-execution` leaves a cell as it is.
fn is_executed(cell: &serde_json::Value) -> bool {
    kind(cell) == CellKind::Code
        && !source(cell).trim().is_empty()
        && !has_tag(cell, "skip-execution")
}

/// What is executed of a cell: its source, with open parameters if that is asked.
fn executed_source(cell: &serde_json::Value, options: Options) -> String {
    let code = source(cell);
    if options.open_parameters && has_tag(cell, parameters::TAG) {
        parameters::open(&code)
    } else {
        code
    }
}

/// The parameters of a notebook.
pub fn parameters_of(notebook: &Notebook) -> Vec<Parameter> {
    notebook
        .cells()
        .iter()
        .filter(|cell| is_executed(cell) && has_tag(cell, parameters::TAG))
        .flat_map(|cell| parameters::parameters(&source(cell)))
        .collect()
}

/// How many cells an execution runs.
pub fn executed_cells(notebook: &Notebook) -> usize {
    notebook
        .cells()
        .iter()
        .filter(|cell| is_executed(cell))
        .count()
}

/// Executes the code cells in order and writes their outputs into the notebook.
///
/// # Errors
///
/// Fails where signals cannot be heard; a cell that fails is in the report.
pub async fn execute(
    notebook: &mut Notebook,
    session: &mut dyn Session,
    options: Options,
    progress: &mut impl Progress,
) -> Result<Report> {
    let start = Instant::now();
    let mut report = Report {
        total: executed_cells(notebook),
        ..Report::default()
    };
    let mut keyboard = signal(SignalKind::interrupt()).context("Ctrl-C cannot be heard")?;
    announce(session, notebook, 0, options);
    let mut recorder = Recorder::new(notebook);
    let mut execution_count = 0;
    for index in 0..recorder.notebook().cell_count() {
        let cell = &recorder.notebook().cells()[index];
        if !is_executed(cell) {
            continue;
        }
        let code = source(cell);
        let may_fail = options.allow_errors || has_tag(cell, "raises-exception");
        let executed = executed_source(cell, options);
        execution_count += 1;
        progress.begin(index + 1, &code);
        recorder.begin(index, execution_count);
        let request = CellRequest {
            code: executed,
            execution_count,
        };
        let began = Instant::now();
        let end = run_cell(
            session,
            request,
            options.timeout,
            &mut keyboard,
            &mut recorder,
            progress,
        )
        .await;
        if let Some(error) = &end.error {
            recorder.error(error);
        }
        recorder.finish();
        report.executed += 1;
        progress.end(index + 1, began.elapsed(), end.error.is_some());
        if let Some(error) = end.error {
            let allowed = may_fail && !end.stop;
            report.failures.push(Failure {
                number: index + 1,
                execution_count,
                source: code,
                error,
                allowed,
            });
            if !allowed {
                break;
            }
            // A failure ends what was announced before it.
            announce(session, recorder.notebook(), index + 1, options);
        }
    }
    report.duration = start.elapsed();
    Ok(report)
}

/// Announces the cells from this one on.
fn announce(session: &dyn Session, notebook: &Notebook, first: usize, options: Options) {
    let control = session.control();
    for cell in notebook.cells()[first..]
        .iter()
        .filter(|cell| is_executed(cell))
    {
        control.announce(&executed_source(cell, options));
    }
}

struct CellEnd {
    error: Option<CellError>,
    /// The user wants no more cells, or the session is of no more use.
    stop: bool,
}

async fn run_cell(
    session: &mut dyn Session,
    request: CellRequest,
    timeout: Option<Duration>,
    keyboard: &mut tokio::signal::unix::Signal,
    recorder: &mut Recorder<'_>,
    progress: &mut impl Progress,
) -> CellEnd {
    let control = session.control();
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut show = |event: SessionEvent| {
        match &event {
            SessionEvent::InputRequest { .. } => control.answer_input(None),
            event => progress.output(event),
        }
        recorder.record(event);
    };
    let mut deadline = timeout.map(|timeout| time::Instant::now() + timeout);
    let mut timeout_interrupts = 0;
    let mut stopped = false;
    let reply = {
        let mut run = std::pin::pin!(session.execute(request, &sender));
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => show(event),
                reply = &mut run => break Some(reply),
                Some(()) = keyboard.recv() => {
                    stopped = true;
                    control.interrupt();
                }
                () = sleep_until(deadline.unwrap_or_else(time::Instant::now)), if deadline.is_some() => {
                    if timeout_interrupts == 2 {
                        break None;
                    }
                    timeout_interrupts += 1;
                    control.interrupt();
                    deadline = Some(time::Instant::now() + GRACE);
                }
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        show(event);
    }
    let dead = reply.is_none();
    let (error, payload) = reply.map_or((None, Vec::new()), |reply| (reply.error, reply.payload));
    // A front end shows pages; here they are outputs like others.
    for page in payload.iter().filter(|item| item["source"] == "page") {
        let text = page["data"]["text/plain"].as_str().unwrap_or_default();
        show(SessionEvent::Stream {
            name: StreamName::Stdout,
            text: text.to_owned(),
        });
    }
    let error = match timeout {
        Some(timeout) if timeout_interrupts > 0 => {
            Some(timeout_error(timeout, timeout_interrupts, error))
        }
        _ => error,
    };
    // Whoever presses Ctrl-C wants the notebook to stop, also where the cell came to its end.
    let error = error.or_else(|| {
        stopped.then(|| CellError {
            name: "KeyboardInterrupt".to_owned(),
            value: "stopped by Ctrl-C".to_owned(),
            traceback: vec!["KeyboardInterrupt: stopped by Ctrl-C".to_owned()],
        })
    });
    CellEnd {
        error,
        stop: stopped || dead,
    }
}

/// What a cell that ran too long failed with; what it said at its end follows.
fn timeout_error(timeout: Duration, interrupts: u32, error: Option<CellError>) -> CellError {
    let what = match interrupts {
        1 => "was interrupted",
        _ => "did not react to an interrupt and was killed, so its variables are lost",
    };
    let value = format!(
        "the cell took longer than {} s and {what}",
        timeout.as_secs_f64()
    );
    let mut traceback = vec![format!("\x1b[31mTimeout\x1b[0m: {value}")];
    traceback.extend(error.into_iter().flat_map(|error| error.traceback));
    CellError {
        name: "Timeout".to_owned(),
        value,
        traceback,
    }
}

#[cfg(test)]
mod tests;
