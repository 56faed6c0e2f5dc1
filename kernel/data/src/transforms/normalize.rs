//! Means and deviations.

use candle_core::bail;
use patchbay_show::Result;

use super::{Transform, images};
use crate::{Rng, Sample};

/// Takes a mean off each band and divides by a deviation: torchvision's `Normalize`. Bytes are divided by 255 before.
#[derive(Clone, Debug)]
pub struct Normalize {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Normalize {
    /// With a mean and a standard deviation for each band, in 0..=1.
    pub fn new(mean: &[f32], deviation: &[f32]) -> Normalize {
        Normalize {
            mean: mean.to_vec(),
            deviation: deviation.to_vec(),
        }
    }

    /// ImageNet's.
    pub fn imagenet() -> Normalize {
        Normalize::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])
    }
}

impl Transform for Normalize {
    fn apply(&self, sample: &mut Sample, _rng: &mut Rng) -> Result<()> {
        for image in images(sample)? {
            if self.mean.len() != image.bands || self.deviation.len() != image.bands {
                bail!(
                    "Normalize has {} means and {} deviations; the image has {} bands",
                    self.mean.len(),
                    self.deviation.len(),
                    image.bands
                );
            }
            if let Some(bad) = self
                .deviation
                .iter()
                .find(|value| value.is_nan() || **value <= 0.0)
            {
                bail!("Normalize with the deviation {bad}: deviations are above 0");
            }
            if image.normalization.is_some() {
                image.make_floats();
            }
            image.normalization = Some((self.mean.clone(), self.deviation.clone()));
        }
        Ok(())
    }
}
