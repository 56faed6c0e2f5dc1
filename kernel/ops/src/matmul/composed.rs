//! Of candle's ops.

use candle_core::{Result, Tensor};

pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(weight.dims()[0]);
    let y = x
        .reshape(((), weight.dims()[1]))?
        .matmul(&weight.t()?)?
        .reshape(shape)?;
    match bias {
        Some(bias) => crate::broadcast_add(&y, bias),
        None => Ok(y),
    }
}
