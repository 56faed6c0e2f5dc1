//! The images of a convolution as matrices of patches: the passes that convolutions and transposed ones share.

use candle_core::{Result, Tensor};

use rayon::prelude::*;

use crate::{
    gemm::{Before, Matrix, gemm},
    real::Real,
    reduce_kernel::sums,
    simd::zeros,
};

/// How a kernel goes over an image. Each pair is (vertical, horizontal).
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub stride: (usize, usize),
    pub padding: (usize, usize),
    pub dilation: (usize, usize),
    pub groups: usize,
}

/// All sizes of one convolution.
pub(crate) struct Geometry {
    pub steps: Steps,
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
    pub(crate) fn pixels(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// The rows of the matrix of patches of one group.
    fn depth(&self) -> usize {
        self.inputs / self.steps.groups * self.kernel.0 * self.kernel.1
    }

    /// Whether the matrix of patches is the image itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.steps.stride == (1, 1) && self.steps.padding == (0, 0)
    }

    /// For a kernel's column, the columns of the result whose pixel lies within the image.
    fn inside(&self, column: usize) -> std::ops::Range<usize> {
        let (stride, padding) = (self.steps.stride.1, self.steps.padding.1);
        let shift = column * self.steps.dilation.1;
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
        let Steps {
            stride,
            padding,
            dilation,
            groups,
        } = self.steps;
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
        let stride = self.steps.stride.1;
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
        let stride = self.steps.stride.1;
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
        let groups = self.steps.groups;
        (
            self.inputs / groups * self.height * self.width,
            self.outputs / groups * self.pixels(),
        )
    }

    pub(crate) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let (from, to) = self.group_sizes();
        let (groups, depth, pixels) = (self.steps.groups, self.depth(), self.pixels());
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
    pub(crate) fn backward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        grad: &[T],
        to_x: bool,
        to_weight: bool,
    ) -> (Vec<T>, Vec<T>) {
        let (from, to) = self.group_sizes();
        let (groups, depth, pixels) = (self.steps.groups, self.depth(), self.pixels());
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

/// The sum of each channel's planes over a batch.
pub(crate) fn sums_of_planes<T: Real>(values: &[T], plane: usize, channels: usize) -> Vec<T> {
    if plane * channels == 0 {
        return vec![T::ZERO; channels];
    }
    let count = values.len() / plane;
    let planes = sums(values, [count, plane, 1]);
    let channels = sums(&planes, [1, count / channels, channels]);
    channels.into_iter().map(<T as Real>::of).collect()
}

/// Sequences as images of one row.
pub(crate) fn as_images(op: &str, x: &Tensor, weight: &Tensor) -> Result<(Tensor, Tensor)> {
    if x.rank() != 3 || weight.rank() != 3 {
        candle_core::bail!(
            "{op}: the input is {:?} and the weight {:?}: must be [batch, channels, length] and of three dimensions, too",
            x.dims(),
            weight.dims()
        )
    }
    Ok((x.unsqueeze(2)?, weight.unsqueeze(2)?))
}

/// The bias in the dtype of `x`, or one that changes nothing.
pub(crate) fn or_zeros(bias: Option<&Tensor>, outputs: usize, x: &Tensor) -> Result<Tensor> {
    match bias {
        Some(bias) => bias.to_dtype(x.dtype()),
        None => Tensor::zeros(outputs, x.dtype(), x.device()),
    }
}

/// `distance - 1` zeros between the values along a dimension.
pub(crate) fn dilated(x: &Tensor, dim: usize, distance: usize) -> Result<Tensor> {
    if distance == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape[dim] *= distance;
    let length = shape[dim] - (distance - 1);
    x.unsqueeze(dim + 1)?
        .pad_with_zeros(dim + 1, 0, distance - 1)?
        .reshape(shape)?
        .narrow(dim, 0, length)?
        .contiguous()
}
