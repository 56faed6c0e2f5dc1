//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
};

#[derive(Clone, Copy)]
pub(super) struct Kth {
    pub(super) k: usize,
    pub(super) n: usize,
}

impl Kth {
    /// Of the result, for an input of these dimensions.
    pub(super) fn shape(self, dims: &[usize]) -> Shape {
        let mut dims = dims.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = 1;
        }
        Shape::from(dims)
    }
}

impl Op<1> for Kth {
    fn name(&self) -> &'static str {
        "kth-largest"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let values = x.values::<T>()?;
        let found = values.chunks_exact(self.n).map(|row| {
            let mut row = row.to_vec();
            let largest_first = |a: &T, b: &T| b.as_f64().total_cmp(&a.as_f64());
            *row.select_nth_unstable_by(self.k - 1, largest_first).1
        });
        Ok((found.collect(), self.shape(x.dims())))
    }
}
