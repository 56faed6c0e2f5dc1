//! The first half of a transformer's feed-forward: an affine map and gelu in one op.

mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{affine::fits_one_op, gelu, linear, op::apply};

/// gelu(x · weightᵀ + bias), with the values and gradients of [`linear`] and [`gelu`] in turn.
///
/// `x` is `[..., in]`, `weight` `[out, in]`, `bias` `[out]`. The values between the two are kept inside of the op, so the
/// backward pass neither stores nor adds up a gradient for them: in a transformer they are the largest tensor.
///
/// # Errors
///
/// As [`linear`].
pub fn linear_gelu(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fits_one_op(x, weight, bias) {
        apply(cpu::LinearGelu::default(), [x, weight, bias])
    } else {
        gelu(&linear(x, weight, Some(bias))?)
    }
}
