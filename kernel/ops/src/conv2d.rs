//! Convolution of images, which is also the patch embedding of vision transformers.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage};
use rayon::prelude::*;

use super::{
    composed,
    gemm::{Before, Matrix, gemm},
    real::Real,
    reduce_kernel::sums,
    simd::zeros,
    storage::{by_dtype, output, read, same_dtype, tensor, values, widened},
};

/// The settings of [`conv2d`]. Each pair is (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    pub stride: (usize, usize),
    /// How many zeros stand around the image.
    pub padding: (usize, usize),
    pub dilation: (usize, usize),
    /// Into how many parts the channels are divided; each part of the outputs sees one part of the inputs.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Conv2d {
        Conv2d {
            stride: (1, 1),
            padding: (0, 0),
            dilation: (1, 1),
            groups: 1,
        }
    }
}

/// Cross-correlation with a kernel, plus bias: torch's `conv2d`.
///
/// `x` is [batch, in, height, width], `weight` [out, in / groups, rows, columns], `bias` [out]; the result is
/// [batch, out, h, w] with `h = (height + 2 padding - dilation (rows - 1) - 1) / stride + 1`. With a stride as
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
    let geometry = Geometry::new(x, weight, bias, settings)?;
    same_dtype("conv2d", x, "the weight", weight)?;
    if !x.device().is_cpu() {
        return composed::conv2d(x, weight, bias, settings);
    }
    let bias = match bias {
        Some(bias) => {
            same_dtype("conv2d", x, "the bias", bias)?;
            bias.clone()
        }
        None => Tensor::zeros(geometry.outputs, x.dtype(), x.device())?,
    };
    widened(x, |x| {
        x.apply_op3(
            &weight.to_dtype(x.dtype())?,
            &bias.to_dtype(x.dtype())?,
            geometry,
        )
    })
}

/// All sizes of one convolution.
pub(super) struct Geometry {
    pub settings: Conv2d,
    pub batch: usize,
    pub inputs: usize,
    pub height: usize,
    pub width: usize,
    pub outputs: usize,
    pub kernel: (usize, usize),
    /// The size of the result.
    pub size: (usize, usize),
}

impl Geometry {
    fn new(
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
            settings,
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

    fn pixels(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// The rows of the matrix of patches of one group.
    fn depth(&self) -> usize {
        self.inputs / self.settings.groups * self.kernel.0 * self.kernel.1
    }

    /// Whether the matrix of patches is the image itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.settings.stride == (1, 1) && self.settings.padding == (0, 0)
    }

    /// For a kernel's column, the columns of the result whose pixel lies within the image.
    fn inside(&self, column: usize) -> std::ops::Range<usize> {
        let (stride, padding) = (self.settings.stride.1, self.settings.padding.1);
        let shift = column * self.settings.dilation.1;
        let first = padding.saturating_sub(shift).div_ceil(stride);
        let end = (self.width + padding)
            .saturating_sub(shift)
            .div_ceil(stride)
            .min(self.size.1);
        first.min(end)..end
    }

    /// Runs `f` for each run of pixels of one group: where it begins in the matrix of patches, where in the
    /// image, and how many there are. Pixels outside of the image are left out.
    fn runs(&self, mut f: impl FnMut(usize, usize, usize)) {
        let Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = self.settings;
        let mut row = 0;
        for channel in 0..self.inputs / groups {
            for i in 0..self.kernel.0 {
                for j in 0..self.kernel.1 {
                    let columns = self.inside(j);
                    for y in 0..self.size.0 {
                        let Some(from) = (y * stride.0 + i * dilation.0).checked_sub(padding.0)
                        else {
                            continue;
                        };
                        if from >= self.height || columns.is_empty() {
                            continue;
                        }
                        let column = columns.start * stride.1 + j * dilation.1 - padding.1;
                        f(
                            row * self.pixels() + y * self.size.1 + columns.start,
                            (channel * self.height + from) * self.width + column,
                            columns.len(),
                        );
                    }
                    row += 1;
                }
            }
        }
    }

    fn patches<T: Real>(&self, image: &[T], patches: &mut [T]) {
        let stride = self.settings.stride.1;
        self.runs(|to, from, length| {
            if stride == 1 {
                patches[to..to + length].copy_from_slice(&image[from..from + length]);
            } else {
                for (to, from) in patches[to..to + length]
                    .iter_mut()
                    .zip(image[from..].iter().step_by(stride))
                {
                    *to = *from;
                }
            }
        });
    }

    fn add_patches<T: Real>(&self, patches: &[T], image: &mut [T]) {
        let stride = self.settings.stride.1;
        self.runs(|from, to, length| {
            for (to, &from) in image[to..]
                .iter_mut()
                .step_by(stride)
                .zip(&patches[from..from + length])
            {
                *to += from;
            }
        });
    }

    /// How many values an image of one group has before and after.
    fn group_sizes(&self) -> (usize, usize) {
        let groups = self.settings.groups;
        (
            self.inputs / groups * self.height * self.width,
            self.outputs / groups * self.pixels(),
        )
    }

    pub(super) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let (from, to) = self.group_sizes();
        let (groups, depth, pixels) = (self.settings.groups, self.depth(), self.pixels());
        let part = self.outputs / groups;
        let mut y = zeros(self.batch * groups * to);
        if y.is_empty() {
            return y;
        }
        let threads = self.batch * groups < rayon::current_num_threads();
        y.par_chunks_mut(to).enumerate().for_each_init(
            || {
                vec![
                    T::ZERO;
                    if self.is_pointwise() {
                        0
                    } else {
                        depth * pixels
                    }
                ]
            },
            |patches, (index, y)| {
                let group = index % groups;
                let image = &x[index * from..(index + 1) * from];
                let patches: &[T] = if self.is_pointwise() {
                    image
                } else {
                    self.patches(image, patches);
                    patches
                };
                for (y, &bias) in y.chunks_exact_mut(pixels).zip(&bias[group * part..]) {
                    y.fill(bias);
                }
                let weight = Matrix::new(&weight[group * part * depth..], depth);
                let patches = Matrix::new(patches, pixels);
                gemm(
                    (part, depth, pixels),
                    weight,
                    patches,
                    T::ONE,
                    Before::Add,
                    y,
                    pixels,
                    threads,
                );
            },
        );
        y
    }

