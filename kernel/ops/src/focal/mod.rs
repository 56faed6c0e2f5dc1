//! The factor of the focal loss, on cross entropies.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{dispatch::dispatch, op::apply};

/// (1 - exp(-c))^γ c of cross entropies c = -ln p, softmax's or a sigmoid's: the focal loss -(1 - p)^γ ln p (Lin et
/// al., 2017, equation 4). Any shape; values from 0. The slope at 0 is 0 for γ > 0.
///
/// # Errors
///
/// Fails for integer dtypes, and where γ is below 0 or not finite.
pub fn focal(cross_entropy: &Tensor, gamma: f64) -> Result<Tensor> {
    if !(gamma.is_finite() && gamma >= 0.0) {
        candle_core::bail!("focal: gamma is {gamma}: must be at least 0")
    }
    if gamma == 0.0 {
        return Ok(cross_entropy.clone());
    }
    dispatch! {
        cross_entropy;
        composed => composed::focal(cross_entropy, gamma);
        cpu(x) => apply(cpu::Focal { gamma }, [x])
    }
}
