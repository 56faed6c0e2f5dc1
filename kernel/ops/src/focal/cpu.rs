//! The kernels of the CPU.

use candle_core::{Result, Shape};

use crate::{
    op::{Op, Operand},
    real::Real,
    simd::{fill, simd_kernel},
};

pub(super) struct Focal {
    pub(super) gamma: f64,
}

impl Op<1> for Focal {
    fn name(&self) -> &'static str {
        "focal"
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let shape = x.shape().clone();
        let x = x.values::<T>()?;
        let y = fill(x.len(), 1, 1, |range, y| {
            if self.gamma == 2.0 {
                forward::<T, Square>(&x[range], y, 0.0);
            } else {
                forward::<T, Power>(&x[range], y, self.gamma);
            }
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
            if self.gamma == 2.0 {
                backward::<T, Square>(x, grad, out, 0.0);
            } else {
                backward::<T, Power>(x, grad, out, self.gamma);
            }
        });
        Ok([Some(out)])
    }
}

/// miss^γ, and that over miss.
trait Exponent {
    fn powers<T: Real>(miss: T, gamma: f64) -> (T, T);
}

/// γ = 2, the usual case, without logarithms.
struct Square;

impl Exponent for Square {
    #[inline(always)]
    fn powers<T: Real>(miss: T, _: f64) -> (T, T) {
        (miss * miss, T::of(2.0) * miss)
    }
}

struct Power;

impl Exponent for Power {
    /// The second is γ miss^(γ - 1), and 0 at 0.
    #[inline(always)]
    fn powers<T: Real>(miss: T, gamma: f64) -> (T, T) {
        if miss > T::ZERO {
            let power = (T::of(gamma) * miss.ln()).exp();
            (power, T::of(gamma) * power / miss)
        } else {
            (T::ZERO, T::ZERO)
        }
    }
}

simd_kernel! {
    fn forward['a, T: Real, E: Exponent](x: &'a [T], y: &'a mut [T], gamma: f64) -> () {
        for (y, &x) in y.iter_mut().zip(x) {
            let miss = T::ONE - (T::ZERO - x).exp();
            *y = E::powers(miss, gamma).0 * x;
        }
    }
}

simd_kernel! {
    fn backward['a, T: Real, E: Exponent](x: &'a [T], grad: &'a [T], out: &'a mut [T], gamma: f64) -> () {
        for ((out, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
            let hit = (T::ZERO - x).exp();
            let (power, slope) = E::powers(T::ONE - hit, gamma);
            *out = (power + slope * hit * x) * grad;
        }
    }
}
