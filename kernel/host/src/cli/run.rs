//! `patchbay run`

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{
    progress::Terminal,
    start::{block_on, engine_config},
};
use crate::engines::{EngineConfig, EngineName};
use crate::kernelspec;
use patchbay_notebook::{self as notebook, Failure, Notebook, Options, Report, html, parameters};
use patchbay_toolchain::snapshot::Snapshot;

/// Execute a notebook from top to bottom, without Jupyter
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The notebook itself is not changed unless OUT names it. The exit code is not 0 \
    where a cell fails.\nA cell with the tag `raises-exception` may fail; one with the tag `skip-execution` \
    is left out.\n\nExamples:\n  \
    patchbay run notebooks/quickstart.ipynb                      only look whether it runs\n  \
    patchbay run train.ipynb -o train.ipynb                      execute in place\n  \
    patchbay run train.ipynb -o out.ipynb --html out.html        keep both\n  \
    patchbay run train.ipynb -p rate=0.01 -o out.ipynb           another value for a parameter\n  \
    patchbay run train.ipynb --timeout 600 --allow-errors        10 minutes a cell, go on after errors"
)]
pub struct Arguments {
    notebook: PathBuf,
    #[command(flatten)]
    options: RunOptions,
    /// What runs the cells
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
}

/// What can be said about an execution.
#[derive(Debug, clap::Args)]
pub struct RunOptions {
    /// Where to write the executed notebook, also when a cell fails
    #[arg(long, short, value_name = "OUT.ipynb")]
    output: Option<PathBuf>,
    /// Where to write one self-contained HTML page
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
    /// A folder for the pictures that the cells show
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// The value of a parameter: of a `let` in the cell with the tag `parameters`
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// The longest that one cell may run, in seconds: then it is interrupted, 5 s later killed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Go on after a cell that fails
    #[arg(long)]
    allow_errors: bool,
}

impl RunOptions {
    pub fn options(&self) -> Options {
        Options {
            timeout: self.timeout,
            allow_errors: self.allow_errors,
            open_parameters: !self.parameters.is_empty(),
        }
    }

