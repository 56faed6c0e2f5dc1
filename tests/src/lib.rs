//! A front end for tests. It starts a real kernel, speaks Jupyter's protocol to it over ZeroMQ, and
//! fails a test that leaves an output unasserted.

pub mod arrows;
mod client;
pub mod corpus;
pub mod differential;
mod execution;
mod processor;

pub use client::{Client, Received, long_tests, program, skipped};
pub use execution::{Execution, Output, without_colors};
pub use processor::{share_beside_work, ticks};
