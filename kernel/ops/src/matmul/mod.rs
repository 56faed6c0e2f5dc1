//! Matrix products and the affine map, with gradients for tracked operands only.
//!
//! candle's own matmul computes the gradient of both operands whether or not anything needs them, and keeps
//! those of untracked ones until the store is dropped: for a queue of 65,536 vectors that is most of the memory
//! of a contrastive step. Here an operand that no variable leads to gets none.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Shape, Tensor};

use crate::{
    dispatch::dispatch,
    op::apply,
    storage::{same_dtype, widened},
};

/// The product over the last two dimensions: `[..., m, k]` · `[..., k, n]` = `[..., m, n]`.
///
/// Leading dimensions broadcast. Neither operand is copied, whatever its strides.
///
/// # Errors
///
/// Fails where ranks are below 2, inner dimensions differ, leading ones do not broadcast, or dtypes differ.
pub fn matmul(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let op = "matmul";
    same_dtype(op, left, "the right operand", right)?;
    let (l, r) = (left.rank(), right.rank());
    if l < 2 || r < 2 || left.dims()[l - 1] != right.dims()[r - 2] {
        candle_core::bail!(
            "{op}: the operands are {:?} and {:?}: must be [..., m, k] and [..., k, n]",
            left.dims(),
            right.dims()
        )
    }
    dispatch! {
        left;
        composed => left.broadcast_matmul(right);
        cpu => on_cpu(left, right)
    }
}

fn on_cpu(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let (l, r) = (left.rank(), right.rank());
    if r == 2 && l > 2 && left.is_contiguous() {
        // One product of all rows instead of one for each leading index.
        let (k, n) = right.dims2()?;
        let mut shape = left.dims().to_vec();
        shape[l - 1] = n;
        return on_cpu(&left.reshape(((), k))?, right)?.reshape(shape);
    }
    let batch = Shape::from(&left.dims()[..l - 2])
        .broadcast_shape_binary_op(&Shape::from(&right.dims()[..r - 2]), "matmul")?;
    let full = |x: &Tensor| {
        let mut shape = batch.dims().to_vec();
        shape.extend_from_slice(&x.dims()[x.rank() - 2..]);
        if shape == x.dims() {
            Ok(x.clone())
        } else {
            x.broadcast_as(shape)
        }
    };
    let (left, right) = (full(left)?, full(right)?);
    widened(&left, |left| {
        apply(cpu::MatMul, [left, &right.to_dtype(left.dtype())?])
    })
}

/// x · weightᵀ + bias: torch's `linear`. `x` is `[..., in]`, `weight` `[out, in]`, `bias` `[out]`.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let op = "linear";
    let width = x.dims().last().copied();
    if weight.rank() != 2 || width != weight.dims().last().copied() {
        candle_core::bail!(
            "{op}: the input is {:?} and the weight {:?}: must be [..., in] and [out, in]",
            x.dims(),
            weight.dims()
        )
    }
    same_dtype(op, x, "the weight", weight)?;
    if let Some(bias) = bias {
        same_dtype(op, x, "the bias", bias)?;
        if bias.dims() != [weight.dims()[0]] {
            candle_core::bail!(
                "{op}: the bias is {:?} and the weight {:?}: must be [out] and [out, in]",
                bias.dims(),
                weight.dims()
            )
        }
    }
    dispatch! {
        x;
        composed => composed::linear(x, weight, bias);
        cpu(x) => {
            let weight = weight.to_dtype(x.dtype())?;
            match bias {
                Some(bias) => apply(cpu::Linear, [x, &weight, &bias.to_dtype(x.dtype())?]),
                None => apply(cpu::Linear, [x, &weight]),
            }
        }
    }
}