    pub fn outputs(&self) -> Outputs {
        Outputs {
            notebook: self.output.clone(),
            html: self.html.clone(),
            pictures: self.pictures.clone(),
            prints: false,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = "expected a number of seconds greater than 0";
    let number: f64 = text.parse().map_err(|_| expected.to_owned())?;
    if number <= 0.0 {
        return Err(expected.to_owned());
    }
    Duration::try_from_secs_f64(number).map_err(|_| expected.to_owned())
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    let folder = folder_of(&arguments.notebook)?;
    let mut config = engine_config(&snapshot, arguments.engine, folder.clone())?;
    let options = &arguments.options;
    if !options.parameters.is_empty() {
        let all = notebook::parameters_of(&Notebook::read(&arguments.notebook)?);
        let values = parameters::read(&options.parameters, &all)?;
        let EngineConfig::Own(config) = &mut config else {
            bail!("-p needs Patchbay's own engine; leave out --engine");
        };
        config.parameters = Some(serde_json::to_string(&values)?);
    }
    let name = name_of(&arguments.notebook);
    let report = execute(
        &snapshot,
        config,
        &folder,
        &arguments.notebook,
        &name,
        &options.outputs(),
        options.options(),
    )?;
    Ok(conclude(&report))
}

/// Where results go.
#[derive(Debug, Default)]
pub struct Outputs {
    pub notebook: Option<PathBuf>,
    pub html: Option<PathBuf>,
    pub pictures: Option<PathBuf>,
    /// What the cells print is printed.
    pub prints: bool,
}

/// Executes a notebook and writes the results, also where a cell fails.
///
/// # Errors
///
/// Fails where the notebook is not readable, the engine does not start or a result cannot be
/// written.
pub fn run(
    snapshot: &Snapshot,
    path: &Path,
    outputs: &Outputs,
    options: Options,
) -> Result<Report> {
    let folder = folder_of(path)?;
    let config = engine_config(snapshot, EngineName::Patchbay, folder.clone())?;
    execute(
        snapshot,
        config,
        &folder,
        path,
        &name_of(path),
        outputs,
        options,
    )
}

/// The folder in which a notebook's cells run.
fn folder_of(notebook: &Path) -> Result<PathBuf> {
    let absolute = env::current_dir()?.join(notebook);
    Ok(absolute.parent().unwrap_or(Path::new("/")).to_owned())
}

fn name_of(notebook: &Path) -> String {
    let name = notebook.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Executes a notebook in a session of this configuration, which runs in `folder`. `name` is the title
/// of its page.
///
/// # Errors
///
/// See [`run`].
pub fn execute(
    snapshot: &Snapshot,
    config: EngineConfig,
    folder: &Path,
    path: &Path,
    name: &str,
    outputs: &Outputs,
    options: Options,
) -> Result<Report> {
    let mut notebook = Notebook::read(path)?;
    // A cell may run for hours; a result with no place to go must show before that.
    for output in [&outputs.notebook, &outputs.html].into_iter().flatten() {
        make_folder(output)?;
    }
    if let Some(pictures) = &outputs.pictures {
        make_folder(&pictures.join("picture"))?;
    }
    let mut progress = Terminal::new(notebook::executed_cells(&notebook), outputs.prints);
    let report = block_on(async {
        let mut session = config.start().await?;
        notebook::execute(&mut notebook, &mut *session, options, &mut progress).await
    });
    progress.finish();
    let report = report?;
    notebook.set_kernel(
        kernelspec::notebook_metadata(),
        &snapshot.language_version(),
    );
    if let Some(output) = &outputs.notebook {
        notebook.upgrade();
        notebook.write(output)?;
    }
    if let Some(output) = &outputs.html {
        notebook::write_whole_with(output, |page| {
            html::write_page(&notebook, folder, name, page)
        })?;
    }
    if let Some(folder) = &outputs.pictures {
        for (name, bytes) in notebook.pictures() {
            notebook::write_whole(&folder.join(name), &bytes)?;
        }
    }
    Ok(report)
}

/// Makes the folder of a result.
fn make_folder(output: &Path) -> Result<()> {
    let Some(folder) = output.parent() else {
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| {
        format!(
            "{} cannot be written: no folder {}",
            output.display(),
            folder.display()
        )
    })
}

/// Says how it went.
pub fn conclude(report: &Report) -> ExitCode {
    for failure in &report.failures {
        if !failure.allowed {
            show(failure);
        }
    }
    let allowed = report
        .failures
        .iter()
        .filter(|failure| failure.allowed)
        .count();
    let mut line = format!(
        "{} of {} cells ran in {:.2} s",
        report.executed,
        report.total,
        report.duration.as_secs_f64()
    );
    if allowed > 0 {
        line.push_str(&format!(", {allowed} failed as was allowed"));
    }
    match report.fatal() {
        None => {
            eprintln!("{line}");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            eprintln!("{line}, stopped at cell [{}]", failure.execution_count);
            ExitCode::FAILURE
        }
    }
}

fn show(failure: &Failure) {
    styled_eprintln!(
        "\x1b[1;31mcell [{}] failed\x1b[0m (number {} in the notebook): {}: {}",
        failure.execution_count,
        failure.number,
        failure.error.name,
        failure.error.value
    );
    for (index, line) in failure.source.lines().enumerate() {
        styled_eprintln!("\x1b[2m{:>4} |\x1b[0m {line}", index + 1);
    }
    for line in &failure.error.traceback {
        styled_eprintln!("{line}");
    }
}

/// The folder that holds a notebook of the repository, looked for from where the user is and from
/// where the program is.
pub fn find_in_repository(relative: &str) -> Result<PathBuf> {
    let here = env::current_dir().context("the working directory is gone\ntype: cd ~")?;
    let program = env::current_exe().unwrap_or_default();
    let found = here
        .ancestors()
        .chain(program.ancestors())
        .map(|folder| folder.join(relative))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!("no {relative} in {} or a folder above it\ntype: cd REPOSITORY, the folder of README.md", here.display())
    })
}
