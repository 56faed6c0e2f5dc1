//! Layer normalisation and root-mean-square normalisation.

use std::{ops::Range, sync::OnceLock};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage,
};

use super::{
    composed,
    real::Real,
    rows::{RUN, deviation, dot, dot3, sum},
    simd::{fill, produce, simd_kernel},
    storage::{by_dtype, output, read, same_dtype, tensor, values, widened},
};

/// (x - mean) / sqrt(variance + eps) · weight + bias (Ba, Kiros and Hinton, 2016), as torch's `layer_norm`.
///
/// Mean and (biased) variance are over the last dimensions, as many as `weight` has: `x` is [..., *W], `weight`
/// and `bias` are W. Without a weight they are over the last dimension alone.
///
/// # Errors
///
/// Fails where the shape of `weight` or `bias` is not that of the last dimensions of `x`, where dtypes differ,
/// and for integer dtypes.
pub fn layer_norm(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let op = "layer-norm";
    let shape = normalised_shape(op, x, weight.or(bias))?;
    let (weight, bias) = (
        parameter(op, x, "the weight", weight, &shape, 1.0)?,
        parameter(op, x, "the bias", bias, &shape, 0.0)?,
    );
    #[cfg(feature = "cuda")]
    if super::cuda::has_kernels_for(x) {
        return super::cuda::layer_norm::layer_norm(x, &weight, &bias, eps);
    }
    if !x.device().is_cpu() {
        return composed::layer_norm(x, &weight, &bias, eps);
    }
    let norm = LayerNorm {
        n: shape.elem_count(),
        eps,
        statistics: OnceLock::new(),
    };
    widened(x, |x| {
        let (weight, bias) = (weight.to_dtype(x.dtype())?, bias.to_dtype(x.dtype())?);
        x.apply_op3(&weight, &bias, norm)
    })
}

/// x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich, 2019), as torch's `rms_norm`.
///
/// The mean is over the last dimensions, as many as `weight` has; without one, over the last.
///
/// # Errors
///
/// Fails where the shape of `weight` is not that of the last dimensions of `x`, where dtypes differ, and for
/// integer dtypes.
pub fn rms_norm(x: &Tensor, weight: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    let op = "rms-norm";
    let shape = normalised_shape(op, x, weight)?;
    let weight = parameter(op, x, "the weight", weight, &shape, 1.0)?;
    if !x.device().is_cpu() {
        return composed::rms_norm(x, &weight, eps);
    }
    let n = shape.elem_count();
    widened(x, |x| {
        x.apply_op2(&weight.to_dtype(x.dtype())?, RmsNorm { n, eps })
    })
}

fn normalised_shape(op: &'static str, x: &Tensor, like: Option<&Tensor>) -> Result<Shape> {
    let rank = like.map_or(1, Tensor::rank);
    if rank == 0 || rank > x.rank() {
        candle_core::bail!(
            "{op}: a parameter of rank {rank} for an input of shape {:?}: must be from 1 to the input's rank",
            x.dims()
        )
    }
    Ok(Shape::from(&x.dims()[x.rank() - rank..]))
}

/// The parameter, after a look at its shape and dtype, or one that changes nothing.
fn parameter(
    op: &'static str,
    x: &Tensor,
    name: &str,
    given: Option<&Tensor>,
    shape: &Shape,
    neutral: f64,
) -> Result<Tensor> {
    let Some(given) = given else {
        return Tensor::full(neutral as f32, shape, x.device())?.to_dtype(x.dtype());
    };
    if given.shape() != shape {
        candle_core::bail!(
            "{op}: {name} has the shape {:?} and the last dimensions of the input are {:?}",
            given.dims(),
            shape.dims()
        )
    }
    same_dtype(op, x, name, given)?;
    Ok(given.clone())
}

