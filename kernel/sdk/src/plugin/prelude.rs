//! What the source of a plugin begins with: `use patchbay::plugin::prelude::*;`.

pub use super::{
    Balanced, Balancer, Batch, Component, Config, Context, Define, Details, Encoder, EncoderInput,
    Encoding, Fit, Forecaster, ImageTransform, Loss, Objective, Parts, Present, Slot, Tool, Window,
};
pub use crate::{candle::bail, config, export_plugin, prelude::*, schemars::JsonSchema};
pub use serde::{Deserialize, Serialize};
