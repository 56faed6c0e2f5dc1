//! candle's `nn::ops`, with gradients where candle has none, and finite ones where its are not.

pub use candle_nn::ops::{Identity, pixel_shuffle, pixel_unshuffle, replication_pad2d};

pub use super::layers::Dropout;

use candle_core::{D, DType, Result, Tensor, shape::Dim};

use patchbay_ops as ops;
use patchbay_tensor::TensorMethods;

/// [`ops::softmax_dim`].
///
/// # Errors
///
/// As there.
pub fn softmax<I: Dim>(x: &Tensor, dim: I) -> Result<Tensor> {
    ops::softmax_dim(x, dim.to_index(x.shape(), "softmax")? as i64)
}

/// [`ops::log_softmax_dim`].
///
/// # Errors
///
/// As there.
pub fn log_softmax<I: Dim>(x: &Tensor, dim: I) -> Result<Tensor> {
    ops::log_softmax_dim(x, dim.to_index(x.shape(), "log_softmax")? as i64)
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

/// [`layer_norm`], which is not slow here; candle's form of this name is the one that has a gradient.
///
/// # Errors
///
/// As there.
pub fn layer_norm_slow(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    layer_norm(x, weight, bias, eps)
}

/// [`ops::rms_norm`] over the last dimension.
///
/// # Errors
///
/// As there.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    ops::rms_norm(x, Some(weight), f64::from(eps))
}

/// [`rms_norm`], which is not slow here; candle's form of this name is the one that has a gradient.
///
/// # Errors
///
/// As there.
pub fn rms_norm_slow(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    rms_norm(x, weight, eps)
}

/// [`ops::silu`].
///
/// # Errors
///
/// As there.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    ops::silu(x)
}

/// silu of the first half of the last dimension, times the second half.
///
/// # Errors
///
/// Fails where there are no two halves.
pub fn swiglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if !width.is_multiple_of(2) {
        candle_core::bail!("swiglu: the last dimension of {:?} must be even", x.dims())
    }
    let half = |index: usize| {
        x.narrow(D::Minus1, index * width / 2, width / 2)?
            .contiguous()
    };
    ops::silu(&half(0)?)? * half(1)?
}

/// [`ops::sigmoid`].
///
/// # Errors
///
/// As there.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ops::sigmoid(x)
}

/// x where it lies between the bounds, with a gradient there only, as torch's `hardtanh`; candle's `clamp` shares the gradient
/// out at the bounds.
fn between(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    let inside = (x.gt(low)? * x.lt(high)?)?;
    inside.where_cond(x, &x.detach().clamp(low, high)?)
}

/// relu, at most 6: torch's `relu6`.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn relu6(x: &Tensor) -> Result<Tensor> {
    between(x, 0.0, 6.0)
}

/// (x + 3) / 6 between 0 and 1: torch's `hardsigmoid`.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    (between(x, -3.0, 3.0)? + 3.0)? / 6.0
}

/// x tanh(ln(1 + exp x)), finite for large x, too: torch's `mish`.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn mish(x: &Tensor) -> Result<Tensor> {
    // ln(1 + exp x) = max(x, 0) - ln sigmoid |x|
    let softplus = (ops::relu(x)? - ops::sigmoid(&x.abs()?)?.log()?)?;
    x * softplus.tanh()?
}

/// alpha (exp(x) - 1) below zero: torch's `elu`.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    let above = x.gt(0.0)?;
    // Of what lies above the exponential would be infinite, and its gradient no number.
    let below = above.where_cond(&x.zeros_like()?, x)?;
    above.where_cond(x, &((below.exp()? - 1.0)? * alpha)?)
}

/// x, and slope · x below zero: torch's `leaky_relu`.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn leaky_relu(x: &Tensor, negative_slope: f64) -> Result<Tensor> {
    TensorMethods::leaky_relu(x, negative_slope)
}

/// gamma · [`elu`]: torch's `selu` with alpha 1.6732632 and gamma 1.0507010.
///
/// # Errors
///
/// Fails for whole numbers.
pub fn selu(x: &Tensor, alpha: f32, gamma: f32) -> Result<Tensor> {
    elu(x, f64::from(alpha))? * f64::from(gamma)
}

/// [`ops::dropout`] in training.
///
/// # Errors
///
/// As there.
pub fn dropout(x: &Tensor, p: f32) -> Result<Tensor> {
    ops::dropout(x, f64::from(p), true)
}

/// Attention with heads that share keys and values: softmax(cap tanh(scale q kᵀ / cap) + mask) v.
///
/// `q` is [batch, heads, n, width], `k` and `v` [batch, key heads, m, width], heads a multiple of key heads; `mask`, which is
/// added, is broadcast to [batch, heads, n, m]. A `softcapping` of 1 is none.
///
/// # Errors
///
/// Fails where shapes do not fit.
pub fn sdpa(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    do_causal: bool,
    scale: f32,
    softcapping: f32,
) -> Result<Tensor> {
    let (heads, n) = (q.dim(1)?, q.dim(2)?);
    let repeated = |x: &Tensor| -> Result<Tensor> {
        let (batch, key_heads, m, width) = x.dims4()?;
        if key_heads == 0 || !heads.is_multiple_of(key_heads) {
            candle_core::bail!(
                "sdpa: the queries are {:?} and the keys or values {:?}: must have a multiple of their heads",
                q.dims(),
                x.dims()
            )
        }
        let times = heads / key_heads;
        x.unsqueeze(2)?
            .expand((batch, key_heads, times, m, width))?
            .contiguous()?
            .reshape((batch, heads, m, width))
    };
    let (k, v) = (repeated(k)?, repeated(v)?);
    let m = k.dim(2)?;
    let mut scores = (ops::matmul(q, &k.transpose(2, 3)?)? * f64::from(scale))?;
    if softcapping != 1.0 {
        let cap = f64::from(softcapping);
        scores = ((scores / cap)?.tanh()? * cap)?;
    }
    if let Some(mask) = mask {
        scores = scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?;
    }
    if do_causal {
        // The last query sees all keys.
        let hidden: Vec<u8> = (0..n)
            .flat_map(|row| (0..m).map(move |column| u8::from(column + n > row + m)))
            .collect();
        let hidden = Tensor::from_vec(hidden, (n, m), q.device())?;
        scores = ops::masked_fill(&scores, &hidden, f64::NEG_INFINITY)?;
    }
    ops::matmul(&ops::softmax(&scores)?, &v)
}

/// A sample of the classes by the Gumbel trick, and the largest at a temperature of 0. It follows [`super::seed_all`].
pub(super) fn gumbel(logits: &Tensor, temperature: f64) -> Result<Tensor> {
    let logits = logits.to_dtype(DType::F32)?;
    let noise: Vec<f32> = ops::Stream::next()
        .uniform(logits.elem_count())
        .into_iter()
        .map(|u| (-temperature * (-u.ln()).ln()) as f32)
        .collect();
    let noise = Tensor::from_vec(noise, logits.shape(), logits.device())?;
    logits + noise
}