struct LayerNorm {
    n: usize,
    eps: f64,
    /// Mean and reciprocal standard deviation of each row, for the backward pass.
    statistics: OnceLock<Vec<[f64; 2]>>,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
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
            let x = values::<T>(x, x_layout)?;
            let weight = values::<T>(weight, weight_layout)?;
            let bias = values::<T>(bias, bias_layout)?;
            let n = self.n;
            let rows = x.len().checked_div(n).unwrap_or(0);
            let (y, statistics) = produce(rows, n, n, |range, y| {
                let mut statistics = vec![[0.0; 2]; range.len()];
                let x = &x[range.start * n..range.end * n];
                layer_norm_rows(x, y, &mut statistics, &weight, &bias, self.eps);
                statistics
            });
            // The pass runs once for each op, so the cell is empty.
            let _ = self.statistics.set(statistics.concat());
            Ok(output(y, x_layout.shape()))
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
            let shapes = (x.shape(), weight.shape(), bias.shape());
            read!(x: T = x, self.name());
            read!(weight: T = weight, self.name());
            read!(grad: T = grad, self.name());
            let n = self.n;
            let statistics = self.statistics.get().map_or(&[][..], Vec::as_slice);
            let (out, partial) = produce(statistics.len(), n, 2 * n, |range, out| {
                summed(range, out, 2 * n, |range, out, sums: &mut [T]| {
                    let (weight_sum, bias_sum) = sums.split_at_mut(n);
                    let part = range.start * n..range.end * n;
                    let (x, grad, statistics) = (&x[part.clone()], &grad[part], &statistics[range]);
                    layer_norm_rows_backward(x, grad, &weight, statistics, out, weight_sum, bias_sum);
                })
            });
            let (weight_grad, bias_grad) = added::<T>(&partial, 2 * n, n);
            Ok((
                Some(tensor(out, shapes.0)?),
                Some(tensor(weight_grad, shapes.1)?),
                Some(tensor(bias_grad, shapes.2)?),
            ))
        })
    }
}

/// Runs `f` over [`RUN`] rows at a time, with sums of as many values in T that begin at 0, and returns their sums in f64.
fn summed<T: Real>(
    range: Range<usize>,
    out: &mut [T],
    length: usize,
    f: impl Fn(Range<usize>, &mut [T], &mut [T]),
) -> Vec<f64> {
    let width = out.len().checked_div(range.len()).unwrap_or(0).max(1);
    let (mut near, mut total) = (vec![T::ZERO; length], vec![0.0; length]);
    for (index, out) in out.chunks_mut(RUN * width).enumerate() {
        let first = range.start + index * RUN;
        near.fill(T::ZERO);
        f(first..first + out.len() / width, out, &mut near);
        for (total, near) in total.iter_mut().zip(&near) {
            *total += near.as_f64();
        }
    }
    total
}

/// Adds the pieces' sums in their order and splits the result at `middle`.
fn added<T: Real>(partial: &[Vec<f64>], length: usize, middle: usize) -> (Vec<T>, Vec<T>) {
    let of = |i: usize| T::of(partial.iter().map(|part| part[i]).sum());
    let mut total: Vec<T> = (0..length).map(of).collect();
    let rest = total.split_off(middle);
    (total, rest)
}

simd_kernel! {
    fn layer_norm_rows['a, T: Real](
        x: &'a [T], y: &'a mut [T], statistics: &'a mut [[f64; 2]], weight: &'a [T], bias: &'a [T], eps: f64,
    ) -> () {
        let n = weight.len();
        let count = T::of(n as f64);
        for ((x, y), statistics) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)).zip(statistics) {
            let mean = sum(x) / count;
            // The variance about the mean: the mean of squares minus the square of the mean cancels.
            let variance = deviation(x, mean) / count;
            let scale = T::ONE / (variance + T::of(eps)).sqrt();
            *statistics = [mean.as_f64(), scale.as_f64()];
            for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * scale * weight + bias;
            }
        }
    }
}

