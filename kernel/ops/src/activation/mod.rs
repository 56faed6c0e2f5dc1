//! Activation functions: gelu, relu, silu, sigmoid.
//!
//! Formulas and subgradients are those of `torch.nn.functional`.

mod composed;
mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use self::cpu::Activation;
use crate::{dispatch::dispatch, op::apply};

/// x Φ(x), with Φ the standard normal's distribution function (Hendrycks and Gimpel, 2016). Any shape.
///
/// The tail is exact where `0.5 x (1 + erf(x / sqrt(2)))`, as other libraries have it, cancels.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    activation(Activation::Gelu, x)
}

/// gelu with Φ(x) taken as σ(2 sqrt(2/π) (x + 0.044715 x³)): torch's `approximate="tanh"`. Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    activation(Activation::GeluTanh, x)
}

/// max(x, 0). The gradient at 0 is 0, as in PyTorch (candle's own has 1). Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    activation(Activation::Relu, x)
}

/// x σ(x), also called swish. Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    activation(Activation::Silu, x)
}

/// 1 / (1 + exp(-x)). Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    activation(Activation::Sigmoid, x)
}

fn activation(kind: Activation, x: &Tensor) -> Result<Tensor> {
    dispatch! {
        x;
        cuda => cuda::activation(kind, x);
        composed => composed::activation(kind, x);
        cpu(x) => apply(kind, [x])
    }
}
