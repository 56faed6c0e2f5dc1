//! How much predicted and true regions overlap: what dice, Tversky and their kin are made of.

use std::sync::Once;

use patchbay::{
    candle_core::{CpuStorage, CustomOp1, Layout, Shape, WithDType, backend::BackendStorage},
    ops,
    plugin::prelude::*,
};

use crate::{
    binary::Binary,
    classes::{Classes, IGNORED, Target, histogram},
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

/// Says once in a process that a softmax over one class teaches nothing; the peers compute it without a word.
fn tell_of_one_class(logits: &Tensor) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        eprintln!(
            "the logits {:?} have one class, whose softmax is 1 whatever they are: the loss has no gradient. For one score a position \
             say {{\"activation\": \"sigmoid\"}}, with a target of the logits' shape",
            logits.dims()
        );
    });
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
            if classes.count == 1 {
                tell_of_one_class(logits);
            }
            let (logits, truth) = match classes.target {
                Target::Index(indices) => (
                    indices.without_ignored(&classes.logits)?,
                    Truth::Classes(indices.classes),
                ),
                Target::Probabilities(target) => (classes.logits, Truth::values(&target, None)?),
            };
            (ops::softmax_dim(&logits, 1)?, truth)
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
    let sums = Sums {
        truth,
        classes,
        groups: if per_image { batch } else { 1 },
        images: if per_image { 1 } else { batch },
        inner: probabilities.dims()[2..].iter().product(),
    };
    let true_sums = Tensor::from_vec(sums.true_sums(), (sums.groups, classes), &Device::Cpu)?
        .to_device(probabilities.device())?
        .to_dtype(probabilities.dtype())?;
    let predicted = if probabilities.device().is_cpu() {
        probabilities.contiguous()?.apply_op1(sums)?
    } else {
        sums.composed(&probabilities)?
    };
    Ok(Overlap {
        intersection: predicted.get(0)?,
        prediction: predicted.get(1)?,
        target: true_sums,
    })
}

/// The target of each position, on the host.
enum Truth {
    /// `[batch, ...]`; [`IGNORED`] where it does not count.
    Classes(Vec<u32>),
    /// `[batch, classes, ...]`: the target, and 1 where it counts.
    Values(Vec<f32>, Vec<f32>),
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
        let mask = match mask {
            Some(mask) => read(mask)?,
            None => vec![1.0; target.elem_count()],
        };
        Ok(Truth::Values(read(target)?, mask))
    }
}

/// Probabilities `[batch, classes, ...]` to `[2, groups, classes]`: the sums of p t and of p.
struct Sums {
    truth: Truth,
    classes: usize,
    groups: usize,
    /// How many images a group has.
    images: usize,
    /// How many positions an image has.
    inner: usize,
}

/// The sums of one group and class.
#[derive(Clone, Copy, Default)]
struct Pair {
    intersection: f64,
    prediction: f64,
}

/// How many partial sums are kept: the compiler keeps them in wide registers.
const LANES: usize = 16;

impl Sums {
    fn true_sums(&self) -> Vec<f64> {
        let mut sums = Vec::with_capacity(self.groups * self.classes);
        let image = self.inner * self.images;
        for group in 0..self.groups {
            match &self.truth {
                Truth::Classes(classes) => {
                    let seen = histogram(&classes[group * image..][..image], self.classes);
                    sums.extend(seen.into_iter().map(|count| count as f64));
                }
                Truth::Values(values, _) => {
                    let mut all = vec![0.0; self.classes];
                    let values = &values[group * image * self.classes..][..image * self.classes];
                    for (slab, values) in values.chunks(self.inner.max(1)).enumerate() {
                        all[slab % self.classes] +=
                            values.iter().map(|&value| f64::from(value)).sum::<f64>();
                    }
                    sums.extend(all);
                }
            }
        }
        sums
    }

    fn forward<T: WithDType>(&self, probabilities: &[T]) -> Vec<T> {
        let mut sums = vec![Pair::default(); self.groups * self.classes];
        match &self.truth {
            Truth::Classes(truth) if self.inner == 1 => {
                for (image, (row, &truth)) in
                    probabilities.chunks(self.classes).zip(truth).enumerate()
                {
                    if truth == IGNORED {
                        continue;
                    }
                    let sums = &mut sums[image / self.images * self.classes..][..self.classes];
                    for (sums, p) in sums.iter_mut().zip(row) {
                        sums.prediction += p.to_f64();
                    }
                    sums[truth as usize].intersection += row[truth as usize].to_f64();
                }
            }
            Truth::Classes(truth) => {
                for (slab, p) in probabilities.chunks(self.inner.max(1)).enumerate() {
                    let (image, class) = (slab / self.classes, slab % self.classes);
                    let truth = &truth[image * self.inner..][..self.inner];
                    let sums = &mut sums[image / self.images * self.classes + class];
                    add_class(p, truth, class as u32, sums);
                }
            }
            Truth::Values(truth, mask) => {
                for (slab, p) in probabilities.chunks(self.inner.max(1)).enumerate() {
                    let (image, class) = (slab / self.classes, slab % self.classes);
                    let sums = &mut sums[image / self.images * self.classes + class];
                    let at = slab * self.inner;
                    for ((p, &truth), &counts) in p.iter().zip(&truth[at..]).zip(&mask[at..]) {
                        let p = p.to_f64();
                        sums.intersection += p * f64::from(truth);
                        sums.prediction += p * f64::from(counts);
                    }
                }
            }
        }
        let intersections = sums.iter().map(|sums| T::from_f64(sums.intersection));
        let predictions = sums.iter().map(|sums| T::from_f64(sums.prediction));
        intersections.chain(predictions).collect()
    }

