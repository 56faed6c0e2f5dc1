//! Another size.

use candle_core::bail;
use patchbay_show::Result;

use super::{Interpolation, Region, Transform, geometry::Geometry};
use crate::{Rng, Sample};

/// Brings pictures to another size, with antialiasing as torchvision's `Resize`; masks take the nearest pixel.
#[derive(Clone, Debug)]
pub struct Resize {
    size: Size,
    interpolation: Interpolation,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Shorter(usize),
    Both(usize, usize),
}

impl Resize {
    /// The shorter side is to have so many pixels; the other one keeps the proportions.
    pub fn new(shorter: usize) -> Resize {
        Resize {
            size: Size::Shorter(shorter),
            interpolation: Interpolation::Bilinear,
        }
    }

    /// To this height and width.
    pub fn to(height: usize, width: usize) -> Resize {
        Resize {
            size: Size::Both(height, width),
            interpolation: Interpolation::Bilinear,
        }
    }

    /// How values between pixels are found.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Resize {
        self.interpolation = interpolation;
        self
    }
}

impl Transform for Resize {
    fn apply(&self, sample: &mut Sample, _rng: &mut Rng) -> Result<()> {
        let (height, width) = sample.size()?;
        let (to_height, to_width) = match self.size {
            Size::Both(height, width) => (height, width),
            Size::Shorter(shorter) if height <= width => (shorter, shorter * width / height),
            Size::Shorter(shorter) => (shorter * height / width, shorter),
        };
        if to_height * to_width == 0 {
            bail!("Resize to {to_height} x {to_width} pixels (height x width): at least 1 x 1");
        }
        if (to_height, to_width) == (height, width) {
            return Ok(());
        }
        let whole = Region {
            top: 0,
            left: 0,
            height,
            width,
        };
        Geometry::ResizedCrop(whole, to_height, to_width, self.interpolation).apply(sample)
    }
}
