//! What the source of a plugin begins with: `use patchbay::plugin::prelude::*;`.

pub use super::{
    Balanced, Balancer, Batch, Component, Config, Context, Define, Details, Encoder, EncoderInput,
    Encoding, Fit, Forecaster, ImageTransform, Loss, Objective, Parts, Present, Slot, Tool, Window,
};
pub use crate::{config, export_plugin, prelude::*};
pub use candle_core::bail;
pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
