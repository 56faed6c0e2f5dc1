//! Patchbay's SDK: all that cells and plugins see.
//!
//! The crate is built as a dylib that holds the only candle of the process; the runtime, the
//! plugins and every cell link it dynamically. ARCHITECTURE.md says why. It is a facade: the code is in the crates that it hands
//! on, each of which knows those below it only, and whose names nobody outside writes.

// The macros for plugins name this crate as they do outside of it.
extern crate self as patchbay;

pub mod build;
mod install;
#[doc(hidden)]
pub mod instances;

pub use patchbay_cell::{__dbg, __file, __line, questions::__at};
pub use patchbay_cell::{
    COMPUTING, Failure, cell, channel, comm, executor, input, interrupt, place, returns,
};
pub use patchbay_evaluation::{experiment, retrieval, stats};
pub use patchbay_plugin::{
    __plugin_source, __plugin_version, components, config, export_plugin, test_components,
};
pub use patchbay_show::__show_result;
pub use patchbay_show::{
    device, display, image, live, memory, parameter, plot, progress, show, table, tensor, timing,
    widgets,
};

// Crates whose names are modules here. A name that stands for a crate as a whole would be written by the compiler as the crate's own.

/// Layers, optimizers and what training needs around them.
pub mod nn {
    pub use patchbay_nn::*;
}

/// Differentiable operations that candle lacks, does slowly, or does without a gradient.
pub mod ops {
    pub use patchbay_ops::*;
}

/// What PyTorch has as functions: `torch::randn((2, 3))?`, on the default device.
pub mod torch {
    pub use patchbay_tensor::torch::*;
}

/// From files to batches: tables, images, splits, loaders, augmentation.
pub mod data {
    pub use patchbay_data::*;
}

/// Series from a CSV file, windows, and fitting and testing of forecasters.
pub mod forecast {
    pub use patchbay_forecast::*;
}

/// Metrics of classification, segmentation, regression, images and retrieval, with intervals.
pub mod metrics {
    pub use patchbay_metrics::*;
}

/// Trained weights from files into components.
pub mod weights {
    pub use patchbay_checkpoint::*;
}

/// Components as dynamically loaded plugins: list, describe, create, swap, reload.
pub mod plugin {
    pub use patchbay_plugin::*;

    pub mod prelude;
}

// Behind `plugin`: of two paths to a name that are equally long the compiler shows the first.
pub mod prelude;

pub use candle_core as candle;
pub use plotters;
pub use schemars;
pub use serde;
pub use serde_json;
// The compiler names types by the crates' own names: `patchbay::candle_nn::SGD`.
#[doc(hidden)]
pub use {candle_core, candle_nn};

pub use patchbay_cell::{password, set_next_input};
#[allow(deprecated)]
pub use patchbay_show::image_normalised;
pub use patchbay_show::{
    BeforeAfter, DisplayHandle, Figure, Image, ImageGrid, LivePlot, MimeBundle, Progress, Result,
    Show, Table, before_after, clear_output, html, image_grid, image_normalized, json_tree, latex,
    markdown, png, svg,
};
pub use patchbay_tensor::TensorMethods;
