//! The command line.

mod build;
mod cache;
mod completions;
mod doctor;
mod exec;
mod install;
mod kernel;
mod lab;
mod plugin;
mod progress;
mod quickstart;
mod run;
mod start;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    Dehaze(patchbay_dehaze_command::Arguments),
    Completions(completions::Arguments),
    Man(completions::ManArguments),
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
        Command::Uninstall(arguments) => install::uninstall(arguments.scope),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Plugin(command) => plugin::main(&command),
        Command::Dehaze(arguments) => patchbay_dehaze_command::main(&arguments),
        Command::Completions(arguments) => completions::main(&arguments, Arguments::command()),
        Command::Man(arguments) => completions::man(&arguments, Arguments::command()),
        Command::Kernel(arguments) => kernel::main(&arguments),
    };
    result.unwrap_or_else(|error| {
        styled_eprintln!("\x1b[1;31merror\x1b[0m: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
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
        assert!(parse("patchbay dehaze in out --shard 4/4 --guide color --memory 2G").is_ok());
        assert!(parse("patchbay run nb.ipynb --timeout 0.5 -o out.ipynb --html out.html").is_ok());
    }
}
