//! From the overlap of regions to a loss.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    focal::Activation,
    overlap::{Overlap, overlap},
    reduction::Reduction,
};

/// The settings that all losses of regions have.
#[derive(Clone, Copy)]
pub struct Regions {
    /// Softmax over the classes, or a sigmoid for each.
    pub activation: Activation,
    /// Whether regions overlap in each image, or in the whole batch; without a reduction in each image.
    pub per_image: bool,
    /// Class index of targets that do not count.
    pub ignore_index: Option<i64>,
    /// Mean or sum over the classes (and images); none: one value for each image.
    pub reduction: Reduction,
}

/// The loss of logits `[batch, classes, ...]`: `losses` makes `[groups, classes]` of the overlaps.
///
/// # Errors
///
/// As [`overlap`], and where `losses` does.
pub fn loss(
    logits: &Tensor,
    target: &Tensor,
    regions: Regions,
    losses: impl FnOnce(&Overlap) -> Result<Tensor>,
) -> Result<Tensor> {
    let per_image = regions.per_image || regions.reduction == Reduction::None;
    let sums = overlap(
        logits,
        target,
        regions.activation,
        regions.ignore_index,
        per_image,
    )?;
    reduce(&losses(&sums)?, &sums.target, regions.reduction)
}

/// The least denominator: a class without prediction and without target has a score of 0.
const LEAST: f64 = 1e-7;

/// `(overlap + smooth) / (size + smooth)` of each group and class.
pub fn score(overlap: &Tensor, size: &Tensor, smooth: f64) -> Result<Tensor> {
    (overlap + smooth)? / (size + smooth)?.maximum(LEAST)?
}

/// The Tversky index `TP / (TP + alpha FP + beta FN)` of each group and class.
pub fn tversky_index(sums: &Overlap, alpha: f64, beta: f64, smooth: f64) -> Result<Tensor> {
    let false_positives = (&sums.prediction - &sums.intersection)?;
    let false_negatives = (&sums.target - &sums.intersection)?;
    let size = ((&sums.intersection + (false_positives * alpha)?)? + (false_negatives * beta)?)?;
    score(&sums.intersection, &size, smooth)
}

/// Reduces losses `[groups, classes]`. Classes without a target `[groups, classes]` in their group count as 0.
fn reduce(losses: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let present = target.gt(0.0)?.to_dtype(losses.dtype())?;
    let losses = (losses * present)?;
    match reduction {
        Reduction::Mean => ops::mean_all(&losses),
        Reduction::Sum => ops::sum_all(&losses),
        Reduction::None => ops::mean(&losses, 1),
    }
}
