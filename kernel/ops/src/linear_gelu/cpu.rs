//! The kernels of the CPU.

use std::sync::OnceLock;

use candle_core::{CpuStorage, Result, Shape};

use crate::{
    affine,
    functions::{gelu_gradient, gelu_of},
    op::{Op, Operand},
    real::Real,
};

#[derive(Default)]
pub(super) struct LinearGelu {
    /// The values before gelu, for the backward pass.
    hidden: OnceLock<CpuStorage>,
}

impl Op<3> for LinearGelu {
    fn name(&self) -> &'static str {
        "linear-gelu"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let (hidden, shape) = affine::forward::<T>(x, weight, Some(bias))?;
        let y = gelu_of(&hidden);
        // The pass runs once for each op, so the cell is empty.
        let _ = self.hidden.set(T::to_cpu_storage_owned(hidden));
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let Some(hidden) = self.hidden.get() else {
            candle_core::bail!("linear-gelu: the backward pass ran before the forward pass")
        };
        let inner = gelu_gradient(hidden.as_slice::<T>()?, &grad.values()?);
        affine::backward(x, weight, bias.is_tracked(), &inner)
    }
}
