//! Tools: steps of a notebook that are neither a loss nor a network. Reading, measuring, converting.

use candle_core::Tensor;
use serde_json::Value;

use super::{Batch, Component, Kind, slot_is_component};
use crate::{Error, Slot};
use patchbay_show::Result;

/// A step with named tensors in and named tensors out. What it shows on the way (a progress bar, a
/// table, plots) appears below the cell.
pub trait Tool: Component {
    /// Does the work. Which inputs are needed and what comes out, the component's `shapes` say.
    ///
    /// # Errors
    ///
    /// Fails where an input is missing or its shape does not fit, naming it.
    fn run(&self, inputs: &Batch) -> Result<Batch>;
}

impl Kind for dyn Tool {
    const NAME: &'static str = "tool";
    type Memory = ();

    fn as_component(&self) -> &dyn Component {
        self
    }
}

slot_is_component!(dyn Tool);

impl Tool for Slot<dyn Tool> {
    fn run(&self, inputs: &Batch) -> Result<Batch> {
        self.call(|tool| tool.run(inputs))
    }
}

/// Makes a tool and runs it once: `tool("tool/read_image", json!({"path": "a.png"}), &[])?`.
///
/// # Errors
///
/// Fails where the tool cannot be made or its work fails.
pub fn tool(id: &str, config: Value, inputs: &[(&str, &Tensor)]) -> Result<Batch> {
    let slot: Slot<dyn Tool> = super::super::create(id, config)
        .map_err(|error: Error| candle_core::Error::Msg(error.to_string()))?;
    let inputs = inputs
        .iter()
        .map(|(name, tensor)| ((*name).to_owned(), (*tensor).clone()))
        .collect();
    slot.run(&inputs)
}
