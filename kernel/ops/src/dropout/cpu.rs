//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    drop_mask::{Chance, drop_blocks},
    op::{Op, Operand},
    random::{BLOCK, Stream},
    real::Real,
    simd::fill,
};

pub(super) struct Dropout {
    pub(super) chance: Chance,
    pub(super) stream: Stream,
}

impl Dropout {
    fn masked<T: Real>(&self, x: &[T]) -> Vec<T> {
        let whole = x.len() / BLOCK;
        let (last_x, last_y) = (&x[whole * BLOCK..], &mut [T::ZERO; BLOCK]);
        let mut padded = [T::ZERO; BLOCK];
        padded[..last_x.len()].copy_from_slice(last_x);
        drop_blocks(&padded, last_y, self.stream, whole as u64, self.chance);
        let mut y = fill(whole, BLOCK, 4 * BLOCK, |range, y| {
            let x = &x[range.start * BLOCK..range.end * BLOCK];
            drop_blocks(x, y, self.stream, range.start as u64, self.chance);
        });
        y.extend_from_slice(&last_y[..last_x.len()]);
        y
    }
}

impl Op<1> for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        Ok((self.masked::<T>(&x.values()?), x.shape().clone()))
    }

    fn backward<T: Real>(
        &self,
        _: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(self.masked::<T>(&grad.values()?))])
    }
}
