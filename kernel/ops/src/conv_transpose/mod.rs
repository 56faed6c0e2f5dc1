//! The transposed convolution: what a convolution's backward pass does to its images.

mod composed;
mod cpu;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::{ConvTranspose1d, ConvTranspose2d};

use candle_core::{Result, Tensor};

use crate::{
    dispatch::dispatch,
    op::apply,
    patches::{Geometry, Steps, as_images, or_zeros},
    storage::same_dtype,
};

/// Transposed convolution, plus bias: torch's `conv_transpose2d`.
///
/// `x` is `[batch, in, height, width]`, `weight` `[in, out / groups, rows, columns]`, `bias` `[out]`; the result is
/// `[batch, out, h, w]` with `h = (height - 1) stride - 2 padding + dilation (rows - 1) + output_padding + 1`. Only tracked
/// operands get a gradient.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit, and where the output padding is not below the stride or the dilation.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose2d,
) -> Result<Tensor> {
    let mirror = mirror(x, weight, bias, settings)?;
    same_dtype("conv_transpose2d", x, "the weight", weight)?;
    if let Some(bias) = bias {
        same_dtype("conv_transpose2d", x, "the bias", bias)?;
    }
    dispatch! {
        x;
        composed => composed::conv_transpose2d(x, weight, bias, settings);
        cpu(x) => {
            let bias = or_zeros(bias, mirror.inputs, x)?;
            apply(cpu::Mirror(mirror), [x, &weight.to_dtype(x.dtype())?, &bias])
        }
    }
}

/// The convolution that takes the result to `x`.
fn mirror(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose2d,
) -> Result<Geometry> {
    let ConvTranspose2d {
        stride,
        padding,
        output_padding,
        dilation,
        groups,
    } = settings;
    let ([batch, inputs, height, width], [weight_inputs, part, rows, columns]) =
        (x.dims(), weight.dims())
    else {
        candle_core::bail!(
            "conv_transpose2d: the input is {:?} and the weight {:?}: must be [batch, in, height, width] and [in, out / \
             groups, rows, columns]",
            x.dims(),
            weight.dims()
        )
    };
    if groups == 0 || inputs != weight_inputs || inputs % groups != 0 {
        candle_core::bail!(
            "conv_transpose2d: {inputs} input channels, a weight {:?} and {groups} groups: the weight must be [in, out / \
             groups, ...] and in a multiple of the groups",
            weight.dims()
        )
    }
    let outputs = part * groups;
    if bias.is_some_and(|bias| bias.dims() != [outputs]) {
        candle_core::bail!(
            "conv_transpose2d: the bias must be [{outputs}], as many as the weight has outputs"
        )
    }
    let axis = |size: usize,
                kernel: usize,
                stride: usize,
                padding: usize,
                dilation: usize,
                more: usize| {
        if kernel == 0 || stride == 0 || dilation == 0 || more >= stride.max(dilation) {
            candle_core::bail!(
                "conv_transpose2d: a kernel of {kernel} with stride {stride}, dilation {dilation} and output padding {more}: \
                 the first three must be positive, and the output padding below the stride or the dilation"
            )
        }
        let length = size.saturating_sub(1) * stride + dilation * (kernel - 1) + more + 1;
        match length.checked_sub(2 * padding) {
            Some(length) if length > 0 && size > 0 => Ok(length),
            _ => candle_core::bail!(
                "conv_transpose2d: of {size} values with a kernel of {kernel}, stride {stride} and padding {padding} nothing \
                 is left: take a smaller padding"
            ),
        }
    };
    Ok(Geometry {
        steps: Steps {
            stride,
            padding,
            dilation,
            groups,
        },
        batch: *batch,
        inputs: outputs,
        height: axis(
            *height,
            *rows,
            stride.0,
            padding.0,
            dilation.0,
            output_padding.0,
        )?,
        width: axis(
            *width,
            *columns,
            stride.1,
            padding.1,
            dilation.1,
            output_padding.1,
        )?,
        outputs: *inputs,
        kernel: (*rows, *columns),
        size: (*height, *width),
    })
}

/// Transposed convolution of sequences, plus bias: torch's `conv_transpose1d`. `x` is `[batch, in, length]`, `weight` [in, out /
/// groups, size], `bias` `[out]`; the result is `[batch, out, l]` with
/// `l = (length - 1) stride - 2 padding + dilation (size - 1) + output_padding + 1`.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn conv_transpose1d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose1d,
) -> Result<Tensor> {
    let (image, kernel) = as_images("conv_transpose1d", x, weight)?;
    let settings = ConvTranspose2d {
        stride: (1, settings.stride),
        padding: (0, settings.padding),
        output_padding: (0, settings.output_padding),
        dilation: (1, settings.dilation),
        groups: settings.groups,
    };
    conv_transpose2d(&image, &kernel, bias, settings)?.squeeze(2)
}
