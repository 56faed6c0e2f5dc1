//! The command line.

mod build;
mod cache;
mod dehaze;
mod doctor;
mod exec;
mod install;
mod kernel;
mod lab;
mod plugin;
mod progress;
mod quickstart;
mod run;

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};

use crate::engines::{EngineConfig, EngineName};
use patchbay_engine::cache::Cache;
use patchbay_session::SessionConfig;
use patchbay_side::SideConfig;
use patchbay_toolchain::{
    dependency::Workshop,
    snapshot::{Held, Snapshot},
};

/// A Jupyter kernel for Rust with tensors, plots and machine-learning plugins.
#[derive(Debug, Parser)]
#[command(
    name = "patchbay",
    version,
    after_help = "Begin with:  patchbay quickstart\nSomething does not work:  patchbay doctor",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Quickstart(quickstart::Arguments),
    Run(run::Arguments),
    Build(build::Arguments),
    #[command(hide = true)]
    Exec(exec::Arguments),
    Lab(lab::Arguments),
    Install(install::InstallArguments),
    Uninstall(install::UninstallArguments),
    Doctor(doctor::Arguments),
    /// Show or clear the compiled cells on disk
    Cache(cache::Arguments),
    #[command(subcommand)]
    Plugin(plugin::Command),
    Dehaze(dehaze::Arguments),
    Kernel(kernel::Arguments),
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Quickstart(arguments) => quickstart::main(&arguments),
        Command::Run(arguments) => run::main(&arguments),
        Command::Build(arguments) => build::main(&arguments),
        Command::Exec(arguments) => exec::main(&arguments),
        Command::Lab(arguments) => lab::main(&arguments),
        Command::Install(arguments) => install::install(arguments),
        Command::Uninstall(arguments) => install::uninstall(arguments.place),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Plugin(command) => plugin::main(&command),
        Command::Dehaze(arguments) => dehaze::main(&arguments),
        Command::Kernel(arguments) => kernel::main(&arguments),
    };
    result.unwrap_or_else(|error| {
        styled_eprintln!("\x1b[1;31merror\x1b[0m: {error:#}");
        ExitCode::FAILURE
    })
}

/// How a session of this snapshot starts in a folder.
fn session_config(snapshot: &Snapshot, working_directory: PathBuf) -> SessionConfig {
    let library_path = library_path(snapshot);
    SessionConfig {
        // Without it, completion knows what the kernel itself knows.
        side: SideConfig::of(snapshot, library_path.clone()).ok(),
        snapshot: Some(Arc::new(Held::of(snapshot))),
        compiler: snapshot.compiler(),
        runtime: snapshot.runtime(),
        library_path,
        cache: Cache::of_user(),
        dependencies: Workshop::new(snapshot),
        plugins: BTreeMap::new(),
        parameters: None,
        working_directory,
    }
}

/// How a session on an engine starts in a folder.
///
/// # Errors
///
/// Fails where the engine is evcxr and the side process is missing.
fn engine_config(
    snapshot: &Snapshot,
    engine: EngineName,
    working_directory: PathBuf,
) -> anyhow::Result<EngineConfig> {
    Ok(match engine {
        EngineName::Patchbay => {
            EngineConfig::Own(Box::new(session_config(snapshot, working_directory)))
        }
        EngineName::Evcxr => EngineConfig::Evcxr {
            side: Box::new(SideConfig::of(snapshot, library_path(snapshot))?),
            working_directory,
        },
    })
}

/// Where programs find the SDK's libraries.
fn library_path(snapshot: &Snapshot) -> OsString {
    let mut path = snapshot.library_folder().into_os_string();
    if let Some(inherited) = std::env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(inherited);
    }
    path
}

/// Runs a future on an executor with two workers: sockets and processes are all it has to serve.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn places_exclude_each_other() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("patchbay install --user --prefix /opt").is_err());
        assert!(parse("patchbay install --prefix /opt").is_ok());
        assert!(parse("patchbay run nb.ipynb --timeout 0").is_err());
        assert!(parse("patchbay dehaze in out --shard 5/4").is_err());
        assert!(parse("patchbay dehaze in out --shard 4/4 --guide colour --memory 2G").is_ok());
        assert!(parse("patchbay run nb.ipynb --timeout 0.5 -o out.ipynb --html out.html").is_ok());
    }
}
