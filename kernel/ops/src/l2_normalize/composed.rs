//! Of candle's ops.

use candle_core::{Result, Tensor};

pub(super) fn l2_normalize(x: &Tensor, dim: usize, eps: f64) -> Result<Tensor> {
    let squares = crate::sum_keepdim(&x.sqr()?, dim)?;
    // Below eps the length is a constant; the square root has no slope at zero to multiply with.
    let small = squares.detach().lt(eps * eps)?;
    let safe = small.where_cond(&squares.ones_like()?, &squares)?.sqrt()?;
    let length = small.where_cond(&(squares.ones_like()? * eps)?, &safe)?;
    crate::broadcast_div(x, &length)
}
