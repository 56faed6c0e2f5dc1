//! Of candle's ops.

use candle_core::{Result, Tensor};

/// With a mask of the shape of `x`.
pub(super) fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    let value = Tensor::full(value as f32, x.shape(), x.device())?.to_dtype(x.dtype())?;
    mask.where_cond(&value, x)
}
