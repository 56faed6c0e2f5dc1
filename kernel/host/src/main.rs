//! `patchbay`: a Jupyter kernel for Rust whose machine-learning components are plugins.

mod cli;
mod compiled;
mod completion;
mod dependency;
mod doctor;
mod engine;
mod engines;
mod html;
mod kernelspec;
mod notebook;
mod output;
mod plugin;
mod runtime;
mod server;
mod session;
mod side;
mod snapshot;
mod wire;
mod workplace;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(instructions) = std::env::var_os(dependency::wrapper::VARIABLE) {
        return dependency::wrapper::main(instructions.as_ref());
    }
    cli::main()
}
