//! Convolution of images, which is also the patch embedding of vision transformers, and of sequences.

mod composed;
mod cpu;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::{Conv1d, Conv2d};

use candle_core::{Result, Tensor};

use crate::{
    dispatch::dispatch,
    op::apply,
    patches::{Geometry, Steps, as_images, or_zeros},
    storage::same_dtype,
};

/// Cross-correlation with a kernel, plus bias: torch's `conv2d`.
///
/// `x` is `[batch, in, height, width]`, `weight` `[out, in / groups, rows, columns]`, `bias` `[out]`; the result is
/// `[batch, out, h, w]` with `h = (height + 2 padding - dilation (rows - 1) - 1) / stride + 1`. With a stride as
/// large as the kernel it is a patch embedding. Only tracked operands get a gradient.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv2d,
) -> Result<Tensor> {
    let geometry = geometry(x, weight, bias, settings)?;
    same_dtype("conv2d", x, "the weight", weight)?;
    if let Some(bias) = bias {
        same_dtype("conv2d", x, "the bias", bias)?;
    }
    dispatch! {
        x;
        composed => composed::conv2d(x, weight, bias, settings);
        cpu(x) => {
            let bias = or_zeros(bias, geometry.outputs, x)?;
            apply(cpu::Convolution(geometry), [x, &weight.to_dtype(x.dtype())?, &bias])
        }
    }
}

/// All sizes of a convolution.
fn geometry(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv2d,
) -> Result<Geometry> {
    let Conv2d {
        stride,
        padding,
        dilation,
        groups,
    } = settings;
    let ([batch, inputs, height, width], [outputs, part, rows, columns]) =
        (x.dims(), weight.dims())
    else {
        candle_core::bail!(
            "conv2d: the input is {:?} and the weight {:?}: must be [batch, in, height, width] and [out, in / \
             groups, rows, columns]",
            x.dims(),
            weight.dims()
        )
    };
    if groups == 0 || part * groups != *inputs || outputs % groups != 0 {
        candle_core::bail!(
            "conv2d: {inputs} input channels, a weight {:?} and {groups} groups: the weight must be [out, in / \
             groups, ...] and out a multiple of the groups",
            weight.dims()
        )
    }
    if bias.is_some_and(|bias| bias.dims() != [*outputs]) {
        candle_core::bail!(
            "conv2d: the bias must be [{outputs}], as many as the weight has outputs"
        )
    }
    let axis = |size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize| {
        let span = dilation * kernel.saturating_sub(1) + 1;
        if kernel == 0 || stride == 0 || dilation == 0 || size + 2 * padding < span {
            candle_core::bail!(
                "conv2d: a kernel of {kernel} with stride {stride}, padding {padding} and dilation {dilation} over \
                 {size} values: kernel, stride and dilation must be positive, and the kernel must fit"
            )
        }
        Ok((size + 2 * padding - span) / stride + 1)
    };
    Ok(Geometry {
        steps: Steps {
            stride,
            padding,
            dilation,
            groups,
        },
        batch: *batch,
        inputs: *inputs,
        height: *height,
        width: *width,
        outputs: *outputs,
        kernel: (*rows, *columns),
        size: (
            axis(*height, *rows, stride.0, padding.0, dilation.0)?,
            axis(*width, *columns, stride.1, padding.1, dilation.1)?,
        ),
    })
}

/// Cross-correlation of sequences, plus bias: torch's `conv1d`. `x` is `[batch, in, length]`, `weight` `[out, in / groups, size]`,
/// `bias` `[out]`; the result is `[batch, out, l]` with `l = (length + 2 padding - dilation (size - 1) - 1) / stride + 1`.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn conv1d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv1d,
) -> Result<Tensor> {
    let (image, kernel) = as_images("conv1d", x, weight)?;
    let settings = Conv2d {
        stride: (1, settings.stride),
        padding: (0, settings.padding),
        dilation: (1, settings.dilation),
        groups: settings.groups,
    };
    conv2d(&image, &kernel, bias, settings)?.squeeze(2)
}
