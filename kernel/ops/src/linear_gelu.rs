//! The first half of a transformer's feed-forward: an affine map and gelu in one op.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    activation::{gelu_gradient, gelu_of},
    matmul::{Linear, fits_one_op, linear, linear_shape},
    storage::{by_dtype, output, read, values},
};

/// gelu(x · weightᵀ + bias), with the values and gradients of [`linear`] and [`super::gelu`] in turn.
///
/// `x` is [..., in], `weight` [out, in], `bias` [out]. The values between the two are kept inside of the op, so the
/// backward pass neither stores nor adds up a gradient for them: in a transformer they are the largest tensor.
///
/// # Errors
///
/// As [`linear`].
pub fn linear_gelu(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fits_one_op(x, weight, bias) {
        x.apply_op3(
            weight,
            bias,
            LinearGelu {
                hidden: OnceLock::new(),
            },
        )
    } else {
        super::gelu(&linear(x, weight, Some(bias))?)
    }
}

struct LinearGelu {
    /// The values before gelu, for the backward pass.
    hidden: OnceLock<CpuStorage>,
}

impl CustomOp3 for LinearGelu {
    fn name(&self) -> &'static str {
        "linear-gelu"
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
            let hidden = Linear.forward::<T>(&x, &weight, Some(&bias), size);
            let y = gelu_of(&hidden);
            // The pass runs once for each op, so the cell is empty.
            let _ = self.hidden.set(output(hidden, ()).0);
            Ok(output(y, shape))
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
        let Some(hidden) = self.hidden.get() else {
            candle_core::bail!("linear-gelu: the backward pass ran before the forward pass")
        };
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            let inner = gelu_gradient(hidden.as_slice::<T>()?, &grad);
            let [x, weight, bias] = Linear.backward::<T>(x, weight, Some(bias), &inner)?;
            Ok((x, weight, bias))
        })
    }
}
