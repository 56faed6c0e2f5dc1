//! The kernels of the CPU.

use candle_core::{DType, Result, Shape, Tensor};

use super::settings::BinaryCrossEntropy;
use crate::{
    Reduction,
    op::{Op, Operand},
    real::Real,
    reduce_kernel::sums,
    simd::{fill, simd_kernel},
};

pub(super) struct Fused {
    weight: Option<Vec<f64>>,
    pos_weight: Option<Vec<f64>>,
    reduction: Reduction,
}

impl Fused {
    pub(super) fn new(shape: &Shape, settings: &BinaryCrossEntropy) -> Result<Fused> {
        let full = |weight: &Option<Tensor>| -> Result<_> {
            let Some(weight) = weight else {
                return Ok(None);
            };
            let weight = weight.detach().to_dtype(DType::F64)?.broadcast_as(shape)?;
            Ok(Some(weight.flatten_all()?.to_vec1::<f64>()?))
        };
        Ok(Fused {
            weight: full(&settings.weight)?,
            pos_weight: full(&settings.pos_weight)?,
            reduction: settings.reduction,
        })
    }

    fn weights<T: Real>(&self) -> (Vec<T>, Vec<T>) {
        let of = |weight: &Option<Vec<f64>>| weight.iter().flatten().map(|&w| T::of(w)).collect();
        (of(&self.weight), of(&self.pos_weight))
    }
}

impl Op<2> for Fused {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn forward<T: Real>(&self, [logits, target]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let (x, y) = (logits.values::<T>()?, target.values::<T>()?);
        let (weight, pos_weight) = self.weights::<T>();
        let losses = fill(x.len(), 1, 1, |range, out| {
            forward(
                &x[range.clone()],
                &y[range.clone()],
                part(&weight, &range),
                part(&pos_weight, &range),
                out,
            );
        });
        let total = || sums(&losses, [1, losses.len(), 1])[0];
        Ok(match self.reduction {
            Reduction::None => (losses, logits.shape().clone()),
            Reduction::Sum => (vec![T::of(total())], Shape::from(())),
            Reduction::Mean => (vec![T::of(total() / losses.len() as f64)], Shape::from(())),
        })
    }

    fn backward<T: Real>(
        &self,
        [logits, target]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let (x, y, grad) = (
            logits.values::<T>()?,
            target.values::<T>()?,
            grad.values::<T>()?,
        );
        let grad: Vec<T> = match self.reduction {
            Reduction::None => grad.into_owned(),
            Reduction::Sum => vec![grad[0]; x.len()],
            Reduction::Mean => vec![T::of(grad[0].as_f64() / x.len() as f64); x.len()],
        };
        let (weight, pos_weight) = self.weights::<T>();
        let run = |to_target: bool| {
            fill(x.len(), 1, 1, |range, out| {
                let (weight, pos_weight) = (part(&weight, &range), part(&pos_weight, &range));
                let (x, y, grad) = (&x[range.clone()], &y[range.clone()], &grad[range]);
                if to_target {
                    target_gradient(x, weight, pos_weight, grad, out);
                } else {
                    backward(x, y, weight, pos_weight, grad, out);
                }
            })
        };
        Ok([Some(run(false)), target.is_tracked().then(|| run(true))])
    }
}

/// A part of the weights; empty where there are none.
fn part<'a, T>(weights: &'a [T], range: &std::ops::Range<usize>) -> &'a [T] {
    weights.get(range.clone()).unwrap_or(&[])
}

#[inline(always)]
fn or_one<T: Real>(weights: &[T], index: usize) -> T {
    if weights.is_empty() {
        T::ONE
    } else {
        weights[index]
    }
}

/// (1 - y) softplus(x) + positive · y · softplus(-x), from softplus(±x) = max(±x, 0) + softplus(-|x|). Nothing
/// cancels in these terms, as it does where (1 - y) x is taken out of the sum.
#[inline(always)]
fn loss<T: Real>(x: T, y: T, positive: T) -> T {
    let minus = T::ZERO - x;
    let (no, yes) = (T::ONE - y, positive * y);
    no * x.larger(T::ZERO) + yes * minus.larger(T::ZERO) + (no + yes) * x.smaller(minus).softplus()
}

/// (1 - y) σ(x) - positive · y · σ(-x), with both from exp(-|x|).
#[inline(always)]
fn slope<T: Real>(x: T, y: T, positive: T) -> T {
    let small = x.smaller(T::ZERO - x).exp();
    let near = T::ONE / (T::ONE + small);
    let far = small * near;
    let (up, down) = if x < T::ZERO {
        (far, near)
    } else {
        (near, far)
    };
    (T::ONE - y) * up - positive * y * down
}

simd_kernel! {
    fn forward['a, T: Real](
        x: &'a [T], y: &'a [T], weight: &'a [T], pos_weight: &'a [T], out: &'a mut [T],
    ) -> () {
        if weight.is_empty() && pos_weight.is_empty() {
            for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                *out = loss(x, y, T::ONE);
            }
        } else {
            for (i, ((out, &x), &y)) in out.iter_mut().zip(x).zip(y).enumerate() {
                *out = loss(x, y, or_one(pos_weight, i)) * or_one(weight, i);
            }
        }
    }
}

simd_kernel! {
    fn backward['a, T: Real](
        x: &'a [T], y: &'a [T], weight: &'a [T], pos_weight: &'a [T], grad: &'a [T], out: &'a mut [T],
    ) -> () {
        if weight.is_empty() && pos_weight.is_empty() {
            for (((out, &x), &y), &grad) in out.iter_mut().zip(x).zip(y).zip(grad) {
                *out = slope(x, y, T::ONE) * grad;
            }
        } else {
            for (i, ((out, &x), &y)) in out.iter_mut().zip(x).zip(y).enumerate() {
                *out = slope(x, y, or_one(pos_weight, i)) * or_one(weight, i) * grad[i];
            }
        }
    }
}

simd_kernel! {
    /// pos_weight · softplus(-x) - softplus(x).
    fn target_gradient['a, T: Real](
        x: &'a [T], weight: &'a [T], pos_weight: &'a [T], grad: &'a [T], out: &'a mut [T],
    ) -> () {
        for (i, (out, &x)) in out.iter_mut().zip(x).enumerate() {
            let slope = or_one(pos_weight, i) * (T::ZERO - x).softplus() - x.softplus();
            *out = slope * or_one(weight, i) * grad[i];
        }
    }
}
