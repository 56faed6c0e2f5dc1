//! Optimizers that update each parameter in one pass.

mod adam;
mod parameters;
mod sgd;

pub use adam::{Adam, AdamSettings, AdamW, AdamWSettings, ParamsAdam};
pub use candle_nn::{Optimizer, ParamsAdamW};
pub use parameters::{OptimizerState, ParameterGroup, ParameterNames};
pub use sgd::{ParamsSgd, SGD};
