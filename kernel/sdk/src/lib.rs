//! Patchbay's SDK: all that cells and plugins see.
//!
//! The crate is built as a dylib that holds the only candle of the process; the runtime, the
//! plugins and every cell link it dynamically. ARCHITECTURE.md says why.

// The macros for plugins name this crate as they do outside of it.
extern crate self as patchbay;

pub mod build;
pub mod cell;
pub mod channel;
pub mod comm;
pub mod device;
pub mod display;
mod evcxr;
pub mod executor;
pub mod experiment;
mod failure;
pub mod forecast;
pub mod image;
pub mod input;
#[doc(hidden)]
pub mod instances;
pub mod interrupt;
mod keep;
pub mod live;
pub mod memory;
pub mod nn;
pub mod parameter;
#[doc(hidden)]
pub mod place;
pub mod plot;
pub mod plugin;
pub mod prelude;
pub mod progress;
pub mod retrieval;
pub mod returns;
pub mod show;
pub mod stats;
pub mod table;
pub mod tensor;
pub mod timing;
mod trace;
mod variables;
pub mod weights;
pub mod widgets;

pub use candle_core as candle;
// The compiler names types by the crates' own names: `patchbay::candle_nn::SGD`.
pub use patchbay_ops as ops;
pub use plotters;
pub use schemars;
pub use serde;
pub use serde_json;
#[doc(hidden)]
pub use {candle_core, candle_nn};

pub use device::device;
pub use display::{
    DisplayHandle, clear_output, display, html, json_tree, latex, markdown, png, svg,
};
pub use image::{BeforeAfter, Image, ImageGrid, before_after, image, image_grid, image_normalised};
pub use input::{input, password, set_next_input};
pub use live::LivePlot;
pub use parameter::parameter;
pub use patchbay_protocol::{COMPUTING, Failure};
pub use plot::Figure;
pub use progress::{Progress, progress};
pub use show::{MimeBundle, Show};
pub use table::Table;

/// `std::result::Result` with candle's error where none is given.
pub type Result<T, E = candle::Error> = std::result::Result<T, E>;
