//! Values that a mask replaces.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{DType, Result, Tensor};

use crate::{dispatch::dispatch, op::apply};

/// `value` where `mask` is not 0, else `x`: torch's `masked_fill`.
///
/// `mask` is u8, of a shape that broadcasts to that of `x`. Replaced values get no gradient.
///
/// # Errors
///
/// Fails where the mask is not u8 or does not broadcast.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    if mask.dtype() != DType::U8 {
        candle_core::bail!(
            "masked-fill: the mask is {}: must be u8; comparisons such as `x.eq(y)` give one",
            mask.dtype().as_str()
        )
    }
    let mask = mask.broadcast_as(x.shape())?;
    dispatch! {
        x;
        composed => composed::masked_fill(x, &mask.contiguous()?, value);
        cpu(x) => apply(cpu::MaskedFill { value }, [x, &mask])
    }
}
