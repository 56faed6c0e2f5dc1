//! Functions of each value.

use candle_core::{Result, Tensor, bail};

use patchbay_ops::{self as ops, Reduction};

/// Has no gradient at the bounds, as torch; candle's `clamp` shares it out there.
pub(crate) fn clip(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    let bounded = x.detach().clamp(low, high)?;
    if x.dtype().is_int() {
        return Ok(bounded);
    }
    let fixed = x.detach();
    let inside = (fixed.gt(low)? * fixed.lt(high)?)?;
    inside.where_cond(x, &bounded)
}

/// ln(1 + exp x) is the binary cross entropy of x with a target of 0, which neither overflows nor loses digits.
pub(crate) fn softplus(x: &Tensor) -> Result<Tensor> {
    let settings = ops::BinaryCrossEntropy {
        reduction: Reduction::None,
        ..ops::BinaryCrossEntropy::default()
    };
    ops::binary_cross_entropy_with_logits_with(x, &x.detach().zeros_like()?, &settings)
}

pub(crate) fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    x.gt(0.0)?.where_cond(x, &(x * slope)?)
}

pub(crate) fn log1p(x: &Tensor) -> Result<Tensor> {
    let plain = (x + 1.0)?.log()?;
    // What 1 + x has lost is made good by the slope of the logarithm (Kahan); large values have lost nothing.
    let fixed = x.detach();
    let sum = (&fixed + 1.0)?;
    let rest = (&sum - 1.0)?;
    let zero = rest.eq(0.0)?;
    let exact = ((sum.log()? * &fixed)? / zero.where_cond(&rest.ones_like()?, &rest)?)?;
    let exact = zero.where_cond(&fixed, &exact)?;
    let is_small = fixed.abs()?.lt(0.5)?;
    let value = is_small.where_cond(&exact, &plain.detach())?;
    // The value is the exact one, the gradient that of the formula.
    is_small.where_cond(&(&plain + (value - plain.detach())?)?, &plain)
}

pub(crate) fn trunc(x: &Tensor) -> Result<Tensor> {
    x.abs()?.floor()? * x.sign()?
}

pub(crate) fn logsumexp(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = crate::axis::dimension(x, dim, "logsumexp")?;
    if x.dims()[dim] == 0 {
        bail!("logsumexp: dimension {dim} of {:?} has no value", x.dims())
    }
    let most = x.detach().max_keepdim(dim)?;
    // Infinity less itself is no number.
    let is_finite = most.abs()?.lt(f64::INFINITY)?;
    let most = is_finite.where_cond(&most, &most.zeros_like()?)?;
    let sum = ops::sum_keepdim(&ops::broadcast_sub(x, &most)?.exp()?, dim)?;
    (sum.log()? + most)?.squeeze(dim)
}
