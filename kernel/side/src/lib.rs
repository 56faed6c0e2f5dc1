//! The side process `patchbay-evcxr`: the evcxr engine, and rust-analyzer for our own.
//!
//! It is a program of its own because rust-analyzer's crates take longer to build than all of the rest,
//! because its memory is freed by ending it, and because evcxr needs a `main` of its own.

pub mod config;
pub mod evcxr;
pub mod package;
pub mod process;

pub use config::SideConfig;
