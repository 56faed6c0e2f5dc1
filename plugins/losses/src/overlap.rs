//! How much predicted and true regions overlap: what dice, Tversky and their kin are made of.

use patchbay::{
    candle_core::{CpuStorage, CustomOp1, Layout, Shape, WithDType, backend::BackendStorage},
    ops,
    plugin::prelude::*,
};

use crate::{
    binary::Binary,
    classes::{Classes, Target},
    focal::Activation,
};

/// Sums over the positions of each image and class.
pub struct Overlap {
    /// `sum p t`, `[groups, classes]`.
    pub intersection: Tensor,
    /// `sum p`, `[groups, classes]`.
    pub prediction: Tensor,
    /// `sum t`, `[groups, classes]`; no gradient.
    pub target: Tensor,
}

/// Probabilities of logits `[batch, classes, ...]`, and how they overlap with the target. `per_image`: a group for
/// each image; otherwise one group of all images. Ignored positions are in no sum.
///
/// # Errors
///
/// As [`Classes::new`].
pub fn overlap(
    logits: &Tensor,
    target: &Tensor,
    activation: Activation,
    ignore_index: Option<i64>,
    per_image: bool,
) -> Result<Overlap> {
    let (probabilities, truth) = match activation {
        Activation::Softmax => {
            let classes = Classes::new(logits, target, ignore_index)?;
            let truth = match classes.target {
                Target::Index(indices) => Truth::Classes(indices.classes),
                Target::Probabilities(target) => Truth::values(&target, None)?,
            };
            (ops::softmax_dim(&classes.logits, 1)?, truth)
        }
        Activation::Sigmoid => {
            if logits.rank() < 2 {
                bail!(
                    "expected logits [batch, classes] or [batch, classes, height, width], got {:?}",
                    logits.dims()
                );
            }
            let binary = Binary::new(logits, target, ignore_index)?;
            (
                ops::sigmoid(&binary.logits)?,
                Truth::values(&binary.target, binary.mask.as_ref())?,
            )
        }
    };
    let (batch, classes) = (probabilities.dim(0)?, probabilities.dim(1)?);
    let inner = probabilities.dims()[2..].iter().product();
    let sums = Sums {
        truth,
        classes,
        inner,
    };
    let true_sums = Tensor::from_vec(sums.true_sums(batch), (batch, classes), &Device::Cpu)?
        .to_device(probabilities.device())?
        .to_dtype(probabilities.dtype())?;
    let predicted = if probabilities.device().is_cpu() {
        probabilities.contiguous()?.apply_op1(sums)?
    } else {
        sums.composed(&probabilities)?
    };
    let group = |sums: Tensor| {
        if per_image {
            Ok(sums)
        } else {
            sums.sum_keepdim(0)
        }
    };
    Ok(Overlap {
        intersection: group(predicted.get(0)?)?,
        prediction: group(predicted.get(1)?)?,
        target: group(true_sums)?,
    })
}

/// The target of each position, on the host.
enum Truth {
    /// `[batch, ...]`; `None` where it is ignored.
    Classes(Vec<Option<u32>>),
    /// `[batch, classes, ...]`: the target, and 1 where it counts.
    Values(Vec<f32>, Option<Vec<f32>>),
}

impl Truth {
    fn values(target: &Tensor, mask: Option<&Tensor>) -> Result<Self> {
        let read = |tensor: &Tensor| {
            tensor
                .detach()
                .to_dtype(DType::F32)?
                .flatten_all()?
                .to_vec1::<f32>()
        };
        Ok(Truth::Values(read(target)?, mask.map(read).transpose()?))
    }
}

/// Probabilities `[batch, classes, ...]` to `[2, batch, classes]`: the sums of p t and of p.
struct Sums {
    truth: Truth,
    classes: usize,
    /// How many positions an image has.
    inner: usize,
}

impl Sums {
    fn true_sums(&self, batch: usize) -> Vec<f64> {
        let mut sums = vec![0.0; batch * self.classes];
        match &self.truth {
            Truth::Classes(classes) => {
                for (position, class) in classes.iter().enumerate() {
                    if let Some(class) = class {
                        sums[position / self.inner.max(1) * self.classes + *class as usize] += 1.0;
                    }
                }
            }
            Truth::Values(values, _) => {
                for (sum, values) in sums.iter_mut().zip(values.chunks(self.inner.max(1))) {
                    *sum = values.iter().map(|&value| f64::from(value)).sum();
                }
            }
        }
        sums
    }

    fn forward<T: WithDType>(&self, probabilities: &[T]) -> Vec<T> {
        let slabs = probabilities.len() / self.inner.max(1);
        let mut sums = vec![T::from_f64(0.0); 2 * slabs];
        for (slab, p) in probabilities.chunks(self.inner.max(1)).enumerate() {
            let (intersection, total) = match &self.truth {
                Truth::Classes(classes) => {
                    let first = slab / self.classes * self.inner;
                    let class = (slab % self.classes) as u32;
                    add_up(p, &classes[first..first + self.inner], |&truth| {
                        (truth == Some(class), truth.is_some())
                    })
                }
                Truth::Values(values, None) => {
                    let truth = &values[slab * self.inner..][..self.inner];
                    weigh(p, truth.iter().map(|&truth| (truth, 1.0)))
                }
                Truth::Values(values, Some(mask)) => {
                    let range = slab * self.inner..(slab + 1) * self.inner;
                    let mask = mask[range.clone()].iter().copied();
                    weigh(p, values[range].iter().copied().zip(mask))
                }
            };
            sums[slab] = T::from_f64(intersection);
            sums[slabs + slab] = T::from_f64(total);
        }
        sums
    }

