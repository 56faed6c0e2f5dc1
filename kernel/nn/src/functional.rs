//! `torch.nn.functional`: losses, activations and pooling as functions, by torch's names.

use candle_core::{Result, Tensor};

use patchbay_ops as ops;

pub use patchbay_ops::{
    adaptive_avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, dropout, gelu,
    log_softmax_dim as log_softmax, relu, sigmoid, silu, softmax_dim as softmax,
};

pub use crate::ops::{elu, leaky_relu, mish, relu6, selu};

/// Fails where a target has another shape: what broadcasts without a word is a common mistake.
fn of_one_shape(op: &str, x: &Tensor, target: &Tensor) -> Result<()> {
    if x.dims() != target.dims() {
        candle_core::bail!(
            "{op}: the input is {:?} and the target {:?}: must be of one shape; `target.reshape(x.shape())?` makes it so",
            x.dims(),
            target.dims()
        )
    }
    Ok(())
}

/// Returns the mean of (x - target)²: torch's `mse_loss`.
///
/// # Errors
///
/// Fails where the shapes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let (x, target) = (torch::tensor([1.0, 3.0])?, torch::tensor([1.0, 1.0])?);
/// assert_eq!(nn::mse_loss(&x, &target)?.item()?, 2.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn mse_loss(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    of_one_shape("mse_loss", x, target)?;
    crate::loss::mse(x, target)
}

/// Returns the mean of |x - target|: torch's `l1_loss`. Its gradient is 0 where they are equal.
///
/// # Errors
///
/// Fails where the shapes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let (x, target) = (torch::tensor([1.0, 3.0])?, torch::tensor([1.0, 1.0])?);
/// assert_eq!(nn::l1_loss(&x, &target)?.item()?, 1.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn l1_loss(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    of_one_shape("l1_loss", x, target)?;
    let difference = (x - target)?;
    ops::mean_all(&(&difference * difference.detach().sign()?)?)
}

/// Returns the mean of d² / 2 for d = |x - target| below 1, and of d - 1/2 beyond: torch's `smooth_l1_loss` with its beta of 1.
///
/// # Errors
///
/// Fails where the shapes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let (x, target) = (torch::tensor([1.0, 3.0])?, torch::tensor([1.0, 1.0])?);
/// assert_eq!(nn::smooth_l1_loss(&x, &target)?.item()?, 0.75);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn smooth_l1_loss(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    huber_loss(x, target, 1.0)
}

/// Returns the mean of d² / 2 for d = |x - target| up to `delta`, and of delta (d - delta / 2) beyond: torch's `huber_loss`.
///
/// # Errors
///
/// Fails where the shapes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let (x, target) = (torch::tensor([1.0, 3.0])?, torch::tensor([1.0, 1.0])?);
/// assert_eq!(nn::huber_loss(&x, &target, 2.0)?.item()?, 1.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn huber_loss(x: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    of_one_shape("huber_loss", x, target)?;
    crate::loss::huber(x, target, delta)
}

/// Returns the mean of `-x[target]` of log-probabilities `[n, classes]`, with targets `[n]`: torch's `nll_loss`.
///
/// # Errors
///
/// Fails where the shapes do not fit or a target is no class.
///
/// ```
/// # use patchbay::prelude::*;
/// let log_probabilities = torch::tensor([[-0.5, -2.0]])?;
/// assert_eq!(nn::nll_loss(&log_probabilities, &torch::tensor([0])?)?.item()?, 0.5);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn nll_loss(log_probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    crate::loss::nll(log_probabilities, target)
}

/// Returns the mean of -target ln p - (1 - target) ln(1 - p), the logarithms at least -100: torch's `binary_cross_entropy` of
/// probabilities. Of logits [`binary_cross_entropy_with_logits`] is exact.
///
/// # Errors
///
/// Fails where the shapes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let (p, target) = (torch::tensor([0.5, 0.0])?, torch::tensor([1.0, 1.0])?);
/// assert!((nn::binary_cross_entropy(&p, &target)?.item()? - 50.3466).abs() < 1e-3);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn binary_cross_entropy(probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    of_one_shape("binary_cross_entropy", probabilities, target)?;
    // Behind the bound nothing has a gradient, and no logarithm is taken of what is not positive.
    let bounded_log = |p: &Tensor| -> Result<Tensor> {
        let counts = p.detach().gt((-100f64).exp())?;
        let safe = counts.where_cond(p, &p.detach().ones_like()?)?;
        let floor = (p.detach().ones_like()? * -100.0)?;
        counts.where_cond(&safe.log()?, &floor)
    };
    let other = probabilities.affine(-1.0, 1.0)?;
    let hit = (target * bounded_log(probabilities)?)?;
    let missed = (target.affine(-1.0, 1.0)? * bounded_log(&other)?)?;
    ops::mean_all(&(hit + missed)?.neg()?)
}

/// Returns a · b / (|a| |b|) along a dimension, which the result has no more: torch's `cosine_similarity`, with each norm at
/// least 1e-8.
///
/// # Errors
///
/// Fails where the shapes differ, or there is no such dimension.
///
/// ```
/// # use patchbay::prelude::*;
/// let a = torch::tensor([[3.0, 4.0]])?;
/// assert!((nn::cosine_similarity(&a, &a, 1)?.item()? - 1.0).abs() < 1e-6);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn cosine_similarity(a: &Tensor, b: &Tensor, dim: usize) -> Result<Tensor> {
    of_one_shape("cosine_similarity", a, b)?;
    // The bound is on the squares, so that its root has a finite slope.
    let norm = |x: &Tensor| ops::sum(&x.sqr()?, dim)?.maximum(1e-16)?.sqrt();
    ops::sum(&(a * b)?, dim)? / (norm(a)? * norm(b)?)?
}

/// Returns the hyperbolic tangent: torch's `tanh`.
///
/// # Errors
///
/// Fails for whole numbers.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(nn::tanh(&torch::zeros(1)?)?.item()?, 0.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    x.tanh()
}

/// Returns the largest value of each window of `kernel` x `kernel`, which do not overlap: torch's `max_pool2d(x, kernel)`.
/// `[batch, channels, height, width]` to `[batch, channels, height / kernel, width / kernel]`. [`ops::max_pool2d`] takes stride and
/// padding.
///
/// # Errors
///
/// Fails where the rank is not 4, or the window does not fit into the image.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(nn::max_pool2d(&torch::ones((1, 3, 8, 6))?, 2)?.dims(), [1, 3, 4, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn max_pool2d(x: &Tensor, kernel: usize) -> Result<Tensor> {
    ops::max_pool2d(x, (kernel, kernel), (kernel, kernel), (0, 0))
}

/// Returns the mean of each window of `kernel` x `kernel`, which do not overlap: torch's `avg_pool2d(x, kernel)`. Shapes as
/// [`max_pool2d`]'s. [`ops::avg_pool2d`] takes stride and padding.
///
/// # Errors
///
/// As [`max_pool2d`].
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(nn::avg_pool2d(&torch::ones((1, 3, 8, 6))?, 2)?.dims(), [1, 3, 4, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn avg_pool2d(x: &Tensor, kernel: usize) -> Result<Tensor> {
    ops::avg_pool2d(x, (kernel, kernel), (kernel, kernel), (0, 0))
}
