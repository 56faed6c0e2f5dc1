//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    affine,
    functions::{gelu_gradient_in_place, gelu_of},
    op::{Op, Operand},
    real::Real,
};

pub(super) struct GeluLinear;

impl Op<3> for GeluLinear {
    fn name(&self) -> &'static str {
        "gelu-linear"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let (size, shape) = affine::linear_shape(x.layout(), weight.layout());
        let (weight, bias) = (weight.values::<T>()?, bias.values::<T>()?);
        let y = affine::of_values(&gelu_of(&x.values::<T>()?), &weight, Some(&bias), size);
        Ok((y, Shape::from(shape)))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let tracked = [x.is_tracked(), weight.is_tracked(), bias.is_tracked()];
        let outputs = weight.dims()[0];
        let (x, weight, grad) = (x.values::<T>()?, weight.values::<T>()?, grad.values::<T>()?);
        // One after the other, so that what gelu makes is gone before the gradient of the same size comes.
        let [_, weight_grad, bias_grad] = if tracked[1] {
            let active = gelu_of(&x);
            affine::gradients(&active, &weight, outputs, [false, true, tracked[2]], &grad)
        } else {
            affine::gradients(&x, &weight, outputs, [false, false, tracked[2]], &grad)
        };
        let [active_grad, _, _] =
            affine::gradients(&x, &weight, outputs, [tracked[0], false, false], &grad);
        let x_grad = active_grad.map(|mut grad| {
            gelu_gradient_in_place(&x, &mut grad);
            grad
        });
        Ok([x_grad, weight_grad, bias_grad])
    }
}
