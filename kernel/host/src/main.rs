//! The command `patchbay`: the Jupyter kernel, and notebooks without Jupyter.

mod cli;
mod doctor;
mod html;
mod kernelspec;
mod notebook;
mod server;
mod session;
mod snapshot;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
