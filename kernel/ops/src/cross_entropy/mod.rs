//! Cross entropy of logits with class indices or with probabilities, in one pass.
//!
//! Values and gradients are those of `torch.nn.functional.cross_entropy`. The log-softmax is never stored: the
//! forward pass keeps one log-sum-exp a position, and the backward pass writes the gradient from it.

mod composed;
mod cpu;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::{CrossEntropy, IGNORE_INDEX, ignored_value};

use candle_core::{Result, Tensor};

use crate::{cuda, dispatch::dispatch, op::apply, storage::same_dtype};

/// The mean of `-ln softmax(logits)[target]`, with positions of target [`IGNORE_INDEX`] left out.
///
/// See [`cross_entropy_with`] for shapes.
///
/// # Errors
///
/// As [`cross_entropy_with`].
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    cross_entropy_with(logits, target, &CrossEntropy::default())
}

/// Cross entropy with class weights, an ignored index, label smoothing, soft targets and any reduction.
///
/// `logits` are `[C]`, `[N, C]` or `[N, C, d1, ...]`. `target` is either class indices (of an integer dtype) of the
/// same shape without `C`, or probabilities of the shape and dtype of `logits`, which get a gradient, too. The
/// result is a scalar, or of the shape of the positions for [`crate::Reduction::None`]. Logits of ±1e4 are fine. The
/// mean over no position at all is NaN, as in PyTorch.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit, and where a class index is neither below C nor the ignored one.
pub fn cross_entropy_with(
    logits: &Tensor,
    target: &Tensor,
    settings: &CrossEntropy,
) -> Result<Tensor> {
    let op = "cross-entropy";
    let axis = match logits.rank() {
        0 => candle_core::bail!(
            "{op}: the logits are a scalar: they must be [C], [N, C] or [N, C, ...]"
        ),
        1 => 0,
        _ => 1,
    };
    let smoothing = settings.label_smoothing;
    if !(0.0..=1.0).contains(&smoothing) {
        candle_core::bail!("{op}: the label smoothing is {smoothing}: must be from 0 to 1")
    }
    let mut positions = logits.dims().to_vec();
    let classes = positions.remove(axis);
    let soft = target.dtype().is_float();
    if soft && target.dims() != logits.dims() {
        candle_core::bail!(
            "{op}: the target is {:?} {} and the logits are {:?}: probabilities have the logits' shape, class \
             indices an integer dtype",
            target.dims(),
            target.dtype().as_str(),
            logits.dims()
        )
    }
    if !soft && target.dims() != positions {
        candle_core::bail!(
            "{op}: the target is {:?} and the logits are {:?}: class indices must be {positions:?}, the logits' \
             shape without their dimension {axis}",
            target.dims(),
            logits.dims()
        )
    }
    if soft {
        same_dtype(op, logits, "the target", target)?;
    }
    dispatch! {
        logits;
        composed => {
            let ignored = Some(ignored_value(target.dtype(), settings.ignore_index));
            if !soft && let Some(value) = cuda::outside(op, target, classes, ignored)? {
                return Err(cpu::no_class(value, classes as i64, settings.ignore_index));
            }
            composed::cross_entropy(logits, target, settings)
        };
        cpu(logits) => {
            let fused = cpu::Fused::new(classes, positions, axis, target.dtype(), settings)?;
            if soft {
                apply(fused, [logits, &target.to_dtype(logits.dtype())?])
            } else {
                apply(fused, [logits, target])
            }
        }
    }
}
