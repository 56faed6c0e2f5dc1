//! Of candle's ops.

use candle_core::{DType, Result, Tensor};

use super::settings::{CrossEntropy, ignored_value};

pub(super) fn cross_entropy(
    logits: &Tensor,
    target: &Tensor,
    settings: &CrossEntropy,
) -> Result<Tensor> {
    let axis = usize::from(logits.rank() > 1);
    let log_p = crate::log_softmax_dim(logits, axis as i64)?;
    let classes = logits.dim(axis)?;
    let mut shape = vec![1; logits.rank()];
    shape[axis] = classes;
    let weight = match &settings.weight {
        Some(weight) => weight.detach().reshape(shape)?,
        None => Tensor::ones(shape, logits.dtype(), logits.device())?,
    };
    let smoothing = settings.label_smoothing;
    let weighted = crate::broadcast_mul(&log_p, &weight)?;
    if target.dtype().is_float() {
        let q = ((target * (1.0 - smoothing))? + smoothing / classes as f64)?;
        let losses = crate::sum(&(weighted * q)?, axis)?.neg()?;
        let count = losses.elem_count();
        return settings.reduction.of(losses, |sum| sum / count as f64);
    }
    let ignored = ignored_value(target.dtype(), settings.ignore_index);
    let target = target.to_dtype(DType::I64)?;
    let used = target.ne(ignored)?;
    // Ignored positions read class 0 and count nothing.
    let index = used
        .where_cond(&target, &target.zeros_like()?)?
        .unsqueeze(axis)?;
    let used = used.to_dtype(logits.dtype())?;
    let at_class = (weighted.gather(&index, axis)?.squeeze(axis)? * &used)?.neg()?;
    let everywhere = (crate::sum(&weighted, axis)? * &used)?.neg()?;
    let losses = ((at_class * (1.0 - smoothing))? + (everywhere * (smoothing / classes as f64))?)?;
    let weights = weight
        .broadcast_as(logits.shape())?
        .contiguous()?
        .gather(&index, axis)?
        .squeeze(axis)?;
    let divisor = crate::sum_all(&(weights * used)?)?;
    settings.reduction.of(losses, |sum| sum / divisor)
}
