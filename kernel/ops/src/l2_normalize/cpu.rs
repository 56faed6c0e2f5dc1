//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
    rows::dot,
    simd::{fill, simd_kernel},
};

pub(super) struct L2Normalize {
    pub(super) eps: f64,
}

impl Op<1> for L2Normalize {
    fn name(&self) -> &'static str {
        "l2-normalize"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape();
        let x = x.values::<T>()?;
        let n = shape.dims().last().copied().unwrap_or(1);
        let y = fill(x.len().checked_div(n).unwrap_or(0), n, n, |range, y| {
            normalize_rows(&x[range.start * n..range.end * n], y, n, self.eps);
        });
        Ok((y, shape.clone()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        result: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let n = result.dims().last().copied().unwrap_or(1);
        let (x, y, grad) = (x.values::<T>()?, result.values::<T>()?, grad.values::<T>()?);
        let out = fill(
            x.len().checked_div(n).unwrap_or(0),
            n,
            2 * n,
            |range, out| {
                let part = range.start * n..range.end * n;
                normalize_rows_backward(
                    &x[part.clone()],
                    &y[part.clone()],
                    &grad[part],
                    out,
                    n,
                    self.eps,
                );
            },
        );
        Ok([Some(out)])
    }
}

simd_kernel! {
    fn normalize_rows['a, T: Real](x: &'a [T], y: &'a mut [T], n: usize, eps: f64) -> () {
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let scale = T::ONE / dot(x, x).sqrt().larger(T::of(eps));
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * scale;
            }
        }
    }
}

simd_kernel! {
    /// (g - y (y · g)) / ||x||; g / eps where the length is below eps, and is thus a constant.
    fn normalize_rows_backward['a, T: Real](
        x: &'a [T], y: &'a [T], grad: &'a [T], out: &'a mut [T], n: usize, eps: f64,
    ) -> () {
        let eps = T::of(eps);
        for (((x, y), grad), out) in
            x.chunks_exact(n).zip(y.chunks_exact(n)).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n))
        {
            let length = dot(x, x).sqrt();
            let projected = if length > eps { dot(y, grad) } else { T::ZERO };
            let scale = T::ONE / length.larger(eps);
            for ((out, &y), &grad) in out.iter_mut().zip(y).zip(grad) {
                *out = (grad - y * projected) * scale;
            }
        }
    }
}
