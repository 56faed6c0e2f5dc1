//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    patches::{Geometry, sums_of_planes},
    real::Real,
};

/// By the convolution that takes the result to the input.
pub(super) struct Mirror(pub(super) Geometry);

impl Op<3> for Mirror {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let Geometry {
            batch,
            inputs,
            height,
            width,
            ..
        } = self.0;
        let bias = bias.values::<T>()?;
        let (mut y, _) = self
            .0
            .backward::<T>(&[], &weight.values()?, &x.values()?, true, false);
        for (index, plane) in y.chunks_exact_mut(height * width).enumerate() {
            for value in plane {
                *value += bias[index % inputs];
            }
        }
        Ok((y, Shape::from((batch, inputs, height, width))))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let tracked = [x.is_tracked(), weight.is_tracked(), bias.is_tracked()];
        let (x, weight, grad) = (x.values::<T>()?, weight.values::<T>()?, grad.values::<T>()?);
        let x_grad = tracked[0].then(|| {
            let no_bias = vec![<T as Real>::ZERO; self.0.outputs];
            self.0.forward::<T>(&grad, &weight, &no_bias)
        });
        let weight_grad =
            tracked[1].then(|| self.0.backward::<T>(&grad, &weight, &x, false, true).1);
        let bias_grad = tracked[2]
            .then(|| sums_of_planes::<T>(&grad, self.0.height * self.0.width, self.0.inputs));
        Ok([x_grad, weight_grad, bias_grad])
    }
}
