//! The command line.

mod cache;
mod doctor;
mod install;
mod kernel;
mod lab;
mod quickstart;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{engine::cache::Cache, session::SessionConfig, snapshot::Snapshot};

/// A Jupyter kernel for Rust whose machine-learning components are plugins.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
#[command(after_help = "Begin with: patchbay quickstart")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register the kernel, execute notebooks/quickstart.ipynb, write the executed notebook and an
    /// HTML page with its plots
    Quickstart(quickstart::Arguments),
    /// Execute a notebook without Jupyter
    Run(run::Arguments),
    /// Open JupyterLab with the kernel registered
    Lab(lab::Arguments),
    /// Register the kernel with Jupyter
    Install(install::Arguments),
    /// Remove the kernel from Jupyter
    Uninstall(install::Arguments),
    /// Say what is there and what is missing, each with the command that mends it
    Doctor,
    /// Show or clear the compiled cells on disk
    Cache(cache::Arguments),
    /// Serve a connection file; Jupyter calls this
    Kernel(kernel::Arguments),
}

/// Parses the command line and does what it says.
///
/// # Errors
///
/// Returns what is to be printed before the program exits with status 1.
pub fn run() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Quickstart(arguments) => quickstart::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Install(arguments) => install::install(&arguments),
        Command::Uninstall(arguments) => install::uninstall(&arguments),
        Command::Doctor => doctor::run(),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Kernel(arguments) => kernel::run(&arguments),
    }
}

/// How a session of this snapshot starts in a folder.
fn session_config(snapshot: &Snapshot, working_directory: PathBuf) -> SessionConfig {
    let mut library_path = snapshot.library_folder().into_os_string();
    if let Some(inherited) = std::env::var_os("LD_LIBRARY_PATH") {
        library_path.push(":");
        library_path.push(inherited);
    }
    SessionConfig {
        compiler: snapshot.compiler(),
        runtime: snapshot.runtime(),
        library_path,
        cache: Cache::of_user(),
        working_directory,
    }
}

/// Runs a future on an executor with two workers: sockets and processes are all it has to serve.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(future)
}
