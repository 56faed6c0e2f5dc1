//! Pooling over windows of images, with any stride.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;
mod windows;

use candle_core::{Result, Tensor};

use self::{
    cpu::{AvgPool, MaxPool},
    windows::Windows,
};
use crate::{dispatch::dispatch, op::apply};

/// The largest value of each window: torch's `max_pool2d`.
///
/// `x` is `[batch, channels, height, width]`; the result has `(size + 2 padding - kernel) / stride + 1` values in
/// each direction. Of equal values the first in row-major order gets the gradient. What is not a number wins.
///
/// # Errors
///
/// Fails where the rank is not 4, or the kernel does not fit into the padded image or is less than twice the
/// padding.
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    let windows = Windows::regular("max-pool2d", x, kernel, stride, padding)?;
    dispatch! {
        x;
        composed => composed::max_pool2d(x, kernel, &windows);
        cpu(x) => apply(MaxPool::new(windows), [x])
    }
}

/// The mean of each window: torch's `avg_pool2d`, whose padding counts as zeros.
///
/// # Errors
///
/// As [`max_pool2d`].
pub fn avg_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    let windows = Windows::regular("avg-pool2d", x, kernel, stride, padding)?;
    let area = Some(kernel.0 * kernel.1);
    dispatch! {
        x;
        composed => composed::mean_pool2d(x, Some(kernel), &windows);
        cpu(x) => apply(AvgPool { windows, area }, [x])
    }
}

/// The mean of `size` windows that cover the image: torch's `adaptive_avg_pool2d`.
///
/// # Errors
///
/// Fails where the rank is not 4 or the image or the size is empty.
pub fn adaptive_avg_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let windows = Windows::adaptive(x, size)?;
    dispatch! {
        x;
        composed => composed::mean_pool2d(x, None, &windows);
        cpu(x) => apply(AvgPool { windows, area: None }, [x])
    }
}
