//! Binary cross entropy of logits.

mod composed;
mod cpu;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::BinaryCrossEntropy;

use candle_core::{Result, Tensor};

use self::cpu::Fused;
use crate::{dispatch::dispatch, op::apply, storage::same_dtype};

/// The mean of -(y ln σ(x) + (1 - y) ln(1 - σ(x))).
///
/// # Errors
///
/// As [`binary_cross_entropy_with_logits_with`].
pub fn binary_cross_entropy_with_logits(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    binary_cross_entropy_with_logits_with(logits, target, &BinaryCrossEntropy::default())
}

/// weight · ((1 - y) softplus(x) + pos_weight · y · softplus(-x)): torch's `binary_cross_entropy_with_logits`.
///
/// `logits` and `target` have the same shape and dtype, any; targets are from 0 to 1 and get a gradient, too;
/// the weights get none. Logits of ±1e4 give the exact value (candle's own gives NaN). The result is a scalar,
/// or of the logits' shape for [`crate::Reduction::None`].
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn binary_cross_entropy_with_logits_with(
    logits: &Tensor,
    target: &Tensor,
    settings: &BinaryCrossEntropy,
) -> Result<Tensor> {
    let op = "binary-cross-entropy";
    if logits.dims() != target.dims() {
        candle_core::bail!(
            "{op}: the target is {:?} and the logits are {:?}: they must have one shape",
            target.dims(),
            logits.dims()
        )
    }
    same_dtype(op, logits, "the target", target)?;
    dispatch! {
        logits;
        composed => composed::binary_cross_entropy(logits, target, settings);
        cpu(x) => {
            let fused = Fused::new(logits.shape(), settings)?;
            apply(fused, [x, &target.to_dtype(x.dtype())?])
        }
    }
}
