//! Binary cross entropy of logits.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    Reduction, composed,
    real::Real,
    reduce_kernel::sums,
    simd::{fill, simd_kernel},
    storage::{by_dtype, output, read, same_dtype, tensor, values, widened},
};

/// The settings of [`binary_cross_entropy_with_logits_with`].
#[derive(Clone, Debug, Default)]
pub struct BinaryCrossEntropy {
    /// A factor for each element, of a shape that broadcasts to the logits'.
    pub weight: Option<Tensor>,
    /// A factor for the positive part of each element, of a shape that broadcasts to the logits'.
    pub pos_weight: Option<Tensor>,
    /// The mean is over all elements.
    pub reduction: Reduction,
}

/// The mean of -(y ln σ(x) + (1 - y) ln(1 - σ(x))).
///
/// # Errors
///
/// As [`binary_cross_entropy_with_logits_with`].
pub fn binary_cross_entropy_with_logits(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    binary_cross_entropy_with_logits_with(logits, target, &BinaryCrossEntropy::default())
}

/// weight · ((1 - y) softplus(x) + pos_weight · y · softplus(-x)): torch's `binary_cross_entropy_with_logits`.
///
/// `logits` and `target` have the same shape and dtype, any; targets are from 0 to 1 and get a gradient, too;
/// the weights get none. Logits of ±1e4 give the exact value (candle's own gives NaN). The result is a scalar,
/// or of the logits' shape for [`Reduction::None`].
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn binary_cross_entropy_with_logits_with(
    logits: &Tensor,
    target: &Tensor,
    settings: &BinaryCrossEntropy,
) -> Result<Tensor> {
    let op = "binary-cross-entropy";
    if logits.dims() != target.dims() {
        candle_core::bail!(
            "{op}: the target is {:?} and the logits are {:?}: they must have one shape",
            target.dims(),
            logits.dims()
        )
    }
    same_dtype(op, logits, "the target", target)?;
    if !logits.device().is_cpu() {
        return composed::binary_cross_entropy_with_logits(logits, target, settings);
    }
    let full = |weight: &Option<Tensor>| match weight {
        Some(weight) => Ok::<_, candle_core::Error>(Some(
            weight
                .detach()
                .to_dtype(candle_core::DType::F64)?
                .broadcast_as(logits.shape())?
                .flatten_all()?
                .to_vec1::<f64>()?,
        )),
        None => Ok(None),
    };
    let fused = Fused {
        weight: full(&settings.weight)?,
        pos_weight: full(&settings.pos_weight)?,
        reduction: settings.reduction,
    };
    widened(logits, |logits| {
        logits.apply_op2(&target.to_dtype(logits.dtype())?, fused)
    })
}

struct Fused {
    weight: Option<Vec<f64>>,
    pos_weight: Option<Vec<f64>>,
    reduction: Reduction,
}

impl CustomOp2 for Fused {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        target: &CpuStorage,
        target_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(logits.dtype(), self.name(), T => {
            let x = values::<T>(logits, logits_layout)?;
            let y = values::<T>(target, target_layout)?;
            let (weight, pos_weight) = self.weights::<T>();
            let losses = fill(x.len(), 1, 1, |range, out| {
                forward(&x[range.clone()], &y[range.clone()], part(&weight, &range), part(&pos_weight, &range), out);
            });
            let total = || sums(&losses, [1, losses.len(), 1])[0];
            Ok(match self.reduction {
                Reduction::None => output(losses, logits_layout.shape()),
                Reduction::Sum => output(vec![T::of(total())], ()),
                Reduction::Mean => output(vec![T::of(total() / losses.len() as f64)], ()),
            })
        })
    }

    fn bwd(
        &self,
        logits: &Tensor,
        target: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let target_tracked = target.track_op();
        by_dtype!(logits.dtype(), self.name(), T => {
            let shape = logits.shape();
            read!(x: T = logits, self.name());
            read!(y: T = target, self.name());
            read!(grad: T = grad, self.name());
            let grad: Vec<T> = match self.reduction {
                Reduction::None => grad.into_owned(),
                Reduction::Sum => vec![grad[0]; x.len()],
                Reduction::Mean => vec![T::of(grad[0].as_f64() / x.len() as f64); x.len()],
            };
            let (weight, pos_weight) = self.weights::<T>();
            let run = |to_target: bool| {
                let out = fill(x.len(), 1, 1, |range, out| {
                    let (weight, pos_weight) = (part(&weight, &range), part(&pos_weight, &range));
                    let (x, y, grad) = (&x[range.clone()], &y[range.clone()], &grad[range]);
                    if to_target {
                        target_gradient(x, weight, pos_weight, grad, out);
                    } else {
                        backward(x, y, weight, pos_weight, grad, out);
                    }
                });
                tensor(out, shape)
            };
            Ok((Some(run(false)?), target_tracked.then(|| run(true)).transpose()?))
        })
    }
}

impl Fused {
    fn weights<T: Real>(&self) -> (Vec<T>, Vec<T>) {
        let of = |weight: &Option<Vec<f64>>| weight.iter().flatten().map(|&w| T::of(w)).collect();
        (of(&self.weight), of(&self.pos_weight))
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
