//! Patchbay's SDK: all that cells and plugins see.
//!
//! The crate is built as a dylib that holds the only candle of the process; the runtime, the
//! plugins and every cell link it dynamically. ARCHITECTURE.md says why.

pub mod build;
pub mod cell;
pub mod channel;
pub mod device;
pub mod interrupt;
pub mod plugin;
pub mod prelude;
pub mod show;

pub use candle_core as candle;
pub use candle_nn as nn;
pub use plotters;
pub use schemars;
pub use serde;
pub use serde_json;

pub use device::device;
pub use patchbay_protocol::Failure;
pub use show::{MimeBundle, Show};

/// `std::result::Result` with candle's error where none is given.
pub type Result<T, E = candle::Error> = std::result::Result<T, E>;
