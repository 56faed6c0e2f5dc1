//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
    rows::{Columns, RUN, SHORT, TILE, dot, exp_and_sum, largest, sum, sum_exp},
    simd::{LANES, fill, simd_kernel},
};

#[derive(Clone, Copy)]
pub(super) struct Softmax {
    pub(super) dim: usize,
    pub(super) log: bool,
}

impl Softmax {
    pub(super) fn name(self) -> &'static str {
        if self.log { "log-softmax" } else { "softmax" }
    }

    fn columns(&self, shape: &Shape) -> Columns {
        Columns {
            n: shape.dims()[self.dim],
            inner: shape.dims()[self.dim + 1..].iter().product(),
        }
    }
}

impl Op<1> for Softmax {
    fn name(&self) -> &'static str {
        Softmax::name(*self)
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape();
        let x = x.values::<T>()?;
        let at = self.columns(shape);
        if at.wide() {
            let y = at.fill_tiles(x.len() / slab_width(at), |first, y| {
                softmax_tile(&x[at.start(first)..], y, at, self.log);
            });
            return Ok((y, shape.clone()));
        }
        let slab = at.n * at.inner;
        let y = fill(
            x.len() / slab_width(at),
            slab_width(at),
            2 * slab_width(at),
            |range, y| {
                let x = &x[range.start * slab_width(at)..range.end * slab_width(at)];
                match (at.inner == 1 && at.n >= SHORT, self.log) {
                    (true, false) => softmax_rows(x, y, at.n),
                    (true, true) => log_softmax_rows(x, y, at.n),
                    (false, log) => {
                        softmax_columns(x, y, at, y_columns(range.len(), slab, at), log)
                    }
                }
            },
        );
        Ok((y, shape.clone()))
    }

    fn backward<T: Real>(
        &self,
        _: [Operand<'_>; 1],
        result: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let (y_values, grad) = (result.values::<T>()?, grad.values::<T>()?);
        let at = self.columns(result.shape());
        if at.wide() {
            let out = at.fill_tiles(grad.len() / slab_width(at), |first, out| {
                let start = at.start(first);
                softmax_tile_backward(&y_values[start..], &grad[start..], out, at, self.log);
            });
            return Ok([Some(out)]);
        }
        let slab = at.n * at.inner;
        let out = fill(
            grad.len() / slab_width(at),
            slab_width(at),
            2 * slab_width(at),
            |range, out| {
                let part = range.start * slab_width(at)..range.end * slab_width(at);
                let (y, grad) = (&y_values[part.clone()], &grad[part]);
                match (at.inner == 1 && at.n >= SHORT, self.log) {
                    (true, false) => softmax_rows_backward(y, grad, out, at.n),
                    (true, true) => log_softmax_rows_backward(y, grad, out, at.n),
                    (false, log) => softmax_columns_backward(
                        y,
                        grad,
                        out,
                        at,
                        y_columns(range.len(), slab, at),
                        log,
                    ),
                }
            },
        );
        Ok([Some(out)])
    }
}

/// The values of one outer index: pieces of work are whole outer indices.
fn slab_width(at: Columns) -> usize {
    (at.n * at.inner).max(1)
}

/// How many columns there are in `slabs` outer indices.
fn y_columns(slabs: usize, slab: usize, at: Columns) -> usize {
    if slab == 0 { 0 } else { slabs * at.inner }
}

simd_kernel! {
    fn softmax_rows['a, T: Real](x: &'a [T], y: &'a mut [T], n: usize) -> () {
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let scale = T::ONE / exp_and_sum(x, y, largest(x));
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }
}

simd_kernel! {
    fn log_softmax_rows['a, T: Real](x: &'a [T], y: &'a mut [T], n: usize) -> () {
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let shift = largest(x);
            let log_sum = sum_exp(x, shift).ln();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x - shift - log_sum;
            }
        }
    }
}

simd_kernel! {
    /// y (g - Σ y g).
    fn softmax_rows_backward['a, T: Real](y: &'a [T], grad: &'a [T], out: &'a mut [T], n: usize) -> () {
        for ((y, grad), out) in y.chunks_exact(n).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n)) {
            let projected = dot(y, grad);
            for ((out, &y), &grad) in out.iter_mut().zip(y).zip(grad) {
                *out = y * (grad - projected);
            }
        }
    }
}

simd_kernel! {
    /// g - exp(y) Σ g.
    fn log_softmax_rows_backward['a, T: Real](y: &'a [T], grad: &'a [T], out: &'a mut [T], n: usize) -> () {
        for ((y, grad), out) in y.chunks_exact(n).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n)) {
            let total = sum(grad);
            for ((out, &y), &grad) in out.iter_mut().zip(y).zip(grad) {
                *out = grad - y.exp() * total;
            }
        }
    }
}

simd_kernel! {
    fn softmax_columns['a, T: Real](
        x: &'a [T], y: &'a mut [T], at: Columns, columns: usize, log: bool,
    ) -> () {
        let mut block = vec![T::ZERO; at.n * LANES];
        for first in (0..columns).step_by(LANES) {
            let count = LANES.min(columns - first);
            at.load(x, first, count, &mut block);
            let mut shift = [T::NEG_INFINITY; LANES];
            for row in block.chunks_exact(LANES) {
                for lane in 0..LANES {
                    shift[lane] = shift[lane].larger(row[lane]);
                }
            }
            let (mut sum, mut total) = ([T::ZERO; LANES], [0.0; LANES]);
            for run in block.chunks_mut(RUN * LANES) {
                for row in run.chunks_exact_mut(LANES) {
                    for lane in 0..LANES {
                        let exp = (row[lane] - shift[lane]).exp();
                        sum[lane] += exp;
                        row[lane] = if log { row[lane] - shift[lane] } else { exp };
                    }
                }
                for lane in 0..LANES {
                    total[lane] += std::mem::take(&mut sum[lane]).as_f64();
                }
            }
            for lane in 0..LANES {
                let total = T::of(total[lane]);
                sum[lane] = if log { total.ln() } else { T::ONE / total };
            }
            for row in block.chunks_exact_mut(LANES) {
                for lane in 0..LANES {
                    row[lane] = if log { row[lane] - sum[lane] } else { row[lane] * sum[lane] };
                }
            }
            at.store(y, first, count, &block);
        }
    }
}

