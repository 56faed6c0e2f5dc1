//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
    storage::strided,
};

pub(super) struct MaskedFill {
    pub(super) value: f64,
}

fn replaced<T: Real>(x: &[T], mask: &[u8], value: T) -> Vec<T> {
    x.iter()
        .zip(mask)
        .map(|(&x, &mask)| if mask == 0 { x } else { value })
        .collect()
}

impl Op<2> for MaskedFill {
    fn name(&self) -> &'static str {
        "masked-fill"
    }

    fn forward<T: Real>(&self, [x, mask]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let mask = strided(mask.storage().as_slice::<u8>()?, mask.layout())?;
        let y = replaced(&x.values::<T>()?, &mask, T::of(self.value));
        Ok((y, x.shape().clone()))
    }

    fn backward<T: Real>(
        &self,
        [_, mask]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let mask = strided(mask.storage().as_slice::<u8>()?, mask.layout())?;
        Ok([
            Some(replaced(&grad.values::<T>()?, &mask, <T as Real>::ZERO)),
            None,
        ])
    }
}
