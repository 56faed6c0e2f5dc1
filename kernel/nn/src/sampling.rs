//! candle's `nn::sampling`, following [`super::seed_all`].

use candle_core::{Result, Tensor, shape::Dim};

/// A sample of the classes along a dimension with probabilities softmax(logits / temperature), by the Gumbel trick; the largest
/// at a temperature of 0. An index has no gradient.
///
/// # Errors
///
/// Fails where there is no such dimension.
pub fn gumbel_softmax<I: Dim>(logits: &Tensor, temperature: f64, dim: I) -> Result<Tensor> {
    if temperature <= 0.0 {
        return logits.argmax(dim);
    }
    super::ops::gumbel(logits, temperature)?.argmax(dim)
}
