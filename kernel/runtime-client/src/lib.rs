//! The host's side of the runtime, the process that owns the variables: starts it, tells it what to do, and turns what it says
//! and prints into events.

mod output;
pub mod runtime;

pub use runtime::{Reply, Runtime, Sender, Sink};
