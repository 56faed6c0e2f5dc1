//! Functions of one number with their derivatives: activations, by themselves and within other ops.

use rayon::prelude::*;

use crate::{
    real::Real,
    simd::{fill, simd_kernel},
};

/// gelu of all values.
pub(crate) fn gelu_of<T: Real>(x: &[T]) -> Vec<T> {
    fill(x.len(), 1, 1, |range, y| forward::<T, Gelu>(&x[range], y))
}

/// The slope of gelu at each value, times the gradient there.
pub(crate) fn gelu_gradient<T: Real>(x: &[T], grad: &[T]) -> Vec<T> {
    fill(x.len(), 1, 1, |range, out| {
        backward::<T, Gelu>(&x[range.clone()], &grad[range], out);
    })
}

/// As [`gelu_gradient`], in the place of the gradient.
pub(crate) fn gelu_gradient_in_place<T: Real>(x: &[T], grad: &mut [T]) {
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
pub(crate) trait Function {
    fn value<T: Real>(x: T) -> T;
    fn slope<T: Real>(x: T) -> T;
}

simd_kernel! {
    pub(crate) fn forward['a, T: Real, F: Function](x: &'a [T], y: &'a mut [T]) -> () {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = F::value(x);
        }
    }
}

simd_kernel! {
    pub(crate) fn backward['a, T: Real, F: Function](x: &'a [T], grad: &'a [T], out: &'a mut [T]) -> () {
        for ((out, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
            *out = F::slope(x) * grad;
        }
    }
}

pub(crate) struct Gelu;

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

pub(crate) struct GeluTanh;

impl GeluTanh {
    /// 2 sqrt(2/π), and that times 0.044715.
    pub(crate) const LINEAR: f64 = 1.595_769_121_605_730_8;
    pub(crate) const CUBIC: f64 = 0.071_354_816_272_600_25;
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

pub(crate) struct Relu;

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

pub(crate) struct Silu;

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

pub(crate) struct Sigmoid;

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
