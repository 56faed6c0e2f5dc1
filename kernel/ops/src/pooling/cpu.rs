//! The kernels of the CPU.

use std::sync::OnceLock;

use candle_core::{Result, Shape};
use rayon::prelude::*;

use super::windows::Windows;
use crate::{
    op::{Op, Operand},
    real::Real,
};

pub(super) struct MaxPool {
    windows: Windows,
    /// Which value of its plane each result is.
    chosen: OnceLock<Vec<u32>>,
}

impl MaxPool {
    pub(super) fn new(windows: Windows) -> MaxPool {
        MaxPool {
            windows,
            chosen: OnceLock::new(),
        }
    }
}

impl Op<1> for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = self.windows.shape(x.shape());
        let x = x.values::<T>()?;
        let (from, to) = self.windows.planes();
        let mut y = vec![<T as Real>::ZERO; shape.elem_count()];
        let mut chosen = vec![0u32; y.len()];
        y.par_chunks_mut(to)
            .zip(chosen.par_chunks_mut(to))
            .zip(x.par_chunks(from))
            .for_each(|((y, chosen), x)| {
                let results = y.iter_mut().zip(chosen);
                for ((y, chosen), (rows, columns)) in results.zip(self.windows.each()) {
                    let mut best = rows.0 * self.windows.width + columns.0;
                    for row in rows.0..rows.1 {
                        for index in row * self.windows.width + columns.0
                            ..row * self.windows.width + columns.1
                        {
                            let (value, top) = (x[index], x[best]);
                            let top_is_number = top.partial_cmp(&top).is_some();
                            if top_is_number && (value > top || value.partial_cmp(&value).is_none())
                            {
                                best = index;
                            }
                        }
                    }
                    *y = x[best];
                    *chosen = best as u32;
                }
            });
        // The pass runs once for each op, so the cell is empty.
        let _ = self.chosen.set(chosen);
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let grad = grad.values::<T>()?;
        let mut out = vec![<T as Real>::ZERO; x.shape().elem_count()];
        let (from, to) = self.windows.planes();
        let chosen = self.chosen.get().map_or(&[][..], Vec::as_slice);
        out.par_chunks_mut(from)
            .zip(grad.par_chunks(to))
            .zip(chosen.par_chunks(to))
            .for_each(|((out, grad), chosen)| {
                for (&grad, &index) in grad.iter().zip(chosen) {
                    out[index as usize] += grad;
                }
            });
        Ok([Some(out)])
    }
}

pub(super) struct AvgPool {
    pub(super) windows: Windows,
    /// What sums are divided by; the window's own number of values where nothing is said.
    pub(super) area: Option<usize>,
}

impl AvgPool {
    fn count(&self, rows: (usize, usize), columns: (usize, usize)) -> f64 {
        let inside = (rows.1 - rows.0) * (columns.1 - columns.0);
        self.area.unwrap_or(inside) as f64
    }
}

impl Op<1> for AvgPool {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = self.windows.shape(x.shape());
        let x = x.values::<T>()?;
        let (from, to) = self.windows.planes();
        let mut y = vec![<T as Real>::ZERO; shape.elem_count()];
        y.par_chunks_mut(to)
            .zip(x.par_chunks(from))
            .for_each(|(y, x)| {
                for (y, (rows, columns)) in y.iter_mut().zip(self.windows.each()) {
                    let mut sum = 0.0;
                    for row in rows.0..rows.1 {
                        for &value in &x[row * self.windows.width..][columns.0..columns.1] {
                            sum += value.as_f64();
                        }
                    }
                    *y = <T as Real>::of(sum / self.count(rows, columns));
                }
            });
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let grad = grad.values::<T>()?;
        let mut out = vec![<T as Real>::ZERO; x.shape().elem_count()];
        let (from, to) = self.windows.planes();
        out.par_chunks_mut(from)
            .zip(grad.par_chunks(to))
            .for_each(|(out, grad)| {
                for (&grad, (rows, columns)) in grad.iter().zip(self.windows.each()) {
                    let share = <T as Real>::of(grad.as_f64() / self.count(rows, columns));
                    for row in rows.0..rows.1 {
                        for out in &mut out[row * self.windows.width..][columns.0..columns.1] {
                            *out += share;
                        }
                    }
                }
            });
        Ok([Some(out)])
    }
}
