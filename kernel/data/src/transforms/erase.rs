//! Rectangles that are taken out.

use candle_core::bail;
use patchbay_show::Result;

use super::{Transform, flip::check_probability, images};
use crate::{Rng, Sample, image::Pixels};

/// Puts a value, or noise, in a random rectangle of images: torchvision's `RandomErasing` (Zhong et al., 2017). Masks stay.
#[derive(Clone, Debug)]
pub struct RandomErasing {
    probability: f64,
    scale: (f64, f64),
    ratio: (f64, f64),
    /// None: noise.
    value: Option<f32>,
}

impl RandomErasing {
    /// With this probability, 2 to 33 % of the area, 3:10 to 10:3, value 0.
    pub fn new(probability: f64) -> RandomErasing {
        RandomErasing {
            probability,
            scale: (0.02, 0.33),
            ratio: (0.3, 3.3),
            value: Some(0.0),
        }
    }

    /// The part of the area that is erased, from least to most.
    pub fn scale(mut self, least: f64, most: f64) -> RandomErasing {
        self.scale = (least, most);
        self
    }

    /// Height over width, from least to most.
    pub fn ratio(mut self, least: f64, most: f64) -> RandomErasing {
        self.ratio = (least, most);
        self
    }

    /// What is put there: behind [`Normalize`](super::Normalize) a normalized value, before it one of which 1 is white.
    pub fn value(mut self, value: f32) -> RandomErasing {
        self.value = Some(value);
        self
    }

    /// Puts numbers of the standard normal distribution there: torchvision's `value="random"`.
    pub fn noise(mut self) -> RandomErasing {
        self.value = None;
        self
    }
}

impl Transform for RandomErasing {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        check_probability("RandomErasing", self.probability)?;
        let is_range = |(least, most): (f64, f64)| least > 0.0 && least <= most && most.is_finite();
        if !is_range(self.scale) || !is_range(self.ratio) || self.scale.1 > 1.0 {
            bail!(
                "RandomErasing with scale {:?} and ratio {:?}: ranges ascend from above 0, a scale to at most 1",
                self.scale,
                self.ratio
            );
        }
        if !rng.chance(self.probability) {
            return Ok(());
        }
        let (height, width) = sample.size()?;
        let found = (0..10).find_map(|_| {
            let area = (height * width) as f64 * rng.between(self.scale.0..self.scale.1);
            let ratio = rng.between(self.ratio.0.ln()..self.ratio.1.ln()).exp();
            let h = (area * ratio).sqrt().round_ties_even() as usize;
            let w = (area / ratio).sqrt().round_ties_even() as usize;
            let fits = (1..height).contains(&h) && (1..width).contains(&w);
            fits.then(|| (rng.below(height - h + 1), rng.below(width - w + 1), h, w))
        });
        let Some((top, left, h, w)) = found else {
            return Ok(());
        };
        for image in images(sample)? {
            let is_plain = image.normalization.is_none() && self.value.is_some();
            if !is_plain {
                image.make_floats();
            }
            let (bands, stride, white) = (image.bands, image.width, image.white);
            let value = self.value.map(|value| value * white);
            for row in top..top + h {
                let samples = (row * stride + left) * bands..(row * stride + left + w) * bands;
                match &mut image.pixels {
                    Pixels::U8(all) => all[samples].fill(value.unwrap_or(0.0).round() as u8),
                    Pixels::U16(all) => all[samples].fill(value.unwrap_or(0.0).round() as u16),
                    Pixels::F32(all) => {
                        for sample in &mut all[samples] {
                            *sample = value.unwrap_or_else(|| rng.normal() as f32);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
