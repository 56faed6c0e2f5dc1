//! Of candle's ops.

use candle_core::{Result, Tensor};

pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let last = last_dims(x, weight);
    let centered = crate::broadcast_sub(x, &crate::mean_keepdim(x, last.clone())?)?;
    let variance = crate::mean_keepdim(&centered.sqr()?, last)?;
    let normalized = crate::broadcast_div(&centered, &(variance + eps)?.sqrt()?)?;
    crate::broadcast_add(&crate::broadcast_mul(&normalized, weight)?, bias)
}

pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let mean = crate::mean_keepdim(&x.sqr()?, last_dims(x, weight))?;
    let normalized = crate::broadcast_div(x, &(mean + eps)?.sqrt()?)?;
    crate::broadcast_mul(&normalized, weight)
}

fn last_dims(x: &Tensor, weight: &Tensor) -> Vec<usize> {
    (x.rank() - weight.rank()..x.rank()).collect()
}
