//! `patchbay build`

use std::{env, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Result;
use tokio::sync::mpsc;

use super::{progress::Terminal, run, start::block_on};
use crate::compiled::{self, Program, output::Output};
use crate::kernelspec;
use patchbay_contract::{Answer, CellReply, CellRequest, Control, Session, SessionEvent};
use patchbay_engine::cache::Cache;
use patchbay_notebook::{self as notebook, Notebook, Options};
use patchbay_session::EngineSession;
use patchbay_toolchain::snapshot::Snapshot;

/// Compile a notebook into a folder that runs where there is no Rust
///
/// Every cell is compiled and none is run. The folder holds the cells, the SDK, the plugins and the
/// notebook; copy it to a machine with the same processor architecture and a glibc at least as new, and
/// type DIR/run.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "In a cell with the tag `parameters`, each `let name = literal;` is a default that \
    DIR/run -p name=value replaces.\n\nExamples:\n  \
    patchbay build train.ipynb -o job\n  \
    job/run -p rate=0.01 -o out.ipynb --pictures pictures"
)]
pub struct Arguments {
    notebook: PathBuf,
    /// The folder, made anew
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

/// A session that compiles what it is told to execute.
struct CompileOnly(EngineSession);

impl Session for CompileOnly {
    fn control(&self) -> Arc<dyn Control> {
        self.0.control()
    }

    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply> {
        Box::pin(self.0.compile_only(request, events))
    }
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let mut notebook = Notebook::read(&arguments.notebook)?;
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    let path = env::current_dir()?.join(&arguments.notebook);
    let output = Output::new(&arguments.output)?;
    let folder = output.folder().to_owned();
    let mut config =
        super::start::session_config(&snapshot, path.parent().unwrap_or(&path).to_owned());
    config.cache = Some(Cache::new(folder.join("cells"), u64::MAX));
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let parameters = notebook::parameters_of(&notebook);
    let options = Options {
        open_parameters: true,
        ..Options::default()
    };
    let mut progress = Terminal::new(notebook::executed_cells(&notebook), false);
    let report = block_on(async {
        let mut session = CompileOnly(EngineSession::start(config).await?);
        let report = notebook::execute(&mut notebook, &mut session, options, &mut progress).await?;
        if report.fatal().is_none() {
            Program::new(
                &name,
                parameters,
                snapshot.compiler(),
                session.0.kept().clone(),
            )
            .write(&folder, &snapshot, &path)?;
        }
        Ok(report)
    });
    progress.finish();
    let report = report?;
    if report.fatal().is_some() {
        return Ok(run::conclude(&report));
    }
    eprintln!(
        "{} cells compiled in {:.2} s, {:.0} MB",
        report.executed,
        report.duration.as_secs_f64(),
        compiled::size(&folder) as f64 / 1e6
    );
    output.publish()?;
    println!("{}/run", arguments.output.display());
    Ok(ExitCode::SUCCESS)
}
