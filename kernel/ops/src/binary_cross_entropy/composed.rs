//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::settings::BinaryCrossEntropy;

pub(super) fn binary_cross_entropy(
    logits: &Tensor,
    target: &Tensor,
    settings: &BinaryCrossEntropy,
) -> Result<Tensor> {
    // softplus(x) = max(x, 0) + ln(1 + exp(-|x|)).
    let rest = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let positive = (crate::relu(&logits.neg()?)? + &rest)?;
    let negative = (crate::relu(logits)? + &rest)?;
    let full = |weight: &Tensor| {
        weight
            .detach()
            .to_dtype(logits.dtype())?
            .broadcast_as(logits.shape())
    };
    let mut hit = (target * positive)?;
    if let Some(weight) = &settings.pos_weight {
        hit = (hit * full(weight)?)?;
    }
    let mut losses = (hit + (target.affine(-1.0, 1.0)? * negative)?)?;
    if let Some(weight) = &settings.weight {
        losses = (losses * full(weight)?)?;
    }
    let count = losses.elem_count();
    settings.reduction.of(losses, |sum| sum / count as f64)
}
