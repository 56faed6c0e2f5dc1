//! The kernels of the CPU.

use candle_core::{Result, Shape};
use rayon::prelude::*;

use super::walk::Walk;
use crate::{
    indices::indices,
    op::{Op, Operand},
    real::Real,
    simd::fill,
};

pub(super) struct Gather {
    pub(super) walk: Walk,
}

impl Op<2> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn forward<T: Real>(&self, [x, index]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let x = x.values::<T>()?;
        let places = self.walk.places(index.storage(), index.layout())?;
        let y = places.iter().map(|&place| x[place]).collect();
        Ok((y, index.shape().clone()))
    }

    fn backward<T: Real>(
        &self,
        [x, index]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let places = self.walk.places(index.storage(), index.layout())?;
        let mut out = vec![<T as Real>::ZERO; x.shape().elem_count()];
        self.walk.add(&places, &grad.values()?, &mut out);
        Ok([Some(out), None])
    }
}

pub(super) struct Scatter {
    pub(super) walk: Walk,
    pub(super) add: bool,
}

impl Op<3> for Scatter {
    fn name(&self) -> &'static str {
        self.walk.op
    }

    fn forward<T: Real>(&self, [x, index, src]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let mut y = x.values::<T>()?.into_owned();
        let src = src.values::<T>()?;
        let places = self.walk.places(index.storage(), index.layout())?;
        if self.add {
            self.walk.add(&places, &src, &mut y);
        } else {
            for (&place, &value) in places.iter().zip(src.iter()) {
                y[place] = value;
            }
        }
        Ok((y, x.shape().clone()))
    }

    fn backward<T: Real>(
        &self,
        [_, index, _]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let places = self.walk.places(index.storage(), index.layout())?;
        let grad = grad.values::<T>()?;
        let src_grad = places.iter().map(|&place| grad[place]).collect();
        let mut x_grad = grad.into_owned();
        if !self.add {
            for &place in &places {
                x_grad[place] = <T as Real>::ZERO;
            }
        }
        Ok([Some(x_grad), None, Some(src_grad)])
    }
}

pub(super) struct Embedding {
    pub(super) op: &'static str,
    pub(super) padding_index: Option<usize>,
}

impl Op<2> for Embedding {
    fn name(&self) -> &'static str {
        self.op
    }

    fn forward<T: Real>(&self, [table, ids]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let (entries, width) = (table.dims()[0], table.dims()[1]);
        let mut shape = ids.dims().to_vec();
        shape.push(width);
        let table = table.values::<T>()?;
        let ids = indices(self.op, ids.storage(), ids.layout(), entries)?;
        let y = fill(ids.len(), width, width, |range, y: &mut [T]| {
            for (y, &id) in y.chunks_exact_mut(width).zip(&ids[range]) {
                y.copy_from_slice(&table[id * width..(id + 1) * width]);
            }
        });
        Ok((y, Shape::from(shape)))
    }

    fn backward<T: Real>(
        &self,
        [table, ids]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let (entries, width) = (table.dims()[0], table.dims()[1]);
        let ids = indices(self.op, ids.storage(), ids.layout(), entries)?;
        let grad = grad.values::<T>()?;
        let mut out = vec![<T as Real>::ZERO; entries * width];
        // Each thread has a range of the table and looks for it among all ids, so no two write one row.
        let piece = entries.div_ceil(rayon::current_num_threads()).max(1);
        out.par_chunks_mut((piece * width).max(1))
            .enumerate()
            .for_each(|(index, out)| {
                let first = index * piece;
                let here = |&(_, &id): &(usize, &usize)| {
                    (first..first + piece).contains(&id) && Some(id) != self.padding_index
                };
                // The ids of each row together, so that a row is summed in f64 however often it comes.
                let mut found: Vec<(u32, u32)> = ids
                    .iter()
                    .enumerate()
                    .filter(here)
                    .map(|(at, &id)| ((id - first) as u32, at as u32))
                    .collect();
                found.sort_unstable();
                let mut total = vec![0.0; width];
                for same in found.chunk_by(|a, b| a.0 == b.0) {
                    total.fill(0.0);
                    for &(_, at) in same {
                        let grad = &grad[at as usize * width..][..width];
                        for (total, grad) in total.iter_mut().zip(grad) {
                            *total += grad.as_f64();
                        }
                    }
                    let row = &mut out[same[0].0 as usize * width..][..width];
                    for (out, &total) in row.iter_mut().zip(&total) {
                        *out = <T as Real>::of(total);
                    }
                }
            });
        Ok([Some(out), None])
    }
}
