//! Softmax and its logarithm over any dimension.

mod composed;
mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{D, Result, Tensor, shape::Dim};

use self::cpu::Softmax;
use crate::{dims::dimension, dispatch::dispatch, op};

/// exp(x) / Σ exp(x) over the last dimension. Any shape of rank 1 or more.
///
/// Logits of any size are fine; a row of negative infinities gives NaN, as in PyTorch.
///
/// # Errors
///
/// Fails for scalars and for integer dtypes.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    apply(x, D::Minus1.to_index(x.shape(), "softmax")?, false)
}

/// [`softmax`] over dimension `dim`; negative numbers count from the end.
///
/// # Errors
///
/// Fails where the dimension does not exist, and for integer dtypes.
pub fn softmax_dim(x: &Tensor, dim: i64) -> Result<Tensor> {
    apply(x, dimension(x, dim, "softmax")?, false)
}

/// x - ln Σ exp(x) over the last dimension, without the rounding of a logarithm of [`softmax`].
///
/// # Errors
///
/// Fails for scalars and for integer dtypes.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    apply(x, D::Minus1.to_index(x.shape(), "log-softmax")?, true)
}

/// [`log_softmax`] over dimension `dim`; negative numbers count from the end.
///
/// # Errors
///
/// Fails where the dimension does not exist, and for integer dtypes.
pub fn log_softmax_dim(x: &Tensor, dim: i64) -> Result<Tensor> {
    apply(x, dimension(x, dim, "log-softmax")?, true)
}

fn apply(x: &Tensor, dim: usize, log: bool) -> Result<Tensor> {
    let softmax = Softmax { dim, log };
    dispatch! {
        x;
        cuda if dim + 1 == x.rank() => cuda::softmax(softmax, x);
        composed => composed::softmax(softmax, x);
        cpu(x) => op::apply(softmax, [x])
    }
}