    fn backward<T: WithDType>(&self, count: usize, grad: &[T]) -> Vec<T> {
        let (to_intersection, to_prediction) = grad.split_at(self.groups * self.classes);
        let mut out = Vec::with_capacity(count);
        let zero = T::from_f64(0.0);
        match &self.truth {
            Truth::Classes(truth) if self.inner == 1 => {
                for (image, &truth) in truth.iter().enumerate() {
                    let first = image / self.images * self.classes;
                    let start = out.len();
                    if truth == IGNORED {
                        out.resize(start + self.classes, zero);
                    } else {
                        out.extend_from_slice(&to_prediction[first..first + self.classes]);
                        out[start + truth as usize] += to_intersection[first + truth as usize];
                    }
                }
            }
            Truth::Classes(truth) => {
                for slab in 0..count / self.inner.max(1) {
                    let (image, class) = (slab / self.classes, slab % self.classes);
                    let at = image / self.images * self.classes + class;
                    let (elsewhere, both) =
                        (to_prediction[at], to_prediction[at] + to_intersection[at]);
                    let truth = &truth[image * self.inner..][..self.inner];
                    out.extend(truth.iter().map(|&truth| {
                        let counted = if truth == class as u32 {
                            both
                        } else {
                            elsewhere
                        };
                        if truth == IGNORED { zero } else { counted }
                    }));
                }
            }
            Truth::Values(truth, mask) => {
                for slab in 0..count / self.inner.max(1) {
                    let (image, class) = (slab / self.classes, slab % self.classes);
                    let at = image / self.images * self.classes + class;
                    let range = slab * self.inner..(slab + 1) * self.inner;
                    out.extend(truth[range.clone()].iter().zip(&mask[range]).map(
                        |(&truth, &counts)| {
                            to_intersection[at] * T::from_f64(f64::from(truth))
                                + to_prediction[at] * T::from_f64(f64::from(counts))
                        },
                    ));
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
        let (truth, mask) = match &self.truth {
            Truth::Classes(classes) => {
                let of = |index: usize| {
                    let (slab, at) = (index / self.inner, index % self.inner);
                    let class = classes[slab / self.classes * self.inner + at];
                    (class, (slab % self.classes) as u32)
                };
                let number = |yes: bool| f32::from(u8::from(yes));
                let all = 0..probabilities.elem_count();
                (
                    all.clone()
                        .map(of)
                        .map(|(truth, class)| number(truth == class))
                        .collect(),
                    all.map(of)
                        .map(|(truth, _)| number(truth != IGNORED))
                        .collect(),
                )
            }
            Truth::Values(values, mask) => (values.clone(), mask.clone()),
        };
        let sum = |values: Tensor| {
            let shape = (self.groups, self.images, self.classes, self.inner);
            ops::sum(&values.reshape(shape)?, (1, 3))
        };
        let intersection = sum((probabilities * constant(truth)?)?)?;
        let prediction = sum((probabilities * constant(mask)?)?)?;
        Tensor::stack(&[intersection, prediction], 0)
    }
}

/// Adds the sums of one class in one image.
fn add_class<T: WithDType>(p: &[T], truth: &[u32], class: u32, sums: &mut Pair) {
    // Runs are short enough for partial sums in the values' own type to be exact to its last places.
    const RUN: usize = 64 * LANES;
    let zero = T::from_f64(0.0);
    for (p, truth) in p.chunks(RUN).zip(truth.chunks(RUN)) {
        let (mut intersection, mut prediction) = ([zero; LANES], [zero; LANES]);
        for (p, truth) in p.chunks(LANES).zip(truth.chunks(LANES)) {
            for (lane, (&p, &truth)) in p.iter().zip(truth).enumerate() {
                intersection[lane] += if truth == class { p } else { zero };
                prediction[lane] += if truth == IGNORED { zero } else { p };
            }
        }
        sums.intersection += intersection.iter().map(|p| p.to_f64()).sum::<f64>();
        sums.prediction += prediction.iter().map(|p| p.to_f64()).sum::<f64>();
    }
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
        let shape = Shape::from((2, self.groups, self.classes));
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
