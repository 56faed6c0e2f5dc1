//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::windows::Windows;
use crate::separable::separable;

/// Which of several equal values gets the gradient is the device's choice, and what is not a number may lose.
pub(super) fn max_pool2d(x: &Tensor, kernel: (usize, usize), windows: &Windows) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (new_height, new_width) = windows.size();
    let count = kernel.0 * kernel.1;
    let places = Tensor::from_vec(
        windows.places(kernel),
        new_height * new_width * count,
        x.device(),
    )?;
    let values = x
        .reshape((batch * channels, height * width))?
        .contiguous()?
        .index_select(&places, 1)?
        .reshape((batch * channels, new_height * new_width, count))?;
    let largest = values.detach().argmax_keepdim(2)?;
    values
        .gather(&largest, 2)?
        .reshape((batch, channels, new_height, new_width))
}

/// Means over `kernel` values, or over those that a window has.
pub(super) fn mean_pool2d(
    x: &Tensor,
    kernel: Option<(usize, usize)>,
    windows: &Windows,
) -> Result<Tensor> {
    let (rows, columns) = windows.means(kernel);
    separable(x, rows, columns)
}