simd_kernel! {
    /// With x̂ the normalised row and h = g · weight: scale (h - mean(h) - x̂ mean(h x̂)).
    fn layer_norm_rows_backward['a, T: Real](
        x: &'a [T], grad: &'a [T], weight: &'a [T], statistics: &'a [[f64; 2]], out: &'a mut [T],
        weight_sum: &'a mut [T], bias_sum: &'a mut [T],
    ) -> () {
        let n = weight.len();
        let count = T::of(n as f64);
        // Equal lengths that the compiler can see: it vectorises the loop over the sums only then.
        let (weight_sum, bias_sum) = (&mut weight_sum[..n], &mut bias_sum[..n]);
        for (((x, grad), out), statistics) in
            x.chunks_exact(n).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n)).zip(statistics)
        {
            let (mean, scale) = (T::of(statistics[0]), T::of(statistics[1]));
            let (x, grad, out) = (&x[..n], &grad[..n], &mut out[..n]);
            for i in 0..n {
                let normalised = (x[i] - mean) * scale;
                weight_sum[i] += grad[i] * normalised;
                bias_sum[i] += grad[i];
                out[i] = normalised;
            }
            let mean_h = dot(grad, weight) / count;
            let mean_hx = dot3(grad, weight, out) / count;
            for ((out, &grad), &weight) in out.iter_mut().zip(grad).zip(weight) {
                *out = scale * (grad * weight - mean_h - *out * mean_hx);
            }
        }
    }
}

struct RmsNorm {
    n: usize,
    eps: f64,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let x = values::<T>(x, x_layout)?;
            let weight = values::<T>(weight, weight_layout)?;
            let n = self.n;
            let y = fill(x.len().checked_div(n).unwrap_or(0), n, n, |range, y| {
                rms_norm_rows(&x[range.start * n..range.end * n], y, &weight, self.eps);
            });
            Ok(output(y, x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let shapes = (x.shape(), weight.shape());
            read!(x: T = x, self.name());
            read!(weight: T = weight, self.name());
            read!(grad: T = grad, self.name());
            let n = self.n;
            let rows = x.len().checked_div(n).unwrap_or(0);
            let (out, partial) = produce(rows, n, 2 * n, |range, out| {
                summed(range, out, n, |range, out, sums: &mut [T]| {
                    let part = range.start * n..range.end * n;
                    rms_norm_rows_backward(&x[part.clone()], &grad[part], &weight, out, sums, self.eps);
                })
            });
            let (weight_grad, _) = added::<T>(&partial, n, n);
            Ok((Some(tensor(out, shapes.0)?), Some(tensor(weight_grad, shapes.1)?)))
        })
    }
}

simd_kernel! {
    fn rms_norm_rows['a, T: Real](x: &'a [T], y: &'a mut [T], weight: &'a [T], eps: f64) -> () {
        let n = weight.len();
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let scale = T::ONE / (dot(x, x) / T::of(n as f64) + T::of(eps)).sqrt();
            for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weight) {
                *y = x * scale * weight;
            }
        }
    }
}

simd_kernel! {
    /// With h = g · weight: scale (h - x scale² mean(h x)).
    fn rms_norm_rows_backward['a, T: Real](
        x: &'a [T], grad: &'a [T], weight: &'a [T], out: &'a mut [T], weight_sum: &'a mut [T], eps: f64,
    ) -> () {
        let n = weight.len();
        let count = T::of(n as f64);
        let weight_sum = &mut weight_sum[..n];
        for ((x, grad), out) in x.chunks_exact(n).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n)) {
            let scale = T::ONE / (dot(x, x) / count + T::of(eps)).sqrt();
            let pull = dot3(grad, weight, x) / count * scale * scale;
            let (x, grad, out) = (&x[..n], &grad[..n], &mut out[..n]);
            for i in 0..n {
                weight_sum[i] += grad[i] * x[i] * scale;
                out[i] = scale * (grad[i] * weight[i] - x[i] * pull);
            }
        }
    }
}
