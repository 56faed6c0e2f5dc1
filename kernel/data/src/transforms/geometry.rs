//! What moves pixels, the same for an image and its mask.

use super::resample::{self, Interpolation, Region};
use crate::{
    Sample, Value,
    image::{Image, Mask, Pixels},
};
use patchbay_show::Result;

/// What moves pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Geometry {
    /// A rectangle at another size.
    ResizedCrop(Region, usize, usize, Interpolation),
    /// A rectangle that may begin outside of the picture (rows above, pixels to the left, height, width, and what is outside).
    Crop(i64, i64, usize, usize, f32),
    /// Left and right change places.
    FlipHorizontally,
    /// Top and bottom change places.
    FlipVertically,
    /// Around the center, counter-clockwise by an angle in degrees.
    Rotate(f64, Interpolation, f32),
}

/// A number that pixels are computed with.
trait Number: Copy {
    fn float(self) -> f32;
    fn of(value: f32) -> Self;
}

impl Number for u8 {
    fn float(self) -> f32 {
        f32::from(self)
    }

    fn of(value: f32) -> u8 {
        value.round_ties_even() as u8
    }
}

impl Number for u16 {
    fn float(self) -> f32 {
        f32::from(self)
    }

    fn of(value: f32) -> u16 {
        value.round_ties_even() as u16
    }
}

impl Number for f32 {
    fn float(self) -> f32 {
        self
    }

    fn of(value: f32) -> f32 {
        value
    }
}

impl Number for i32 {
    fn float(self) -> f32 {
        self as f32
    }

    fn of(value: f32) -> i32 {
        value as i32
    }
}

/// Rows of pixels.
struct Raster<'a, T> {
    samples: &'a [T],
    height: usize,
    width: usize,
    bands: usize,
}

impl<T: Number> Raster<'_, T> {
    fn crop(&self, top: i64, left: i64, height: usize, width: usize, fill: T) -> Vec<T> {
        let bands = self.bands;
        let mut out = vec![fill; height * width * bands];
        // The columns that are in the picture.
        let first = (-left).clamp(0, width as i64) as usize;
        let last = (self.width as i64 - left).clamp(first as i64, width as i64) as usize;
        for (y, row) in out.chunks_exact_mut((width * bands).max(1)).enumerate() {
            let from = top + y as i64;
            if (0..self.height as i64).contains(&from) && first < last {
                let begin = (from * self.width as i64 + left + first as i64) as usize * bands;
                row[first * bands..last * bands]
                    .copy_from_slice(&self.samples[begin..begin + (last - first) * bands]);
            }
        }
        out
    }

    fn flip_horizontally(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.samples.len());
        for row in self.samples.chunks_exact(self.width * self.bands) {
            for pixel in row.chunks_exact(self.bands).rev() {
                out.extend_from_slice(pixel);
            }
        }
        out
    }

    fn flip_vertically(&self) -> Vec<T> {
        let rows = self.samples.chunks_exact(self.width * self.bands);
        rows.rev().flatten().copied().collect()
    }

    fn rotate(&self, degrees: f64, interpolation: Interpolation, fill: T) -> Vec<T> {
        let (bands, height, width) = (self.bands, self.height as i64, self.width as i64);
        // Where a pixel of the result comes from, as torchvision's `rotate` has it: around the center, in f32.
        let (sin, cos) = (-degrees).to_radians().sin_cos();
        let (sin, cos) = (sin as f32, cos as f32);
        let (middle_x, middle_y) = (0.5 * width as f32, 0.5 * height as f32);
        let mut out = vec![fill; self.samples.len()];
        let mut pixels = out.chunks_exact_mut(bands);
        let at = |x: i64, y: i64| (y * width + x) as usize * bands;
        let is_inside = |x: i64, y: i64| (0..width).contains(&x) && (0..height).contains(&y);
        for y in 0..height {
            for x in 0..width {
                let Some(to) = pixels.next() else { break };
                let (dx, dy) = (x as f32 + 0.5 - middle_x, y as f32 + 0.5 - middle_y);
                let from_x = cos * dx + sin * dy + middle_x - 0.5;
                let from_y = cos * dy - sin * dx + middle_y - 0.5;
                if interpolation == Interpolation::Nearest {
                    let (x, y) = (
                        from_x.round_ties_even() as i64,
                        from_y.round_ties_even() as i64,
                    );
                    if is_inside(x, y) {
                        to.copy_from_slice(&self.samples[at(x, y)..at(x, y) + bands]);
                    }
                    continue;
                }
                let (left, top) = (from_x.floor(), from_y.floor());
                let (right_share, lower_share) = (from_x - left, from_y - top);
                let (left, top) = (left as i64, top as i64);
                let corners = [
                    (left, top, (1.0 - right_share) * (1.0 - lower_share)),
                    (left + 1, top, right_share * (1.0 - lower_share)),
                    (left, top + 1, (1.0 - right_share) * lower_share),
                    (left + 1, top + 1, right_share * lower_share),
                ];
                for (band, to) in to.iter_mut().enumerate() {
                    let (mut sum, mut inside) = (0.0, 0.0);
                    for &(x, y, share) in corners.iter().filter(|&&(x, y, _)| is_inside(x, y)) {
                        sum += self.samples[at(x, y) + band].float() * share;
                        inside += share;
                    }
                    // As torchvision fills: where a pixel lies partly outside, what is inside counts by its share once more.
                    *to = T::of((sum - fill.float()) * inside + fill.float());
                }
            }
        }
        out
    }

    /// What all kinds of pixels have in common; none for what is computed for each kind by itself.
    fn moved(&self, geometry: &Geometry, fill: T, is_mask: bool) -> Option<Vec<T>> {
        Some(match *geometry {
            Geometry::Crop(top, left, height, width, _) => {
                self.crop(top, left, height, width, fill)
            }
            Geometry::FlipHorizontally => self.flip_horizontally(),
            Geometry::FlipVertically => self.flip_vertically(),
            Geometry::Rotate(degrees, interpolation, _) => {
                let interpolation = match is_mask {
                    true => Interpolation::Nearest,
                    false => interpolation,
                };
                self.rotate(degrees, interpolation, fill)
            }
            Geometry::ResizedCrop(region, height, width, interpolation)
                if is_mask || interpolation == Interpolation::Nearest =>
            {
                resample::nearest(self.samples, self.bands, self.width, region, height, width)
            }
            Geometry::ResizedCrop(..) => return None,
        })
    }
}

