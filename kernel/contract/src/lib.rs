//! The contract between front ends and what runs cells: the requests, replies and events of a cell, and the two traits,
//! [`Session`] and [`Control`].
//!
//! Jupyter's server and the execution of notebooks stand on this and know neither Rust nor the engine; the engine's session
//! and evcxr's implement it.

mod cell;
mod event;
mod log;
pub mod panics;
mod session;

pub use cell::{CellError, CellReply, CellRequest, Completeness, Timings};
pub use event::SessionEvent;
pub use log::log;
pub use patchbay_protocol::{Completion, Completions, StreamName};
pub use session::{Answer, Control, Session};
