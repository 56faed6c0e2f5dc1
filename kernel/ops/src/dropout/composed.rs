//! Of candle's ops.

use candle_core::{Result, Tensor};

/// With the device's generator.
pub(super) fn dropout(x: &Tensor, p: f64) -> Result<Tensor> {
    if p >= 1.0 {
        return x * 0.0;
    }
    // GPUs draw in f32 alone.
    let kept = Tensor::rand(0f32, 1f32, x.shape(), x.device())?
        .ge(p)?
        .to_dtype(x.dtype())?;
    x * (kept * (1.0 / (1.0 - p)))?
}