simd_kernel! {
    /// Softmax of the columns of a tile `y` `[n, columns]`; `x` begins at its first value.
    fn softmax_tile['a, T: Real](x: &'a [T], y: &'a mut [T], at: Columns, log: bool) -> () {
        let columns = y.len() / at.n;
        let (mut shift, mut sum) = ([T::NEG_INFINITY; TILE], [T::ZERO; TILE]);
        let (shift, sum) = (&mut shift[..columns], &mut sum[..columns]);
        for j in 0..at.n {
            for (shift, &x) in shift.iter_mut().zip(&x[j * at.inner..][..columns]) {
                *shift = shift.larger(x);
            }
        }
        let mut total = [0.0; TILE];
        let total = &mut total[..columns];
        for (j, y) in y.chunks_exact_mut(columns).enumerate() {
            let row = &x[j * at.inner..][..columns];
            for (((y, &x), &shift), sum) in y.iter_mut().zip(row).zip(&*shift).zip(sum.iter_mut()) {
                let exp = (x - shift).exp();
                *sum += exp;
                *y = if log { x - shift } else { exp };
            }
            if (j + 1) % RUN == 0 || j + 1 == at.n {
                for (total, sum) in total.iter_mut().zip(sum.iter_mut()) {
                    *total += std::mem::take(sum).as_f64();
                }
            }
        }
        for (sum, &total) in sum.iter_mut().zip(&*total) {
            let total = T::of(total);
            *sum = if log { total.ln() } else { T::ONE / total };
        }
        for y in y.chunks_exact_mut(columns) {
            for (y, &sum) in y.iter_mut().zip(&*sum) {
                *y = if log { *y - sum } else { *y * sum };
            }
        }
    }
}

simd_kernel! {
    /// As [`softmax_columns_backward`], for a tile `out` `[n, columns]`; `y` and `grad` begin at its first value.
    fn softmax_tile_backward['a, T: Real](
        y: &'a [T], grad: &'a [T], out: &'a mut [T], at: Columns, log: bool,
    ) -> () {
        let columns = out.len() / at.n;
        let (mut total, mut wide) = ([T::ZERO; TILE], [0.0; TILE]);
        let (total, wide) = (&mut total[..columns], &mut wide[..columns]);
        for j in 0..at.n {
            let (y, grad) = (&y[j * at.inner..][..columns], &grad[j * at.inner..][..columns]);
            for ((total, &y), &grad) in total.iter_mut().zip(y).zip(grad) {
                *total += if log { grad } else { y * grad };
            }
            if (j + 1) % RUN == 0 || j + 1 == at.n {
                for (wide, total) in wide.iter_mut().zip(total.iter_mut()) {
                    *wide += std::mem::take(total).as_f64();
                }
            }
        }
        for (total, &wide) in total.iter_mut().zip(&*wide) {
            *total = T::of(wide);
        }
        for (j, out) in out.chunks_exact_mut(columns).enumerate() {
            let (y, grad) = (&y[j * at.inner..][..columns], &grad[j * at.inner..][..columns]);
            for (((out, &y), &grad), &total) in out.iter_mut().zip(y).zip(grad).zip(&*total) {
                *out = if log { grad - y.exp() * total } else { y * (grad - total) };
            }
        }
    }
}

simd_kernel! {
    fn softmax_columns_backward['a, T: Real](
        y: &'a [T], grad: &'a [T], out: &'a mut [T], at: Columns, columns: usize, log: bool,
    ) -> () {
        let mut ys = vec![T::ZERO; at.n * LANES];
        let mut grads = vec![T::ZERO; at.n * LANES];
        for first in (0..columns).step_by(LANES) {
            let count = LANES.min(columns - first);
            at.load(y, first, count, &mut ys);
            at.load(grad, first, count, &mut grads);
            let (mut total, mut wide) = ([T::ZERO; LANES], [0.0; LANES]);
            for (ys, grads) in ys.chunks(RUN * LANES).zip(grads.chunks(RUN * LANES)) {
                for (y, grad) in ys.chunks_exact(LANES).zip(grads.chunks_exact(LANES)) {
                    for lane in 0..LANES {
                        total[lane] += if log { grad[lane] } else { y[lane] * grad[lane] };
                    }
                }
                for lane in 0..LANES {
                    wide[lane] += std::mem::take(&mut total[lane]).as_f64();
                }
            }
            for lane in 0..LANES {
                total[lane] = T::of(wide[lane]);
            }
            for (y, grad) in ys.chunks_exact(LANES).zip(grads.chunks_exact_mut(LANES)) {
                for lane in 0..LANES {
                    grad[lane] = if log {
                        grad[lane] - y[lane].exp() * total[lane]
                    } else {
                        y[lane] * (grad[lane] - total[lane])
                    };
                }
            }
            at.store(out, first, count, &grads);
        }
    }
}
