//! Tools: steps of a notebook that are neither a loss nor a network. Reading, measuring, converting.

use candle_core::Tensor;
use serde_json::Value;

use super::{Batch, declare::kind};
use crate::{Error, Inputs, Outputs, Slot};
use patchbay_show::Result;

kind! {
    #[name = "tool"]
    #[tried = tried]
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

/// The sample's inputs are the tool's.
fn tried(tool: &Slot<dyn Tool>, inputs: &Inputs) -> Result<Outputs> {
    Ok(tool.run(&inputs.batch())?.into_iter().collect())
}
