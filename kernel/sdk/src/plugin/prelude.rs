//! What the source of a plugin begins with: `use patchbay::plugin::prelude::*;`.

pub use super::kinds::{Present, names::*};
pub use super::{Component, Config, Context, Define, Details, Sample, Slot};
pub use crate::{candle::bail, config, export_plugin, prelude::*, schemars::JsonSchema};
pub use serde::{Deserialize, Serialize};
pub use std::path::Path;
