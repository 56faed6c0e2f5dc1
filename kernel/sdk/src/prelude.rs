//! What every cell has without typing it.

pub use crate::{
    Result, Show, candle, device, interrupt, nn,
    plugin::{
        self, Balancer, Carry, Encoder, Forecaster, ImageTransform, Loss, Objective, Slot, create,
    },
    serde_json,
};
pub use candle::{D, DType, Device, IndexOp, Tensor, Var};
pub use nn::{Module, ModuleT, Optimizer, VarBuilder, VarMap};
pub use serde_json::json;