impl Geometry {
    /// Of a picture of height and width.
    fn size(&self, height: usize, width: usize) -> (usize, usize) {
        match *self {
            Geometry::ResizedCrop(_, height, width, _) | Geometry::Crop(_, _, height, width, _) => {
                (height, width)
            }
            _ => (height, width),
        }
    }

    fn fill(&self) -> f32 {
        match *self {
            Geometry::Crop(.., fill) | Geometry::Rotate(.., fill) => fill,
            _ => 0.0,
        }
    }

    /// Moves the pixels of an image. What comes from outside has the filling, 1 being white.
    pub fn image(&self, image: &mut Image) {
        let (height, width) = self.size(image.height, image.width);
        let stride = image.width;
        let fill = self.fill() * image.white;
        macro_rules! moved {
            ($samples:expr, $fill:expr, $resize:expr) => {{
                let raster = Raster {
                    samples: &$samples[..],
                    height: image.height,
                    width: image.width,
                    bands: image.bands,
                };
                match (raster.moved(self, $fill, false), self) {
                    (Some(moved), _) => moved,
                    (None, Geometry::ResizedCrop(region, height, width, interpolation)) => $resize(
                        &$samples[..],
                        image.bands,
                        stride,
                        *region,
                        *height,
                        *width,
                        *interpolation,
                    ),
                    (None, _) => $samples.clone(),
                }
            }};
        }
        let pixels = match &image.pixels {
            Pixels::U8(samples) => Pixels::U8(moved!(samples, fill.round() as u8, resample::bytes)),
            Pixels::U16(samples) => Pixels::U16(moved!(samples, fill.round() as u16, words)),
            Pixels::F32(samples) => Pixels::F32(moved!(samples, fill, resample::floats)),
        };
        image.pixels = pixels;
        (image.height, image.width) = (height, width);
    }

    /// Moves the pixels of a mask; what comes from outside does not count.
    pub fn mask(&self, mask: &mut Mask) {
        let raster = Raster {
            samples: &mask.classes[..],
            height: mask.height,
            width: mask.width,
            bands: 1,
        };
        if let Some(moved) = raster.moved(self, patchbay_ops::IGNORE_INDEX as i32, true) {
            (mask.height, mask.width) = self.size(mask.height, mask.width);
            mask.classes = moved;
        }
    }

    /// Moves the pixels of all images and masks of a sample.
    pub fn apply(&self, sample: &mut Sample) -> Result<()> {
        for value in sample.values_mut() {
            match value {
                Value::Image(image) => self.image(image),
                Value::Mask(mask) => self.mask(mask),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Words at another size, by floats.
fn words(
    samples: &[u16],
    bands: usize,
    stride: usize,
    region: Region,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Vec<u16> {
    let samples: Vec<f32> = samples.iter().map(|&sample| f32::from(sample)).collect();
    resample::floats(
        &samples,
        bands,
        stride,
        region,
        height,
        width,
        interpolation,
    )
    .into_iter()
    .map(|sample| sample.round_ties_even().clamp(0.0, 65_535.0) as u16)
    .collect()
}
