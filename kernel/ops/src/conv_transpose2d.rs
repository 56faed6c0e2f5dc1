//! The transposed convolution: what a convolution's backward pass does to its images.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    composed,
    conv2d::{Conv2d, Geometry, conv2d, sums_of_planes},
    real::Real,
    storage::{by_dtype, output, read, same_dtype, tensor, values, widened},
};

/// The settings of [`conv_transpose2d`]. Each pair is (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose2d {
    pub stride: (usize, usize),
    /// How many rows and columns of the result are left out at each side.
    pub padding: (usize, usize),
    /// How many rows and columns are added at the end: a strided convolution takes several sizes to one.
    pub output_padding: (usize, usize),
    pub dilation: (usize, usize),
    /// Into how many parts the channels are divided; each part of the outputs sees one part of the inputs.
    pub groups: usize,
}

impl Default for ConvTranspose2d {
    fn default() -> ConvTranspose2d {
        ConvTranspose2d {
            stride: (1, 1),
            padding: (0, 0),
            output_padding: (0, 0),
            dilation: (1, 1),
            groups: 1,
        }
    }
}

/// Transposed convolution, plus bias: torch's `conv_transpose2d`.
///
/// `x` is [batch, in, height, width], `weight` [in, out / groups, rows, columns], `bias` [out]; the result is
/// [batch, out, h, w] with `h = (height - 1) stride - 2 padding + dilation (rows - 1) + output_padding + 1`. Only tracked
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
    if !x.device().is_cpu() {
        return composed::conv_transpose2d(x, weight, bias, settings);
    }
    let bias = match bias {
        Some(bias) => {
            same_dtype("conv_transpose2d", x, "the bias", bias)?;
            bias.clone()
        }
        None => Tensor::zeros(mirror.0.inputs, x.dtype(), x.device())?,
    };
    widened(x, |x| {
        x.apply_op3(
            &weight.to_dtype(x.dtype())?,
            &bias.to_dtype(x.dtype())?,
            mirror,
        )
    })
}

/// The convolution that takes the result to `x`.
struct Mirror(Geometry);

fn mirror(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose2d,
) -> Result<Mirror> {
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
    Ok(Mirror(Geometry {
        settings: Conv2d {
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
    }))
}

impl CustomOp3 for Mirror {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mirror = &self.0;
        by_dtype!(x.dtype(), self.name(), T => {
            let (x, weight) = (values::<T>(x, x_layout)?, values::<T>(weight, weight_layout)?);
            let bias = values::<T>(bias, bias_layout)?;
            let (mut y, _) = mirror.backward::<T>(&[], &weight, &x, true, false);
            for (index, plane) in y.chunks_exact_mut(mirror.height * mirror.width).enumerate() {
                for value in plane {
                    *value += bias[index % mirror.inputs];
                }
            }
            let shape = (mirror.batch, mirror.inputs, mirror.height, mirror.width);
            Ok(output(y, shape))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mirror = &self.0;
        by_dtype!(x.dtype(), self.name(), T => {
            let (x_tensor, weight_tensor) = (x, weight);
            read!(x: T = x_tensor, self.name());
            read!(weight: T = weight_tensor, self.name());
            read!(grad: T = grad, self.name());
            let x_grad = x_tensor.track_op().then(|| {
                let no_bias = vec![<T as Real>::ZERO; mirror.outputs];
                tensor(mirror.forward::<T>(&grad, &weight, &no_bias), x_tensor.shape())
            });
            let weight_grad = weight_tensor.track_op().then(|| {
                let (_, weight_grad) = mirror.backward::<T>(&grad, &weight, &x, false, true);
                tensor(weight_grad, weight_tensor.shape())
            });
            let bias_grad = bias.track_op().then(|| {
                let plane = mirror.height * mirror.width;
                tensor(sums_of_planes::<T>(&grad, plane, mirror.inputs), bias.shape())
            });
            Ok((
                x_grad.transpose()?,
                weight_grad.transpose()?,
                bias_grad.transpose()?,
            ))
        })
    }
}

/// The settings of [`conv1d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1d {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Default for Conv1d {
    fn default() -> Conv1d {
        Conv1d {
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}

/// Cross-correlation of sequences, plus bias: torch's `conv1d`. `x` is [batch, in, length], `weight` [out, in / groups, size],
/// `bias` [out]; the result is [batch, out, l] with `l = (length + 2 padding - dilation (size - 1) - 1) / stride + 1`.
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

/// The settings of [`conv_transpose1d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose1d {
    pub stride: usize,
    pub padding: usize,
    pub output_padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Default for ConvTranspose1d {
    fn default() -> ConvTranspose1d {
        ConvTranspose1d {
            stride: 1,
            padding: 0,
            output_padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}

/// Transposed convolution of sequences, plus bias: torch's `conv_transpose1d`. `x` is [batch, in, length], `weight` [in, out /
/// groups, size], `bias` [out]; the result is [batch, out, l] with
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

/// Sequences as images of one row.
fn as_images(op: &str, x: &Tensor, weight: &Tensor) -> Result<(Tensor, Tensor)> {
    if x.rank() != 3 || weight.rank() != 3 {
        candle_core::bail!(
            "{op}: the input is {:?} and the weight {:?}: must be [batch, channels, length] and of three dimensions, too",
            x.dims(),
            weight.dims()
        )
    }
    Ok((x.unsqueeze(2)?, weight.unsqueeze(2)?))
}
