//! candle's `nn::ops`, with gradients where candle has none.

pub use candle_nn::ops::*;

use candle_core::{Result, Tensor, shape::Dim};

use crate::ops;

/// [`ops::softmax_dim`].
///
/// # Errors
///
/// As there.
pub fn softmax<D: Dim>(x: &Tensor, dim: D) -> Result<Tensor> {
    ops::softmax_dim(x, dim.to_index(x.shape(), "softmax")? as i64)
}

/// [`ops::log_softmax_dim`].
///
/// # Errors
///
/// As there.
pub fn log_softmax<D: Dim>(x: &Tensor, dim: D) -> Result<Tensor> {
    ops::log_softmax_dim(x, dim.to_index(x.shape(), "log-softmax")? as i64)
}

/// [`ops::softmax`] over the last dimension.
///
/// # Errors
///
/// As there.
pub fn softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    ops::softmax(x)
}

/// [`ops::layer_norm`] over the last dimension.
///
/// # Errors
///
/// As there.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    ops::layer_norm(x, Some(weight), Some(bias), f64::from(eps))
}

/// [`ops::rms_norm`] over the last dimension.
///
/// # Errors
///
/// As there.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    ops::rms_norm(x, Some(weight), f64::from(eps))
}

/// [`ops::silu`].
///
/// # Errors
///
/// As there.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    ops::silu(x)
}

/// [`ops::sigmoid`].
///
/// # Errors
///
/// As there.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ops::sigmoid(x)
}

/// [`ops::dropout`] in training.
///
/// # Errors
///
/// As there.
pub fn dropout(x: &Tensor, p: f32) -> Result<Tensor> {
    ops::dropout(x, f64::from(p), true)
}
