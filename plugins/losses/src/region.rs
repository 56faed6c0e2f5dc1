//! From the overlap of regions to a loss.

use patchbay::{ops, plugin::prelude::*};

use crate::reduction::Reduction;

/// The least denominator: a class without prediction and without target has a score of 0.
const LEAST: f64 = 1e-7;

/// `(overlap + smooth) / (size + smooth)` of each group and class.
pub fn score(overlap: &Tensor, size: &Tensor, smooth: f64) -> Result<Tensor> {
    (overlap + smooth)? / (size + smooth)?.maximum(LEAST)?
}

/// The Tversky index `TP / (TP + alpha FP + beta FN)` of each group and class.
pub fn tversky_index(
    sums: &crate::overlap::Overlap,
    alpha: f64,
    beta: f64,
    smooth: f64,
) -> Result<Tensor> {
    let false_positives = (&sums.prediction - &sums.intersection)?;
    let false_negatives = (&sums.target - &sums.intersection)?;
    let size = ((&sums.intersection + (false_positives * alpha)?)? + (false_negatives * beta)?)?;
    score(&sums.intersection, &size, smooth)
}

/// Reduces losses `[groups, classes]`. Classes without a target `[groups, classes]` in their group count as 0.
pub fn reduce(losses: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let present = target.gt(0.0)?.to_dtype(losses.dtype())?;
    let losses = (losses * present)?;
    match reduction {
        Reduction::Mean => ops::mean_all(&losses),
        Reduction::Sum => ops::sum_all(&losses),
        Reduction::None => ops::mean(&losses, 1),
    }
}
