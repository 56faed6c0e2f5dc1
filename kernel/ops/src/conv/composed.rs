//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::settings::Conv2d;
use crate::{broadcast_add, patches::dilated};

/// candle takes one stride, padding and dilation for both directions; where they differ, zeros are put around the image and
/// between the kernel's values, and rows and columns are left out of the result.
pub(super) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv2d,
) -> Result<Tensor> {
    let equal = |(vertical, horizontal): (usize, usize)| vertical == horizontal;
    let (mut x, mut weight) = (x.clone(), weight.clone());
    let (mut padding, mut dilation, mut stride) =
        (settings.padding, settings.dilation, settings.stride);
    if !equal(padding) {
        x = x
            .pad_with_zeros(2, padding.0, padding.0)?
            .pad_with_zeros(3, padding.1, padding.1)?;
        padding = (0, 0);
    }
    if !equal(dilation) {
        weight = dilated(&dilated(&weight, 2, dilation.0)?, 3, dilation.1)?;
        dilation = (1, 1);
    }
    let taken = stride;
    if !equal(stride) {
        stride = (1, 1);
    }
    if stride.0 > 1 {
        // In its backward pass candle takes from the height how far the last patch ends before the image does, for the width,
        // too: without that rest both are right.
        for (dim, padding, dilation) in [(2, padding.0, dilation.0), (3, padding.1, dilation.1)] {
            let size = x.dim(dim)? + 2 * padding;
            let span = dilation * (weight.dim(dim)? - 1) + 1;
            let read = size - (size - span) % stride.0;
            x = x
                .pad_with_zeros(dim, padding, padding)?
                .narrow(dim, 0, read)?;
        }
        x = x.contiguous()?;
        padding = (0, 0);
    }
    let mut y = x.conv2d(&weight, padding.0, stride.0, dilation.0, settings.groups)?;
    if stride != taken {
        y = every(&every(&y, 2, taken.0)?, 3, taken.1)?;
    }
    match bias {
        Some(bias) => broadcast_add(&y, &bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

fn every(x: &Tensor, dim: usize, distance: usize) -> Result<Tensor> {
    let kept: Vec<u32> = (0..x.dims()[dim] as u32).step_by(distance).collect();
    let count = kept.len();
    x.contiguous()?
        .index_select(&Tensor::from_vec(kept, count, x.device())?, dim)
}
