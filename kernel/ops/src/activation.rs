//! Activation functions: gelu, relu, silu, sigmoid.
//!
//! Formulas and subgradients are those of `torch.nn.functional`.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{
    composed,
    real::Real,
    simd::{fill, simd_kernel},
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// x Φ(x), with Φ the standard normal's distribution function (Hendrycks and Gimpel, 2016). Any shape.
///
/// The tail is exact where `0.5 x (1 + erf(x / sqrt(2)))`, as other libraries have it, cancels.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    Activation::Gelu.apply(x)
}

/// gelu with Φ(x) taken as σ(2 sqrt(2/π) (x + 0.044715 x³)): torch's `approximate="tanh"`. Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    Activation::GeluTanh.apply(x)
}

/// max(x, 0). The gradient at 0 is 0, as in PyTorch (candle's own has 1). Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    Activation::Relu.apply(x)
}

/// x σ(x), also called swish. Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    Activation::Silu.apply(x)
}

/// 1 / (1 + exp(-x)). Any shape.
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Activation::Sigmoid.apply(x)
}

/// In the order of the numbers in `cuda/activation.cu`.
#[derive(Clone, Copy)]
enum Activation {
    Gelu,
    GeluTanh,
    Relu,
    Silu,
    Sigmoid,
}

impl Activation {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cpu() {
            return widened(x, |x| x.apply_op1(self));
        }
        #[cfg(feature = "cuda")]
        if super::cuda::has_kernels_for(x) {
            return x.contiguous()?.apply_op1(self);
        }
        match self {
            Activation::Gelu => x.gelu_erf(),
            Activation::GeluTanh => x.gelu(),
            Activation::Relu => composed::relu(x),
            Activation::Silu => composed::silu(x),
            Activation::Sigmoid => composed::sigmoid(x),
        }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        match self {
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu-tanh",
            Activation::Relu => "relu",
            Activation::Silu => "silu",
            Activation::Sigmoid => "sigmoid",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let y = fill(x.len(), 1, 1, |range, y| match self {
                Activation::Gelu => forward::<T, Gelu>(&x[range], y),
                Activation::GeluTanh => forward::<T, GeluTanh>(&x[range], y),
                Activation::Relu => forward::<T, Relu>(&x[range], y),
                Activation::Silu => forward::<T, Silu>(&x[range], y),
                Activation::Sigmoid => forward::<T, Sigmoid>(&x[range], y),
            });
            Ok(output(y, layout.shape()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::activation::forward(self.name(), *self as i32, storage, layout)
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if !x.device().is_cpu() {
            return super::cuda::activation::backward(self.name(), *self as i32, x, grad).map(Some);
        }
        by_dtype!(x.dtype(), self.name(), T => {
            let shape = x.shape();
            read!(x: T = x, self.name());
            read!(grad: T = grad, self.name());
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
            Ok(Some(tensor(out, shape)?))
        })
    }
}

/// gelu of all values.
pub(super) fn gelu_of<T: Real>(x: &[T]) -> Vec<T> {
    fill(x.len(), 1, 1, |range, y| forward::<T, Gelu>(&x[range], y))
}

/// The slope of gelu at each value, times the gradient there.
pub(super) fn gelu_gradient<T: Real>(x: &[T], grad: &[T]) -> Vec<T> {
    fill(x.len(), 1, 1, |range, out| {
        backward::<T, Gelu>(&x[range.clone()], &grad[range], out);
    })
}

/// As [`gelu_gradient`], in the place of the gradient.
pub(super) fn gelu_gradient_in_place<T: Real>(x: &[T], grad: &mut [T]) {
    const PIECE: usize = 4096;
    grad.par_chunks_mut(PIECE)
        .zip(x.par_chunks(PIECE))
        .for_each(|(grad, x)| {
            let mut out = vec![T::ZERO; x.len()];
            backward::<T, Gelu>(x, grad, &mut out);
            grad.copy_from_slice(&out);
        });
}

/// A function of one number, and its derivative.
pub(super) trait Function {
    fn value<T: Real>(x: T) -> T;
    fn slope<T: Real>(x: T) -> T;
}

simd_kernel! {
    fn forward['a, T: Real, F: Function](x: &'a [T], y: &'a mut [T]) -> () {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = F::value(x);
        }
    }
}

simd_kernel! {
    fn backward['a, T: Real, F: Function](x: &'a [T], grad: &'a [T], out: &'a mut [T]) -> () {
        for ((out, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
            *out = F::slope(x) * grad;
        }
    }
}

struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        x * x.normal().0
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        let (below, density) = x.normal();
        below + x * density
    }
}

struct GeluTanh;

impl GeluTanh {
    /// 2 sqrt(2/π), and that times 0.044715.
    const LINEAR: f64 = 1.595_769_121_605_730_8;
    const CUBIC: f64 = 0.071_354_816_272_600_25;
}

impl Function for GeluTanh {
    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        x * (x * (T::of(Self::LINEAR) + T::of(Self::CUBIC) * x * x)).sigmoid()
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        let s = (x * (T::of(Self::LINEAR) + T::of(Self::CUBIC) * x * x)).sigmoid();
        let inner = T::of(Self::LINEAR) + T::of(3.0 * Self::CUBIC) * x * x;
        s + x * s * (T::ONE - s) * inner
    }
}

pub(super) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        // Written so that what is not a number stays so.
        if x < T::ZERO { T::ZERO } else { x }
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        if x > T::ZERO { T::ONE } else { T::ZERO }
    }
}

struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        x * x.sigmoid()
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        let s = x.sigmoid();
        s + x * s * (T::ONE - s)
    }
}

struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        x.sigmoid()
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        let s = x.sigmoid();
        s * (T::ONE - s)
    }
}