    fn backward<T: WithDType>(&self, count: usize, grad: &[T]) -> Vec<T> {
        let slabs = count / self.inner.max(1);
        let mut out = Vec::with_capacity(count);
        let zero = T::from_f64(0.0);
        for slab in 0..slabs {
            let (to_intersection, to_total) = (grad[slab], grad[slabs + slab]);
            let both = to_intersection + to_total;
            let range = slab * self.inner..(slab + 1) * self.inner;
            match &self.truth {
                Truth::Classes(classes) => {
                    let first = slab / self.classes * self.inner;
                    let class = (slab % self.classes) as u32;
                    out.extend(classes[first..first + self.inner].iter().map(
                        |&truth| match truth {
                            Some(truth) if truth == class => both,
                            Some(_) => to_total,
                            None => zero,
                        },
                    ));
                }
                Truth::Values(values, mask) => {
                    out.extend(range.map(|at| {
                        let counts = mask.as_ref().map_or(1.0, |mask| mask[at]);
                        to_intersection * T::from_f64(f64::from(values[at]))
                            + to_total * T::from_f64(f64::from(counts))
                    }));
                }
            }
        }
        out
    }

    /// The same from tensor operations, for other devices.
    fn composed(&self, probabilities: &Tensor) -> Result<Tensor> {
        let constant = |values: Vec<f32>| {
            Tensor::from_vec(values, probabilities.shape(), probabilities.device())?
                .to_dtype(probabilities.dtype())
        };
        let at = |position: usize| {
            position / (self.classes * self.inner) * self.inner + position % self.inner
        };
        let class = |position: usize| (position / self.inner % self.classes) as u32;
        let count = probabilities.elem_count();
        let (truth, mask) = match &self.truth {
            Truth::Classes(classes) => (
                (0..count)
                    .map(|i| f32::from(u8::from(classes[at(i)] == Some(class(i)))))
                    .collect(),
                Some(
                    (0..count)
                        .map(|i| f32::from(u8::from(classes[at(i)].is_some())))
                        .collect(),
                ),
            ),
            Truth::Values(values, mask) => (values.clone(), mask.clone()),
        };
        let sum = |values: Tensor| {
            values
                .flatten_from(1)?
                .reshape((values.dim(0)?, self.classes, ()))?
                .sum(2)
        };
        let intersection = sum((probabilities * constant(truth)?)?)?;
        let total = match mask {
            Some(mask) => sum((probabilities * constant(mask)?)?)?,
            None => sum(probabilities.clone())?,
        };
        Tensor::stack(&[intersection, total], 0)
    }
}

/// The sums of `p` where the first and where the second answer is yes, in four lanes that the compiler vectorises.
fn add_up<T: WithDType>(
    p: &[T],
    truth: &[Option<u32>],
    answers: impl Fn(&Option<u32>) -> (bool, bool),
) -> (f64, f64) {
    let mut first = [0.0; 4];
    let mut second = [0.0; 4];
    for (p, truth) in p.chunks(4).zip(truth.chunks(4)) {
        for (lane, (p, truth)) in p.iter().zip(truth).enumerate() {
            let (yes, counts) = answers(truth);
            let p = p.to_f64();
            first[lane] += if yes { p } else { 0.0 };
            second[lane] += if counts { p } else { 0.0 };
        }
    }
    (first.iter().sum(), second.iter().sum())
}

/// The sums of `p` times the first and times the second number.
fn weigh<T: WithDType>(p: &[T], truth: impl Iterator<Item = (f32, f32)>) -> (f64, f64) {
    p.iter()
        .zip(truth)
        .fold((0.0, 0.0), |(first, second), (p, (t, m))| {
            let p = p.to_f64();
            (first + p * f64::from(t), second + p * f64::from(m))
        })
}

impl CustomOp1 for Sums {
    fn name(&self) -> &'static str {
        "overlap"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!(
                "overlap: the probabilities {:?} are not contiguous",
                layout.dims()
            );
        };
        let shape = Shape::from((2, layout.dims()[0], self.classes));
        Ok(match storage {
            CpuStorage::F32(p) => (CpuStorage::F32(self.forward(&p[start..end])), shape),
            CpuStorage::F64(p) => (CpuStorage::F64(self.forward(&p[start..end])), shape),
            other => bail!(
                "overlap: expected f32 or f64, got {}",
                other.dtype().as_str()
            ),
        })
    }

    fn bwd(&self, probabilities: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let count = probabilities.elem_count();
        let (shape, device) = (probabilities.shape(), probabilities.device());
        let grad = grad.flatten_all()?;
        Ok(Some(match probabilities.dtype() {
            DType::F64 => {
                Tensor::from_vec(self.backward(count, &grad.to_vec1::<f64>()?), shape, device)?
            }
            _ => Tensor::from_vec(self.backward(count, &grad.to_vec1::<f32>()?), shape, device)?,
        }))
    }
}
