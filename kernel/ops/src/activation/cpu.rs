//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    functions::{Gelu, GeluTanh, Relu, Sigmoid, Silu, backward, forward},
    op::{Op, Operand},
    real::Real,
    simd::fill,
};

/// In the order of the numbers in `activation.cu`.
#[derive(Clone, Copy)]
pub(super) enum Activation {
    Gelu,
    GeluTanh,
    Relu,
    Silu,
    Sigmoid,
}

impl Activation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu-tanh",
            Activation::Relu => "relu",
            Activation::Silu => "silu",
            Activation::Sigmoid => "sigmoid",
        }
    }
}

impl Op<1> for Activation {
    fn name(&self) -> &'static str {
        Activation::name(*self)
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape().clone();
        let x = x.values::<T>()?;
        let y = fill(x.len(), 1, 1, |range, y| match self {
            Activation::Gelu => forward::<T, Gelu>(&x[range], y),
            Activation::GeluTanh => forward::<T, GeluTanh>(&x[range], y),
            Activation::Relu => forward::<T, Relu>(&x[range], y),
            Activation::Silu => forward::<T, Silu>(&x[range], y),
            Activation::Sigmoid => forward::<T, Sigmoid>(&x[range], y),
        });
        Ok((y, shape))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let (x, grad) = (x.values::<T>()?, grad.values::<T>()?);
        let out = fill(x.len(), 1, 1, |range, out| {
            let (x, grad) = (&x[range.clone()], &grad[range]);
            match self {
                Activation::Gelu => backward::<T, Gelu>(x, grad, out),
                Activation::GeluTanh => backward::<T, GeluTanh>(x, grad, out),
                Activation::Relu => backward::<T, Relu>(x, grad, out),
                Activation::Silu => backward::<T, Silu>(x, grad, out),
                Activation::Sigmoid => backward::<T, Sigmoid>(x, grad, out),
            }
        });
        Ok([Some(out)])
    }
}
