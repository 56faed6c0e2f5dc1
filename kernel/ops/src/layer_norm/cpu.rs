//! The kernels of the CPU.

use std::{ops::Range, sync::OnceLock};

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
    rows::{RUN, deviation, dot, dot3, sum},
    simd::{fill, produce, simd_kernel},
};

pub(super) struct LayerNorm {
    n: usize,
    eps: f64,
    /// Mean and reciprocal standard deviation of each row, for the backward pass.
    statistics: OnceLock<Vec<[f64; 2]>>,
}

impl LayerNorm {
    /// Over rows of `n` values.
    pub(super) fn new(n: usize, eps: f64) -> LayerNorm {
        LayerNorm {
            n,
            eps,
            statistics: OnceLock::new(),
        }
    }
}

impl Op<3> for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape().clone();
        let (x, weight, bias) = (x.values::<T>()?, weight.values::<T>()?, bias.values::<T>()?);
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
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let (x, weight, grad) = (x.values::<T>()?, weight.values::<T>()?, grad.values::<T>()?);
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
        Ok([Some(out), Some(weight_grad), Some(bias_grad)])
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
    /// With x̂ the normalized row and h = g · weight: scale (h - mean(h) - x̂ mean(h x̂)).
    fn layer_norm_rows_backward['a, T: Real](
        x: &'a [T], grad: &'a [T], weight: &'a [T], statistics: &'a [[f64; 2]], out: &'a mut [T],
        weight_sum: &'a mut [T], bias_sum: &'a mut [T],
    ) -> () {
        let n = weight.len();
        let count = T::of(n as f64);
        // Equal lengths that the compiler can see: it vectorizes the loop over the sums only then.
        let (weight_sum, bias_sum) = (&mut weight_sum[..n], &mut bias_sum[..n]);
        for (((x, grad), out), statistics) in
            x.chunks_exact(n).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n)).zip(statistics)
        {
            let (mean, scale) = (T::of(statistics[0]), T::of(statistics[1]));
            let (x, grad, out) = (&x[..n], &grad[..n], &mut out[..n]);
            for i in 0..n {
                let normalized = (x[i] - mean) * scale;
                weight_sum[i] += grad[i] * normalized;
                bias_sum[i] += grad[i];
                out[i] = normalized;
            }
            let mean_h = dot(grad, weight) / count;
            let mean_hx = dot3(grad, weight, out) / count;
            for ((out, &grad), &weight) in out.iter_mut().zip(grad).zip(weight) {
                *out = scale * (grad * weight - mean_h - *out * mean_hx);
            }
        }
    }
}

pub(super) struct RmsNorm {
    pub(super) n: usize,
    pub(super) eps: f64,
}

impl Op<2> for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn forward<T: Real>(&self, [x, weight]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape().clone();
        let (x, weight) = (x.values::<T>()?, weight.values::<T>()?);
        let n = self.n;
        let y = fill(x.len().checked_div(n).unwrap_or(0), n, n, |range, y| {
            rms_norm_rows(&x[range.start * n..range.end * n], y, &weight, self.eps);
        });
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x, weight]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let (x, weight, grad) = (x.values::<T>()?, weight.values::<T>()?, grad.values::<T>()?);
        let n = self.n;
        let rows = x.len().checked_div(n).unwrap_or(0);
        let (out, partial) = produce(rows, n, 2 * n, |range, out| {
            summed(range, out, n, |range, out, sums: &mut [T]| {
                let part = range.start * n..range.end * n;
                rms_norm_rows_backward(&x[part.clone()], &grad[part], &weight, out, sums, self.eps);
            })
        });
        let (weight_grad, _) = added::<T>(&partial, n, n);
        Ok([Some(out), Some(weight_grad)])
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
