//! What the source of a plugin begins with: `use patchbay::plugin::prelude::*;`.

pub use super::{Component, Config, Context, Define, Details, Present, Sample, Slot, names::*};
pub use crate::{config, export_plugin, prelude::*};
pub use candle_core::bail;
pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use std::path::Path;
