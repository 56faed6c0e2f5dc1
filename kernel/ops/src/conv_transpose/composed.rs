//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::settings::ConvTranspose2d;
use crate::{Conv2d, conv2d, patches::dilated};

/// A convolution, with a stride of 1, of the image with zeros between its values.
pub(super) fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose2d,
) -> Result<Tensor> {
    let (inputs, part, rows, columns) = weight.dims4()?;
    let groups = settings.groups;
    // [in, out / groups, ...] to [out, in / groups, ...], both directions turned round.
    let weight = weight
        .reshape((groups, inputs / groups, part, rows, columns))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((groups * part, inputs / groups, rows, columns))?;
    let weight = reversed(&reversed(&weight, 2)?, 3)?;
    let mut image = x.clone();
    let directions = [
        (
            2,
            rows,
            settings.stride.0,
            settings.padding.0,
            settings.dilation.0,
            settings.output_padding.0,
        ),
        (
            3,
            columns,
            settings.stride.1,
            settings.padding.1,
            settings.dilation.1,
            settings.output_padding.1,
        ),
    ];
    for (dim, kernel, stride, padding, dilation, more) in directions {
        image = dilated(&image, dim, stride)?;
        let span = dilation * (kernel - 1);
        let around = span.saturating_sub(padding);
        image = image.pad_with_zeros(dim, around, around + more)?;
        // Beyond the kernel the padding takes away from the image.
        let less = padding.saturating_sub(span);
        let length = image.dim(dim)? - 2 * less;
        image = image.narrow(dim, less, length)?;
    }
    let settings = Conv2d {
        dilation: settings.dilation,
        groups,
        ..Conv2d::default()
    };
    conv2d(&image.contiguous()?, &weight, bias, settings)
}

fn reversed(x: &Tensor, dim: usize) -> Result<Tensor> {
    let count = x.dim(dim)? as u32;
    let order: Vec<u32> = (0..count).rev().collect();
    x.contiguous()?
        .index_select(&Tensor::new(order, x.device())?, dim)
}
