//! Batches whose samples are mixed with others.

use candle_core::{DType, Device, Tensor, bail};
use patchbay_show::Result;

use super::BatchTransform;
use crate::{Batch, Rng};

/// Which tensors are mixed.
#[derive(Clone, Debug)]
struct Names {
    image: String,
    label: String,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            image: "image".to_owned(),
            label: "label".to_owned(),
        }
    }
}

/// Mixes each sample with another of its batch, and its label in the same proportion: torchvision's `MixUp` (Zhang et al., 2018). Labels become
/// shares `[batch, classes]` of f32, which `ops::cross_entropy` takes.
#[derive(Clone, Debug)]
pub struct MixUp {
    alpha: f64,
    classes: usize,
    names: Names,
}

impl MixUp {
    /// With proportions of the beta distribution whose parameters are `alpha`.
    pub fn new(alpha: f64, classes: usize) -> MixUp {
        MixUp {
            alpha,
            classes,
            names: Names::default(),
        }
    }

    /// The names of images and labels; without it `image` and `label`.
    pub fn names(mut self, image: &str, label: &str) -> MixUp {
        self.names = Names {
            image: image.to_owned(),
            label: label.to_owned(),
        };
        self
    }
}

impl BatchTransform for MixUp {
    fn apply(&self, batch: &mut Batch, rng: &mut Rng) -> Result<()> {
        let (images, shares) = begin("MixUp", self.alpha, self.classes, &self.names, batch)?;
        let share = rng.beta(self.alpha);
        let mixed = mix(&images, &others(&images)?, share)?;
        let labels = mix(&shares, &others(&shares)?, share)?;
        batch.set(&self.names.image, mixed);
        batch.set(&self.names.label, labels);
        Ok(())
    }
}

/// Puts a rectangle of another sample of the batch into each, and mixes labels by its area: torchvision's `CutMix` (Yun et al., 2019). Labels become
/// shares `[batch, classes]` of f32.
#[derive(Clone, Debug)]
pub struct CutMix {
    alpha: f64,
    classes: usize,
    names: Names,
}

impl CutMix {
    /// With proportions of the beta distribution whose parameters are `alpha`.
    pub fn new(alpha: f64, classes: usize) -> CutMix {
        CutMix {
            alpha,
            classes,
            names: Names::default(),
        }
    }

    /// The names of images and labels; without it `image` and `label`.
    pub fn names(mut self, image: &str, label: &str) -> CutMix {
        self.names = Names {
            image: image.to_owned(),
            label: label.to_owned(),
        };
        self
    }
}

impl BatchTransform for CutMix {
    fn apply(&self, batch: &mut Batch, rng: &mut Rng) -> Result<()> {
        let (images, shares) = begin("CutMix", self.alpha, self.classes, &self.names, batch)?;
        let share = rng.beta(self.alpha);
        let (_, _, height, width) = images.dims4()?;
        // A rectangle of the picture's proportions around a random place, cut at the edges.
        let half = 0.5 * (1.0 - share).sqrt();
        let range = |rng: &mut Rng, side: usize| {
            let (center, half) = (rng.below(side), (half * side as f64) as usize);
            (center.saturating_sub(half), (center + half).min(side))
        };
        let (left, right) = range(rng, width);
        let (top, bottom) = range(rng, height);
        let area = (right - left) * (bottom - top);
        if area > 0 {
            let inside =
                others(&images)?
                    .narrow(2, top, bottom - top)?
                    .narrow(3, left, right - left)?;
            let mixed = images.slice_assign(
                &[
                    0..images.dims()[0],
                    0..images.dims()[1],
                    top..bottom,
                    left..right,
                ],
                &inside,
            )?;
            batch.set(&self.names.image, mixed);
        }
        let share = 1.0 - area as f64 / (height * width) as f64;
        batch.set(&self.names.label, mix(&shares, &others(&shares)?, share)?);
        Ok(())
    }
}

/// The sample before in the batch, and of the first the last: torchvision's `roll(1, 0)`.
fn others(tensor: &Tensor) -> Result<Tensor> {
    let count = tensor.dims()[0];
    match count {
        1 => Ok(tensor.clone()),
        _ => Tensor::cat(
            &[
                tensor.narrow(0, count - 1, 1)?,
                tensor.narrow(0, 0, count - 1)?,
            ],
            0,
        ),
    }
}

fn mix(tensor: &Tensor, other: &Tensor, share: f64) -> Result<Tensor> {
    (tensor * share)? + (other * (1.0 - share))?
}

fn begin(
    name: &str,
    alpha: f64,
    classes: usize,
    names: &Names,
    batch: &Batch,
) -> Result<(Tensor, Tensor)> {
    if !(alpha > 0.0 && alpha.is_finite()) || classes == 0 {
        bail!(
            "{name} with alpha {alpha} and {classes} classes: alpha is above 0, and there is a class"
        );
    }
    let images = batch.get(&names.image)?;
    if images.rank() != 4 || !images.dtype().is_float() {
        bail!(
            "{name} mixes images [batch, bands, height, width] of floats; {} is {:?} of {:?}",
            names.image,
            images.dims(),
            images.dtype()
        );
    }
    let labels = batch.get(&names.label)?;
    let count = images.dims()[0];
    let shares = match (labels.dims(), labels.dtype().is_float()) {
        ([rows, of], true) if *rows == count && *of == classes => labels.to_dtype(DType::F32)?,
        ([rows], false) if *rows == count => {
            let labels: Vec<i64> = labels.to_dtype(DType::I64)?.to_vec1()?;
            let mut shares = vec![0f32; count * classes];
            for (row, &label) in labels.iter().enumerate() {
                match usize::try_from(label).ok().filter(|&label| label < classes) {
                    Some(label) => shares[row * classes + label] = 1.0,
                    None => bail!(
                        "{name} has {classes} classes, from 0; the label of sample {} is {label}",
                        batch.indices().get(row).copied().unwrap_or(row)
                    ),
                }
            }
            Tensor::from_vec(shares, (count, classes), &Device::Cpu)?
        }
        _ => bail!(
            "{name} takes labels [batch] of integers or [batch, {classes}] of floats; {} is {:?} of {:?}",
            names.label,
            labels.dims(),
            labels.dtype()
        ),
    };
    Ok((images.clone(), shares))
}
