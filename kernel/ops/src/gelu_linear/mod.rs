//! The second half of a transformer's feed-forward: gelu and an affine map in one op.

mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{affine::fits_one_op, gelu, linear, op::apply};

/// gelu(x) · weightᵀ + bias, with the values and gradients of [`gelu`] and [`linear`] in turn.
///
/// `x` is `[..., in]`, `weight` `[out, in]`, `bias` `[out]`. What gelu makes is computed again in the backward pass instead
/// of being kept for it: in a transformer it is one of the two largest tensors of a layer, and costs little to make.
///
/// # Errors
///
/// As [`linear`].
pub fn gelu_linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fits_one_op(x, weight, bias) {
        apply(cpu::GeluLinear, [x, weight, bias])
    } else {
        linear(&gelu(x)?, weight, Some(bias))
    }
}
