//! What the program of a cell calls: variables, failures, interrupts, and the channel to the host.
//!
//! The lowest crate of the SDK. It knows no tensor, plot, component or optimizer: the crates above say in a [`parts::Part`] what
//! they add to what happens to every cell. Users see all of it as `patchbay::...`.

pub mod cell;
pub mod channel;
pub mod comm;
pub mod executor;
mod failure;
pub mod input;
pub mod interrupt;
#[doc(hidden)]
pub mod keep;
#[doc(hidden)]
pub mod lock;
#[doc(hidden)]
pub mod names;
#[doc(hidden)]
pub mod parts;
pub mod pattern;
#[doc(hidden)]
pub mod place;
#[doc(hidden)]
pub mod questions;
pub mod returns;
mod trace;
mod variables;

pub use input::{input, password, set_next_input};
pub use patchbay_protocol::{COMPUTING, Failure};
