//! From an index tensor's elements to places in the tensor that it points into.

use candle_core::{CpuStorage, Layout, Result, Tensor};

use crate::{dims::dimension, indices::indices, real::Real, rows::RUN};

/// From an index tensor's elements to places in the tensor that it points into.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) op: &'static str,
    pub(super) dim: usize,
    shape: Vec<usize>,
    index_shape: Vec<usize>,
}

impl Walk {
    pub(super) fn new(op: &'static str, x: &Tensor, dim: i64, index: &Tensor) -> Result<Walk> {
        let dim = dimension(x, dim, op)?;
        let (shape, index_shape) = (x.dims().to_vec(), index.dims().to_vec());
        let fits = shape.len() == index_shape.len()
            && shape
                .iter()
                .zip(&index_shape)
                .enumerate()
                .all(|(i, (x, index))| i == dim || index <= x);
        if !fits {
            candle_core::bail!(
                "{op}: the index is {index_shape:?} and the input {shape:?}: must have one rank, and the index be no \
                 longer than the input in dimensions other than {dim}"
            )
        }
        Ok(Walk {
            op,
            dim,
            shape,
            index_shape,
        })
    }

    /// The place that each element of the index names, row-major.
    pub(super) fn places(&self, storage: &CpuStorage, layout: &Layout) -> Result<Vec<usize>> {
        let mut places = indices(self.op, storage, layout, self.shape[self.dim])?;
        let layout_of_x = Layout::contiguous(&self.shape[..]);
        let strides = layout_of_x.stride();
        let mut at = vec![0; self.index_shape.len()];
        for place in &mut places {
            *place = at
                .iter()
                .zip(strides)
                .enumerate()
                .map(|(i, (at, stride))| {
                    if i == self.dim {
                        *place * stride
                    } else {
                        at * stride
                    }
                })
                .sum();
            for (at, &length) in at.iter_mut().zip(&self.index_shape).rev() {
                *at += 1;
                if *at < length {
                    break;
                }
                *at = 0;
            }
        }
        Ok(places)
    }

    /// Adds values to the places of `out`.
    pub(super) fn add<T: Real>(&self, places: &[usize], values: &[T], out: &mut [T]) {
        // No place is named more often than the index is long.
        if self.index_shape[self.dim] <= RUN {
            for (&place, &value) in places.iter().zip(values) {
                out[place] += value;
            }
            return;
        }
        let mut wide: Vec<f64> = out.iter().map(|value| value.as_f64()).collect();
        for (&place, value) in places.iter().zip(values) {
            wide[place] += value.as_f64();
        }
        for (out, wide) in out.iter_mut().zip(wide) {
            *out = T::of(wide);
        }
    }
}
