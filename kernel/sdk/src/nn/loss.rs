//! candle's `nn::loss`, with the fused and stable versions of [`crate::ops`] in place of its own.

pub use candle_nn::loss::{huber, mse, nll};

use candle_core::{Result, Tensor};

use crate::ops;

/// [`ops::cross_entropy`].
///
/// # Errors
///
/// As there.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::cross_entropy(logits, target)
}

/// [`ops::binary_cross_entropy_with_logits`].
///
/// # Errors
///
/// As there.
pub fn binary_cross_entropy_with_logit(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::binary_cross_entropy_with_logits(logits, target)
}
