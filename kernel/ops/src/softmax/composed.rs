//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::cpu::Softmax;

pub(super) fn softmax(Softmax { dim, log }: Softmax, x: &Tensor) -> Result<Tensor> {
    let shifted = crate::broadcast_sub(x, &x.detach().max_keepdim(dim)?)?;
    let log_sum = crate::sum_keepdim(&shifted.exp()?, dim)?.log()?;
    let y = crate::broadcast_sub(&shifted, &log_sum)?;
    if log { Ok(y) } else { y.exp() }
}
