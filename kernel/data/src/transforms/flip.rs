//! Mirror images.

use candle_core::bail;
use patchbay_show::Result;

use super::{Transform, geometry::Geometry};
use crate::{Rng, Sample};

pub(super) fn check_probability(name: &str, probability: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&probability) {
        bail!("{name} with the probability {probability}: a probability is from 0 to 1");
    }
    Ok(())
}

/// Left and right change places, with a probability: torchvision's `RandomHorizontalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct RandomHorizontalFlip {
    probability: f64,
}

impl RandomHorizontalFlip {
    /// With this probability.
    pub fn new(probability: f64) -> RandomHorizontalFlip {
        RandomHorizontalFlip { probability }
    }
}

impl Transform for RandomHorizontalFlip {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        check_probability("RandomHorizontalFlip", self.probability)?;
        match rng.chance(self.probability) {
            true => Geometry::FlipHorizontally.apply(sample),
            false => Ok(()),
        }
    }
}

/// Top and bottom change places, with a probability: torchvision's `RandomVerticalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct RandomVerticalFlip {
    probability: f64,
}

impl RandomVerticalFlip {
    /// With this probability.
    pub fn new(probability: f64) -> RandomVerticalFlip {
        RandomVerticalFlip { probability }
    }
}

impl Transform for RandomVerticalFlip {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        check_probability("RandomVerticalFlip", self.probability)?;
        match rng.chance(self.probability) {
            true => Geometry::FlipVertically.apply(sample),
            false => Ok(()),
        }
    }
}
