//! Pictures around their centers.

use candle_core::{Tensor, bail};
use patchbay_show::Result;

use super::{Interpolation, Transform, geometry::Geometry};
use crate::{Image, Rng, Sample};

/// Rotates by a random angle: torchvision's `RandomRotation`. The picture keeps its size; corners get the filling, and in a mask what does not
/// count.
#[derive(Clone, Debug)]
pub struct RandomRotation {
    degrees: (f64, f64),
    interpolation: Interpolation,
    fill: f32,
}

impl RandomRotation {
    /// By at most so many degrees to either side.
    pub fn new(degrees: f64) -> RandomRotation {
        RandomRotation::between(-degrees, degrees)
    }

    /// By an angle of this range, counter-clockwise.
    pub fn between(least: f64, most: f64) -> RandomRotation {
        RandomRotation {
            degrees: (least, most),
            interpolation: Interpolation::Nearest,
            fill: 0.0,
        }
    }

    /// How values between pixels are found: nearest (as torchvision does without being told) or bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> RandomRotation {
        self.interpolation = interpolation;
        self
    }

    /// What is put into the corners; 1 is white.
    pub fn fill(mut self, fill: f32) -> RandomRotation {
        self.fill = fill;
        self
    }
}

impl Transform for RandomRotation {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        let (least, most) = self.degrees;
        if !(least <= most && least.is_finite() && most.is_finite()) {
            bail!("RandomRotation from {least} to {most} degrees: the range must ascend");
        }
        if self.interpolation == Interpolation::Bicubic {
            bail!("RandomRotation takes Interpolation::Nearest or Interpolation::Bilinear");
        }
        sample.size()?;
        let degrees = rng.between(least..most);
        Geometry::Rotate(degrees, self.interpolation, self.fill).apply(sample)
    }
}

/// Rotates a tensor `[bands, height, width]` counter-clockwise by an angle in degrees: torchvision's `rotate`.
///
/// # Errors
///
/// Fails for other shapes and types, and for bicubic interpolation.
pub fn rotate(
    tensor: &Tensor,
    degrees: f64,
    interpolation: Interpolation,
    fill: f32,
) -> Result<Tensor> {
    if interpolation == Interpolation::Bicubic {
        bail!("rotate takes Interpolation::Nearest or Interpolation::Bilinear");
    }
    let mut image = Image::from_tensor(tensor)?;
    Geometry::Rotate(degrees, interpolation, fill).image(&mut image);
    image.to_samples()?.to_device(tensor.device())
}
