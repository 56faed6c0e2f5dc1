//! Layer normalization and root-mean-square normalization.

mod composed;
mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Shape, Tensor};

use crate::{dispatch::dispatch, op::apply, storage::same_dtype};

/// (x - mean) / sqrt(variance + eps) · weight + bias (Ba, Kiros and Hinton, 2016), as torch's `layer_norm`.
///
/// Mean and (biased) variance are over the last dimensions, as many as `weight` has: `x` is [..., *W], `weight`
/// and `bias` are W. Without a weight they are over the last dimension alone.
///
/// # Errors
///
/// Fails where the shape of `weight` or `bias` is not that of the last dimensions of `x`, where dtypes differ,
/// and for integer dtypes.
pub fn layer_norm(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let op = "layer-norm";
    let shape = normalized_shape(op, x, weight.or(bias))?;
    let (weight, bias) = (
        parameter(op, x, "the weight", weight, &shape, 1.0)?,
        parameter(op, x, "the bias", bias, &shape, 0.0)?,
    );
    dispatch! {
        x;
        cuda => cuda::layer_norm(x, &weight, &bias, eps);
        composed => composed::layer_norm(x, &weight, &bias, eps);
        cpu(x) => {
            let (weight, bias) = (weight.to_dtype(x.dtype())?, bias.to_dtype(x.dtype())?);
            apply(cpu::LayerNorm::new(shape.elem_count(), eps), [x, &weight, &bias])
        }
    }
}

/// x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich, 2019), as torch's `rms_norm`.
///
/// The mean is over the last dimensions, as many as `weight` has; without one, over the last.
///
/// # Errors
///
/// Fails where the shape of `weight` is not that of the last dimensions of `x`, where dtypes differ, and for
/// integer dtypes.
pub fn rms_norm(x: &Tensor, weight: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    let op = "rms-norm";
    let shape = normalized_shape(op, x, weight)?;
    let weight = parameter(op, x, "the weight", weight, &shape, 1.0)?;
    let n = shape.elem_count();
    dispatch! {
        x;
        composed => composed::rms_norm(x, &weight, eps);
        cpu(x) => apply(cpu::RmsNorm { n, eps }, [x, &weight.to_dtype(x.dtype())?])
    }
}

fn normalized_shape(op: &'static str, x: &Tensor, like: Option<&Tensor>) -> Result<Shape> {
    let rank = like.map_or(1, Tensor::rank);
    if rank == 0 || rank > x.rank() {
        candle_core::bail!(
            "{op}: a parameter of rank {rank} for an input of shape {:?}: must be from 1 to the input's rank",
            x.dims()
        )
    }
    Ok(Shape::from(&x.dims()[x.rank() - rank..]))
}

/// The parameter, after a look at its shape and dtype, or one that changes nothing.
fn parameter(
    op: &'static str,
    x: &Tensor,
    name: &str,
    given: Option<&Tensor>,
    shape: &Shape,
    neutral: f64,
) -> Result<Tensor> {
    let Some(given) = given else {
        return Tensor::full(neutral as f32, shape, x.device())?.to_dtype(x.dtype());
    };
    if given.shape() != shape {
        candle_core::bail!(
            "{op}: {name} has the shape {:?} and the last dimensions of the input are {:?}",
            given.dims(),
            shape.dims()
        )
    }
    same_dtype(op, x, name, given)?;
    Ok(given.clone())
}
