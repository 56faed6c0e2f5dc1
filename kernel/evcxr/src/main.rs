//! `patchbay-evcxr`: the side process for the evcxr engine and for rust-analyzer.
//!
//! The host speaks to it as `patchbay_evcxr_protocol` says. The same program is what evcxr starts for the
//! process that runs cells: evcxr's child is a relay, which starts the process proper and takes evcxr's
//! own lines and the cells' texts apart (see `relay.rs`).

mod analyzer;
mod child;
mod engine;
mod lines;
mod project;
mod relay;
mod report;
mod serve;

use std::{env, process::ExitCode};

/// Set by evcxr for the process that runs cells.
const IS_RUNTIME: &str = "EVCXR_IS_RUNTIME";

fn main() -> ExitCode {
    if env::var_os(IS_RUNTIME).is_some() {
        if env::var_os(relay::IS_RELAYED).is_some() {
            child::prepare();
            evcxr::runtime_hook();
        }
        return relay::run();
    }
    // evcxr may ask for a rustc of its own, for which it starts this program, too.
    evcxr::runtime_hook();
    serve::run()
}
