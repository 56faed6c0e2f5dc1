//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    patches::{Geometry, sums_of_planes},
    real::Real,
};

pub(super) struct Convolution(pub(super) Geometry);

impl Op<3> for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let Geometry {
            batch,
            outputs,
            size,
            ..
        } = self.0;
        let y = self
            .0
            .forward::<T>(&x.values()?, &weight.values()?, &bias.values()?);
        Ok((y, Shape::from((batch, outputs, size.0, size.1))))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let grad = grad.values::<T>()?;
        let (to_x, to_weight) = (x.is_tracked(), weight.is_tracked());
        let (x_grad, weight_grad) =
            self.0
                .backward::<T>(&x.values()?, &weight.values()?, &grad, to_x, to_weight);
        let bias_grad = || sums_of_planes::<T>(&grad, self.0.pixels(), self.0.outputs);
        Ok([
            to_x.then_some(x_grad),
            to_weight.then_some(weight_grad),
            bias.is_tracked().then(bias_grad),
        ])
    }
}