    /// The gradients of x and of the weight, each only if it is asked for. The first does not need the values of x.
    pub(super) fn backward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        grad: &[T],
        to_x: bool,
        to_weight: bool,
    ) -> (Vec<T>, Vec<T>) {
        let (from, to) = self.group_sizes();
        let (groups, depth, pixels) = (self.settings.groups, self.depth(), self.pixels());
        let part = self.outputs / groups;
        let images = self.batch * groups * from;
        let mut x_grad = vec![T::ZERO; if to_x { images } else { 0 }];
        let mut weight_grad = vec![T::ZERO; if to_weight { weight.len() } else { 0 }];
        if grad.is_empty() || from == 0 {
            return (x_grad, weight_grad);
        }
        if to_x {
            x_grad.par_chunks_mut(from).enumerate().for_each_init(
                || vec![T::ZERO; depth * pixels],
                |patches, (index, out)| {
                    let group = index % groups;
                    let weight = Matrix::new(&weight[group * part * depth..], depth).transposed();
                    let grad = Matrix::new(&grad[index * to..(index + 1) * to], pixels);
                    let size = (depth, part, pixels);
                    if self.is_pointwise() {
                        gemm(
                            size,
                            weight,
                            grad,
                            T::ONE,
                            Before::Overwrite,
                            out,
                            pixels,
                            false,
                        );
                    } else {
                        gemm(
                            size,
                            weight,
                            grad,
                            T::ONE,
                            Before::Overwrite,
                            patches,
                            pixels,
                            false,
                        );
                        self.add_patches(patches, out);
                    }
                },
            );
        }
        if to_weight {
            // Each thread sums over images of its own; the sums are added in their order.
            let images = self.batch.div_ceil(rayon::current_num_threads()).max(1);
            let partial: Vec<Vec<T>> = (0..self.batch.div_ceil(images))
                .into_par_iter()
                .map(|chunk| {
                    let mut sum = vec![T::ZERO; weight.len()];
                    let mut patches = vec![
                        T::ZERO;
                        if self.is_pointwise() {
                            0
                        } else {
                            depth * pixels
                        }
                    ];
                    for image in chunk * images..((chunk + 1) * images).min(self.batch) {
                        for group in 0..groups {
                            let index = image * groups + group;
                            let x = &x[index * from..(index + 1) * from];
                            let patches: &[T] = if self.is_pointwise() {
                                x
                            } else {
                                self.patches(x, &mut patches);
                                &patches
                            };
                            let grad = Matrix::new(&grad[index * to..(index + 1) * to], pixels);
                            let patches = Matrix::new(patches, pixels).transposed();
                            let sum = &mut sum[group * part * depth..(group + 1) * part * depth];
                            gemm(
                                (part, pixels, depth),
                                grad,
                                patches,
                                T::ONE,
                                Before::Add,
                                sum,
                                depth,
                                false,
                            );
                        }
                    }
                    sum
                })
                .collect();
            for (i, total) in weight_grad.iter_mut().enumerate() {
                *total = T::of(partial.iter().map(|part| part[i].as_f64()).sum());
            }
        }
        (x_grad, weight_grad)
    }
}

impl CustomOp3 for Geometry {
    fn name(&self) -> &'static str {
        "conv2d"
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
        by_dtype!(x.dtype(), self.name(), T => {
            let (x, weight) = (values::<T>(x, x_layout)?, values::<T>(weight, weight_layout)?);
            let bias = values::<T>(bias, bias_layout)?;
            let shape = (self.batch, self.outputs, self.size.0, self.size.1);
            Ok(output(self.forward::<T>(&x, &weight, &bias), shape))
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
        by_dtype!(x.dtype(), self.name(), T => {
            let (x_tensor, weight_tensor) = (x, weight);
            read!(x: T = x_tensor, self.name());
            read!(weight: T = weight_tensor, self.name());
            read!(grad: T = grad, self.name());
            let (to_x, to_weight) = (x_tensor.track_op(), weight_tensor.track_op());
            let (x_grad, weight_grad) = self.backward::<T>(&x, &weight, &grad, to_x, to_weight);
            let bias_grad = bias
                .track_op()
                .then(|| tensor(sums_of_planes::<T>(&grad, self.pixels(), self.outputs), bias.shape()));
            Ok((
                to_x.then(|| tensor(x_grad, x_tensor.shape())).transpose()?,
                to_weight.then(|| tensor(weight_grad, weight_tensor.shape())).transpose()?,
                bias_grad.transpose()?,
            ))
        })
    }
}

/// The sum of each channel's planes over a batch.
pub(super) fn sums_of_planes<T: Real>(values: &[T], plane: usize, channels: usize) -> Vec<T> {
    if plane * channels == 0 {
        return vec![T::ZERO; channels];
    }
    let count = values.len() / plane;
    let planes = sums(values, [count, plane, 1]);
    let channels = sums(&planes, [1, count / channels, channels]);
    channels.into_iter().map(<T as Real>::of).collect()
}
