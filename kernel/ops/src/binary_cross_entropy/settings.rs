//! What the loss can be told.

use candle_core::Tensor;

use crate::Reduction;

/// The settings of [`crate::binary_cross_entropy_with_logits_with`].
#[derive(Clone, Debug, Default)]
pub struct BinaryCrossEntropy {
    /// A factor for each element, of a shape that broadcasts to the logits'.
    pub weight: Option<Tensor>,
    /// A factor for the positive part of each element, of a shape that broadcasts to the logits'.
    pub pos_weight: Option<Tensor>,
    /// The mean is over all elements.
    pub reduction: Reduction,
}
