//! The second half of a transformer's feed-forward: gelu and an affine map in one op.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    activation::{gelu_gradient_in_place, gelu_of},
    matmul::{Linear, fits_one_op, linear, linear_shape},
    storage::{by_dtype, output, read, tensor, values},
};

/// gelu(x) · weightᵀ + bias, with the values and gradients of [`super::gelu`] and [`linear`] in turn.
///
/// `x` is [..., in], `weight` [out, in], `bias` [out]. What gelu makes is computed again in the backward pass instead
/// of being kept for it: in a transformer it is one of the two largest tensors of a layer, and costs little to make.
///
/// # Errors
///
/// As [`linear`].
pub fn gelu_linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fits_one_op(x, weight, bias) {
        x.apply_op3(weight, bias, GeluLinear)
    } else {
        linear(&super::gelu(x)?, weight, Some(bias))
    }
}

struct GeluLinear;

impl CustomOp3 for GeluLinear {
    fn name(&self) -> &'static str {
        "gelu-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let (size, shape) = linear_shape(x_layout, weight_layout);
            let (x, weight) = (values::<T>(x, x_layout)?, values::<T>(weight, weight_layout)?);
            let bias = values::<T>(bias, bias_layout)?;
            Ok(output(Linear.forward::<T>(&gelu_of(&x), &weight, Some(&bias), size), shape))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let tracked = [x.track_op(), weight.track_op(), bias.track_op()];
        let (x_shape, weight_shape, bias_shape) = (x.shape(), weight.shape(), bias.shape());
        let outputs = weight.dims()[0];
        by_dtype!(x.dtype(), self.name(), T => {
            read!(x: T = x, self.name());
            read!(weight: T = weight, self.name());
            read!(grad: T = grad, self.name());
            // One after the other, so that what gelu makes is gone before the gradient of the same size comes.
            let [_, weight_grad, bias_grad] = if tracked[1] {
                Linear.gradients(&gelu_of(&x), &weight, outputs, [false, true, tracked[2]], &grad)
            } else {
                Linear.gradients(&x, &weight, outputs, [false, false, tracked[2]], &grad)
            };
            let [active_grad, _, _] =
                Linear.gradients(&x, &weight, outputs, [tracked[0], false, false], &grad);
            let x_grad = active_grad.map(|mut grad| {
                gelu_gradient_in_place(&x, &mut grad);
                grad
            });
            let (x, weight, bias) = (x_grad, weight_grad, bias_grad);
            Ok((
                x.map(|values| tensor(values, x_shape)).transpose()?,
                weight.map(|values| tensor(values, weight_shape)).transpose()?,
                bias.map(|values| tensor(values, bias_shape)).transpose()?,
            ))
        })
    }
}
