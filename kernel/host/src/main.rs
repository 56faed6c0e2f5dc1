//! `patchbay`: a Jupyter kernel for Rust whose machine-learning components are plugins.

mod cli;
mod engine;
mod html;
mod kernelspec;
mod notebook;
mod output;
mod runtime;
mod server;
mod session;
mod snapshot;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("patchbay: {error:#}");
            ExitCode::FAILURE
        }
    }
}
