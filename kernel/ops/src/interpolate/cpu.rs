//! The kernels of the CPU.

use candle_core::{Result, Shape};
use rayon::prelude::*;

use super::taps::Taps;
use crate::{
    op::{Op, Operand},
    real::Real,
};

/// The pixels of the rows first, then those of the columns.
pub(super) struct Separable {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    height: usize,
    width: usize,
}

impl Separable {
    pub(super) fn new(
        (height, width): (usize, usize),
        (rows, columns): (Vec<Taps>, Vec<Taps>),
    ) -> Separable {
        Separable {
            rows,
            columns,
            height,
            width,
        }
    }

    fn plane<T: Real>(&self, x: &[T], y: &mut [T]) {
        let width = self.columns.len();
        // Along the rows first; the columns then are sums of whole rows.
        let mut wide = vec![T::ZERO; self.height * width];
        for (wide, x) in wide.chunks_exact_mut(width).zip(x.chunks_exact(self.width)) {
            for (value, taps) in wide.iter_mut().zip(&self.columns) {
                for &(index, weight) in taps {
                    *value += x[index] * T::of(weight);
                }
            }
        }
        for (y, taps) in y.chunks_exact_mut(width).zip(&self.rows) {
            for &(index, weight) in taps {
                let weight = T::of(weight);
                for (y, &x) in y.iter_mut().zip(&wide[index * width..][..width]) {
                    *y += x * weight;
                }
            }
        }
    }

    fn plane_backward<T: Real>(&self, grad: &[T], out: &mut [T]) {
        let width = self.columns.len();
        let mut wide = vec![T::ZERO; self.height * width];
        for (grad, taps) in grad.chunks_exact(width).zip(&self.rows) {
            for &(index, weight) in taps {
                let weight = T::of(weight);
                for (wide, &grad) in wide[index * width..][..width].iter_mut().zip(grad) {
                    *wide += grad * weight;
                }
            }
        }
        for (wide, out) in wide
            .chunks_exact(width)
            .zip(out.chunks_exact_mut(self.width))
        {
            for (&grad, taps) in wide.iter().zip(&self.columns) {
                for &(index, weight) in taps {
                    out[index] += grad * T::of(weight);
                }
            }
        }
    }
}

impl Op<1> for Separable {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let (from, to) = (
            self.height * self.width,
            self.rows.len() * self.columns.len(),
        );
        let dims = x.dims();
        let x = x.values::<T>()?;
        let mut y = vec![<T as Real>::ZERO; dims[0] * dims[1] * to];
        y.par_chunks_mut(to)
            .zip(x.par_chunks(from))
            .for_each(|(y, x)| self.plane(x, y));
        Ok((
            y,
            Shape::from((dims[0], dims[1], self.rows.len(), self.columns.len())),
        ))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let grad = grad.values::<T>()?;
        let (from, to) = (
            self.height * self.width,
            self.rows.len() * self.columns.len(),
        );
        let mut out = vec![<T as Real>::ZERO; x.shape().elem_count()];
        out.par_chunks_mut(from)
            .zip(grad.par_chunks(to))
            .for_each(|(out, grad)| self.plane_backward(grad, out));
        Ok([Some(out)])
    }
}
