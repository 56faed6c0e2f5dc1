//! From one value for each target to the value of the loss.

use patchbay::{ops, plugin::prelude::*};

/// Form of the result of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Reduction {
    /// The mean over all targets that count, a scalar.
    Mean,
    /// The sum over all targets that count, a scalar.
    Sum,
    /// One value for each target, 0 where it is ignored.
    None,
}

impl Reduction {
    /// Reduces `values`, which are 0 where a target is ignored. `weight` is the total weight of the
    /// targets that count; where it is 0 the mean is defined as 0, with zero gradients.
    pub fn apply(self, values: &Tensor, weight: f64) -> Result<Tensor> {
        match self {
            Reduction::None => Ok(values.clone()),
            Reduction::Sum => ops::sum_all(values),
            Reduction::Mean if weight > 0.0 => ops::sum_all(values)? / weight,
            // All values are 0 then, and their sum keeps the way back to the logits.
            Reduction::Mean => ops::sum_all(values),
        }
    }
}
