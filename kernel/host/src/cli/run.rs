//! `patchbay run`: a notebook executed in place of Jupyter.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use crate::{
    html,
    notebook::{self, Notebook, Outputs},
    session::{CellError, CellReply, CellRequest, Session, SessionEvent},
    snapshot::Snapshot,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with status 1 at the first cell that fails. Example:\n  \
    patchbay run notebooks/quickstart.ipynb -o executed.ipynb --html page.html"
)]
pub struct Arguments {
    /// The notebook
    notebook: PathBuf,
    /// Write the executed notebook here
    #[arg(long, short, value_name = "OUT.ipynb")]
    output: Option<PathBuf>,
    /// Write a self-contained page with code, outputs and plots here
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
    /// The most seconds that a cell may take; it is interrupted then, and killed if that has no effect
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Go on after cells that fail
    #[arg(long)]
    allow_errors: bool,
}

/// How long a cell may go on after the interrupt of its timeout.
const GRACE: Duration = Duration::from_secs(5);

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let snapshot = Snapshot::locate()?;
    let request = Execution {
        notebook: &arguments.notebook,
        output: arguments.output.as_deref(),
        html: arguments.html.as_deref(),
        timeout: arguments
            .timeout
            .map(Duration::try_from_secs_f64)
            .transpose()
            .context("--timeout")?,
        allow_errors: arguments.allow_errors,
    };
    let succeeded = super::block_on(execute(&snapshot, &request))?;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What to execute, and where the results go.
pub struct Execution<'a> {
    pub notebook: &'a Path,
    pub output: Option<&'a Path>,
    pub html: Option<&'a Path>,
    pub timeout: Option<Duration>,
    pub allow_errors: bool,
}

/// Executes a notebook. Returns whether all cells succeeded; what was asked for is written anyway.
///
/// # Errors
///
/// Fails where the notebook cannot be read, the session does not start or a result cannot be written.
pub async fn execute(snapshot: &Snapshot, request: &Execution<'_>) -> anyhow::Result<bool> {
    let mut notebook = Notebook::read(request.notebook)?;
    let folder = match request.notebook.canonicalize()?.parent() {
        Some(parent) => parent.to_path_buf(),
        None => std::env::current_dir()?,
    };
    let config = super::session_config(snapshot, folder);
    let mut session = Session::start(config).await?;
    let mut outputs = Outputs::new(notebook.len());
    let cells: Vec<(usize, String)> = (0..notebook.len())
        .filter_map(|index| Some((index, notebook.code(index)?)))
        .filter(|(_, code)| !code.trim().is_empty())
        .collect();
    let progress = Progress::new(cells.len(), request.notebook);
    let mut executed = Vec::new();
    let mut failed = None;
    for (position, (index, code)) in cells.iter().enumerate() {
        let execution_count = u32::try_from(position + 1).unwrap_or(u32::MAX);
        progress.begin(execution_count, code);
        let reply = run_cell(
            &mut session,
            CellRequest {
                code: code.clone(),
                execution_count,
            },
            request.timeout,
            |event| outputs.push(*index, execution_count, event),
        )
        .await;
        executed.push((*index, execution_count));
        if let Some(error) = reply.error {
            outputs.push_error(*index, error.clone());
            progress.fail(execution_count, &error);
            failed = Some(error);
            if !request.allow_errors {
                break;
            }
        }
    }
    progress.finish(failed.is_none(), executed.len());
    // Displays may have been updated by later cells, so outputs are stored at the end.
    for (index, execution_count) in executed {
        notebook.set_outputs(index, Some(execution_count), outputs.of_cell(index));
    }
    notebook.set_kernel(&snapshot.language_version());
    if let Some(path) = request.output {
        notebook::write_whole(path, notebook.to_text().as_bytes())?;
    }
    if let Some(path) = request.html {
        let title = request
            .notebook
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        notebook::write_whole(path, html::page(&notebook, &title).as_bytes())?;
    }
    Ok(failed.is_none() || request.allow_errors)
}

/// Runs one cell under a time limit.
async fn run_cell(
    session: &mut Session,
    request: CellRequest,
    timeout: Option<Duration>,
    mut show: impl FnMut(SessionEvent),
) -> CellReply {
    let control = session.control();
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut reply = {
        let execution = session.execute(request, &sender);
        tokio::pin!(execution);
        let mut deadline = timeout.map(|timeout| tokio::time::Instant::now() + timeout);
        let mut expired = false;
        let mut reply = loop {
            let limit =
                deadline.unwrap_or_else(|| tokio::time::Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    if matches!(event, SessionEvent::InputRequest { .. }) {
                        control.answer_input(None);
                    }
                    show(event);
                }
                reply = &mut execution => break reply,
                () = tokio::time::sleep_until(limit), if deadline.is_some() => {
                    control.interrupt();
                    deadline = (!expired).then(|| tokio::time::Instant::now() + GRACE);
                    expired = true;
                }
            }
        };
        if expired && let (Some(error), Some(timeout)) = (&mut reply.error, timeout) {
            error.name = "Timeout".to_owned();
            error.value = format!("the cell took longer than {} s", timeout.as_secs_f64());
            error
                .traceback
                .insert(0, format!("Timeout: {}", error.value));
        }
        reply
    };
    while let Ok(event) = events.try_recv() {
        show(event);
    }
    reply.payload.clear();
    reply
}

/// What the terminal shows: a bar, or plain lines where the output is not a terminal.
struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    name: String,
}

impl Progress {
    fn new(cells: usize, notebook: &Path) -> Progress {
        let name = notebook
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(cells as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress {
            bar,
            start: Instant::now(),
            name,
        }
    }

    fn begin(&self, execution_count: u32, code: &str) {
        let first = code
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        match &self.bar {
            Some(bar) => {
                bar.set_position(u64::from(execution_count - 1));
                bar.set_message(first.to_owned());
            }
            None => eprintln!("{}: cell [{execution_count}] {first}", self.name),
        }
    }

    fn fail(&self, execution_count: u32, error: &CellError) {
        let text = format!(
            "{}: cell [{execution_count}] failed\n{}",
            self.name,
            error.traceback.join("\n")
        );
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn finish(&self, succeeded: bool, cells: usize) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let end = if succeeded {
            "all succeeded"
        } else {
            "with an error"
        };
        eprintln!("{}: {cells} cells in {seconds:.1} s, {end}", self.name);
    }
}
