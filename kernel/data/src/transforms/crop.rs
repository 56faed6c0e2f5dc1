//! Parts of a picture.

use candle_core::bail;
use patchbay_show::Result;

use super::{Interpolation, Region, Transform, geometry::Geometry};
use crate::{Rng, Sample};

/// Takes a part of random size, place and proportions, and brings it to one size: torchvision's `RandomResizedCrop`.
#[derive(Clone, Debug)]
pub struct RandomResizedCrop {
    height: usize,
    width: usize,
    scale: (f64, f64),
    ratio: (f64, f64),
    interpolation: Interpolation,
}

impl RandomResizedCrop {
    /// A square of so many pixels a side, of 8 to 100 % of the area, 3:4 to 4:3.
    pub fn new(side: usize) -> RandomResizedCrop {
        RandomResizedCrop::to(side, side)
    }

    /// Of this height and width.
    pub fn to(height: usize, width: usize) -> RandomResizedCrop {
        RandomResizedCrop {
            height,
            width,
            scale: (0.08, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
            interpolation: Interpolation::Bilinear,
        }
    }

    /// The part of the area that is taken, from least to most.
    pub fn scale(mut self, least: f64, most: f64) -> RandomResizedCrop {
        self.scale = (least, most);
        self
    }

    /// Width over height, from least to most.
    pub fn ratio(mut self, least: f64, most: f64) -> RandomResizedCrop {
        self.ratio = (least, most);
        self
    }

    /// How values between pixels are found.
    pub fn interpolation(mut self, interpolation: Interpolation) -> RandomResizedCrop {
        self.interpolation = interpolation;
        self
    }

    /// The part of a picture, as torchvision draws it.
    pub fn region(&self, height: usize, width: usize, rng: &mut Rng) -> Region {
        let area = (height * width) as f64;
        for _ in 0..10 {
            let wanted = area * rng.between(self.scale.0..self.scale.1);
            let ratio = rng.between(self.ratio.0.ln()..self.ratio.1.ln()).exp();
            let w = (wanted * ratio).sqrt().round_ties_even() as usize;
            let h = (wanted / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return Region {
                    top: rng.below(height - h + 1),
                    left: rng.below(width - w + 1),
                    height: h,
                    width: w,
                };
            }
        }
        // The largest part in the middle whose proportions are allowed.
        let ratio = width as f64 / height as f64;
        let (h, w) = if ratio < self.ratio.0 {
            (
                (width as f64 / self.ratio.0).round_ties_even() as usize,
                width,
            )
        } else if ratio > self.ratio.1 {
            (
                height,
                (height as f64 * self.ratio.1).round_ties_even() as usize,
            )
        } else {
            (height, width)
        };
        let (h, w) = (h.clamp(1, height), w.clamp(1, width));
        Region {
            top: (height - h) / 2,
            left: (width - w) / 2,
            height: h,
            width: w,
        }
    }
}

impl Transform for RandomResizedCrop {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        let is_range = |(least, most): (f64, f64)| least > 0.0 && least <= most && most.is_finite();
        if self.height * self.width == 0 || !is_range(self.scale) || !is_range(self.ratio) {
            bail!(
                "RandomResizedCrop to {} x {} pixels, scale {:?}, ratio {:?}: sizes are at least 1, ranges ascend from above 0",
                self.height,
                self.width,
                self.scale,
                self.ratio
            );
        }
        let (height, width) = sample.size()?;
        let region = self.region(height, width, rng);
        Geometry::ResizedCrop(region, self.height, self.width, self.interpolation).apply(sample)
    }
}

/// Takes the middle: torchvision's `CenterCrop`. Where the picture is smaller it is filled up with 0, and a mask with what does not count.
#[derive(Clone, Debug)]
pub struct CenterCrop {
    height: usize,
    width: usize,
}

impl CenterCrop {
    /// A square of so many pixels a side.
    pub fn new(side: usize) -> CenterCrop {
        CenterCrop::to(side, side)
    }

    /// Of this height and width.
    pub fn to(height: usize, width: usize) -> CenterCrop {
        CenterCrop { height, width }
    }
}

impl Transform for CenterCrop {
    fn apply(&self, sample: &mut Sample, _rng: &mut Rng) -> Result<()> {
        if self.height * self.width == 0 {
            bail!(
                "CenterCrop to {} x {} pixels: at least 1 x 1",
                self.height,
                self.width
            );
        }
        let (height, width) = sample.size()?;
        // torchvision fills up first, the smaller half in front, and rounds halves to even numbers after that.
        let place = |have: usize, want: usize| -> i64 {
            match want > have {
                true => -(((want - have) / 2) as i64),
                false => ((have - want) as f64 / 2.0).round_ties_even() as i64,
            }
        };
        let (top, left) = (place(height, self.height), place(width, self.width));
        Geometry::Crop(top, left, self.height, self.width, 0.0).apply(sample)
    }
}

/// Takes a part at a random place: torchvision's `RandomCrop`.
#[derive(Clone, Debug)]
pub struct RandomCrop {
    height: usize,
    width: usize,
    padding: usize,
    pad_if_needed: bool,
    fill: f32,
}

impl RandomCrop {
    /// A square of so many pixels a side.
    pub fn new(side: usize) -> RandomCrop {
        RandomCrop::to(side, side)
    }

    /// Of this height and width.
    pub fn to(height: usize, width: usize) -> RandomCrop {
        RandomCrop {
            height,
            width,
            padding: 0,
            pad_if_needed: false,
            fill: 0.0,
        }
    }

    /// So many pixels more at each side before.
    pub fn padding(mut self, pixels: usize) -> RandomCrop {
        self.padding = pixels;
        self
    }

    /// Fills a picture up that is too small, in place of an error.
    pub fn pad_if_needed(mut self) -> RandomCrop {
        self.pad_if_needed = true;
        self
    }

    /// What is put where the picture has nothing; 1 is white.
    pub fn fill(mut self, fill: f32) -> RandomCrop {
        self.fill = fill;
        self
    }
}

impl Transform for RandomCrop {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        let (height, width) = sample.size()?;
        let padded = |have: usize, want: usize| -> usize {
            let have = have + 2 * self.padding;
            // torchvision's: what is missing at both sides.
            match self.pad_if_needed && have < want {
                true => self.padding + (want - have),
                false => self.padding,
            }
        };
        let (above, left_of) = (padded(height, self.height), padded(width, self.width));
        let (tall, wide) = (height + 2 * above, width + 2 * left_of);
        if self.height * self.width == 0 || tall < self.height || wide < self.width {
            bail!(
                "RandomCrop of {} x {} pixels from {height} x {width} (height x width){}: take a smaller part, or .pad_if_needed()",
                self.height,
                self.width,
                match self.padding {
                    0 => String::new(),
                    pixels => format!(" with a margin of {pixels}"),
                }
            );
        }
        let top = rng.below(tall - self.height + 1) as i64 - above as i64;
        let left = rng.below(wide - self.width + 1) as i64 - left_of as i64;
        Geometry::Crop(top, left, self.height, self.width, self.fill).apply(sample)
    }
}
