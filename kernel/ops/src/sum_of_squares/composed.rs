//! Of candle's ops.

use candle_core::{DType, Result, Tensor};

/// With one number from the device.
pub(super) fn total(tensors: &[&Tensor]) -> Result<f64> {
    let of_each = |x: &&Tensor| crate::sum_all(&x.detach().to_dtype(DType::F32)?.sqr()?);
    let sums: Vec<Tensor> = tensors.iter().map(of_each).collect::<Result<_>>()?;
    let total = crate::sum_all(&Tensor::stack(&sums, 0)?)?;
    Ok(f64::from(total.to_scalar::<f32>()?))
}
