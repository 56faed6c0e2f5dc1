//! What every cell has without typing it.

pub use crate::nn::Optimizer;
// Its methods without its name, which is one that networks of cells have.
pub use crate::data::Dataset as _;
pub use crate::nn::Network as _;
pub use crate::ops::{
    mean, mean_all, mean_keepdim, sum, sum_all, sum_keepdim, var, var_all, var_keepdim,
};
pub use crate::plugin::{self, Carry, Slot, create, tool, traits::*};
pub use crate::stats::accuracy;
pub use crate::{
    DisplayHandle, Figure, LivePlot, Result, Show, Table, TensorMethods, before_after, candle,
    clear_output, data, device, display, experiment, forecast, html, image, image_grid, input,
    interrupt, latex, markdown, metrics, nn, ops, password, plot, png, progress, retrieval,
    serde_json, set_next_input, stats, svg, torch, weights, widgets,
};
pub use candle::{D, DType, Device, IndexOp, Tensor, Var};
pub use candle_nn::{Module, ModuleT, VarBuilder, VarMap};
pub use serde_json::json;
