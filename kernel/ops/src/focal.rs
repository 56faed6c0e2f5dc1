//! The factor of the focal loss, on cross entropies.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    composed,
    real::Real,
    simd::{fill, simd_kernel},
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// (1 - exp(-c))^γ c of cross entropies c = -ln p, softmax's or a sigmoid's: the focal loss -(1 - p)^γ ln p (Lin et
/// al., 2017, equation 4). Any shape; values from 0. The slope at 0 is 0 for γ > 0.
///
/// # Errors
///
/// Fails for integer dtypes, and where γ is below 0 or not finite.
pub fn focal(cross_entropy: &Tensor, gamma: f64) -> Result<Tensor> {
    if !(gamma.is_finite() && gamma >= 0.0) {
        candle_core::bail!("focal: gamma is {gamma}: must be at least 0")
    }
    if gamma == 0.0 {
        return Ok(cross_entropy.clone());
    }
    if !cross_entropy.device().is_cpu() {
        return composed::focal(cross_entropy, gamma);
    }
    widened(cross_entropy, |x| x.apply_op1(Focal { gamma }))
}

struct Focal {
    gamma: f64,
}

impl CustomOp1 for Focal {
    fn name(&self) -> &'static str {
        "focal"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let y = fill(x.len(), 1, 1, |range, y| {
                if self.gamma == 2.0 {
                    forward::<T, Square>(&x[range], y, 0.0);
                } else {
                    forward::<T, Power>(&x[range], y, self.gamma);
                }
            });
            Ok(output(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            let shape = x.shape();
            read!(x: T = x, self.name());
            read!(grad: T = grad, self.name());
            let out = fill(x.len(), 1, 1, |range, out| {
                let (x, grad) = (&x[range.clone()], &grad[range]);
                if self.gamma == 2.0 {
                    backward::<T, Square>(x, grad, out, 0.0);
                } else {
                    backward::<T, Power>(x, grad, out, self.gamma);
                }
            });
            Ok(Some(tensor(out, shape)?))
        })
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
