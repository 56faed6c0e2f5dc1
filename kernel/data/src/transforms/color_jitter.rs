//! Brightness, contrast, saturation and hue.

use candle_core::{Tensor, bail};
use patchbay_show::Result;

use super::{Transform, images};
use crate::{Image, Rng, Sample, image::Pixels};

/// Changes brightness, contrast, saturation and hue by random factors, in random order: torchvision's `ColorJitter`. Masks stay.
///
/// Saturation and hue need RGB; gray images (one band) keep them, as torchvision has it.
#[derive(Clone, Debug, Default)]
pub struct ColorJitter {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
}

impl ColorJitter {
    /// Factors are from `1 - x` (not below 0) to `1 + x`; hue is shifted by `-hue` to `hue` of the circle, at most 0.5.
    pub fn new(brightness: f64, contrast: f64, saturation: f64, hue: f64) -> ColorJitter {
        ColorJitter {
            brightness,
            contrast,
            saturation,
            hue,
        }
    }
}

impl Transform for ColorJitter {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        let amounts = [self.brightness, self.contrast, self.saturation, self.hue];
        if amounts
            .iter()
            .any(|amount| !(*amount >= 0.0 && amount.is_finite()))
            || self.hue > 0.5
        {
            bail!("ColorJitter with {self:?}: amounts are not negative, and hue is at most 0.5");
        }
        let mut factor = |amount: f64| rng.between((1.0 - amount).max(0.0)..1.0 + amount);
        let factors = [
            factor(self.brightness),
            factor(self.contrast),
            factor(self.saturation),
        ];
        let hue = rng.between(-self.hue..self.hue);
        let order = rng.permutation(4);
        for image in images(sample)? {
            if !matches!(image.bands, 1 | 3) {
                bail!(
                    "ColorJitter needs gray or RGB; the image has {} bands (image.to_rgb()?, or ImageFolder's `rgb()`)",
                    image.bands
                );
            }
            if image.normalization.is_some() {
                bail!("ColorJitter comes before Normalize: it needs colors from 0 to 1");
            }
            for &which in &order {
                match which {
                    0 if self.brightness > 0.0 => brightness(image, factors[0]),
                    1 if self.contrast > 0.0 => contrast(image, factors[1]),
                    2 if self.saturation > 0.0 => saturation(image, factors[2]),
                    3 if self.hue > 0.0 => shift_hue(image, hue),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Computes each pixel from the one before and another value of the image: `factor * pixel + (1 - factor) * other`, in the range of colors,
/// integers cut off as torchvision has it.
fn blend(image: &mut Image, factor: f64, other: impl Fn(&[f32]) -> f32) {
    let bands = image.bands;
    let (factor, rest) = (factor as f32, (1.0 - factor) as f32);
    macro_rules! each {
        ($samples:expr, $white:expr, $of:expr) => {{
            let mut floats = vec![0f32; bands];
            for pixel in $samples.chunks_exact_mut(bands) {
                for (float, &sample) in floats.iter_mut().zip(&*pixel) {
                    *float = f32::from(sample);
                }
                let other = other(&floats);
                for (to, &sample) in pixel.iter_mut().zip(&floats) {
                    *to = $of((factor * sample + rest * other).clamp(0.0, $white));
                }
            }
        }};
    }
    match &mut image.pixels {
        Pixels::U8(samples) => each!(samples, 255.0, |value| value as u8),
        Pixels::U16(samples) => each!(samples, image.white, |value| value as u16),
        Pixels::F32(samples) => each!(samples, image.white, |value: f32| value),
    }
}

/// Of red, green and blue as torchvision weighs them; integers are cut off.
fn gray(pixel: &[f32], is_integer: bool) -> f32 {
    let value = match *pixel {
        [red, green, blue] => 0.2989 * red + 0.587 * green + 0.114 * blue,
        _ => pixel[0],
    };
    if is_integer { value.floor() } else { value }
}

fn brightness(image: &mut Image, factor: f64) {
    blend(image, factor, |_| 0.0);
}

fn contrast(image: &mut Image, factor: f64) {
    let (bands, is_integer) = (image.bands, !matches!(image.pixels, Pixels::F32(_)));
    let mut sum = 0f64;
    let mut floats = vec![0f32; bands];
    macro_rules! add {
        ($samples:expr) => {
            for pixel in $samples.chunks_exact(bands) {
                for (float, &sample) in floats.iter_mut().zip(pixel) {
                    *float = f32::from(sample);
                }
                sum += f64::from(gray(&floats, is_integer));
            }
        };
    }
    match &image.pixels {
        Pixels::U8(samples) => add!(samples),
        Pixels::U16(samples) => add!(samples),
        Pixels::F32(samples) => add!(samples),
    }
    let mean = (sum / (image.height * image.width) as f64) as f32;
    blend(image, factor, |_| mean);
}

fn saturation(image: &mut Image, factor: f64) {
    if image.bands == 3 {
        let is_integer = !matches!(image.pixels, Pixels::F32(_));
        blend(image, factor, |pixel| gray(pixel, is_integer));
    }
}

/// By torchvision's formulas for tensors.
fn hue_of([r, g, b]: [f32; 3], shift: f32) -> [f32; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let is_gray = max == min;
    let range = max - min;
    let s = range / if is_gray { 1.0 } else { max };
    let divisor = if is_gray { 1.0 } else { range };
    let (rc, gc, bc) = (
        (max - r) / divisor,
        (max - g) / divisor,
        (max - b) / divisor,
    );
    let h = if max == r {
        bc - gc
    } else if max == g {
        2.0 + rc - bc
    } else {
        4.0 + gc - rc
    };
    let h = ((h / 6.0 + 1.0) % 1.0 + shift).rem_euclid(1.0);
    let sector = (h * 6.0).floor();
    let f = h * 6.0 - sector;
    let p = (max * (1.0 - s)).clamp(0.0, 1.0);
    let q = (max * (1.0 - s * f)).clamp(0.0, 1.0);
    let t = (max * (1.0 - s * (1.0 - f))).clamp(0.0, 1.0);
    match sector as i32 % 6 {
        0 => [max, t, p],
        1 => [q, max, p],
        2 => [p, max, t],
        3 => [p, q, max],
        4 => [t, p, max],
        _ => [max, p, q],
    }
}

fn shift_hue(image: &mut Image, shift: f64) {
    if image.bands != 3 {
        return;
    }
    let (white, shift) = (image.white, shift as f32);
    macro_rules! each {
        ($samples:expr, $of:expr) => {
            for pixel in $samples.as_chunks_mut::<3>().0 {
                *pixel = hue_of(pixel.map(|sample| f32::from(sample) / white), shift).map($of);
            }
        };
    }
    // As torchvision's `convert_image_dtype`: the range is cut into equal parts.
    const ALMOST: f32 = 1.0 - 1e-3;
    match &mut image.pixels {
        Pixels::U8(samples) => each!(samples, |value| (value * (white + ALMOST)) as u8),
        Pixels::U16(samples) => each!(samples, |value| (value * (white + ALMOST)) as u16),
        Pixels::F32(samples) => each!(samples, |value| value * white),
    }
}

fn on_tensor(tensor: &Tensor, change: impl FnOnce(&mut Image)) -> Result<Tensor> {
    let mut image = Image::from_tensor(tensor)?;
    if !matches!(image.bands, 1 | 3) {
        bail!(
            "colors are changed of [1, height, width] or [3, height, width]; this tensor is {:?}",
            tensor.dims()
        );
    }
    change(&mut image);
    image.to_samples()?.to_device(tensor.device())
}

fn check_factor(factor: f64) -> Result<()> {
    if !(factor >= 0.0 && factor.is_finite()) {
        bail!("the factor {factor}: a factor is not negative; 1 changes nothing");
    }
    Ok(())
}

/// Multiplies the colors of `[3, height, width]` or `[1, height, width]`: torchvision's `adjust_brightness`.
///
/// # Errors
///
/// Fails for other shapes and types, and for a negative factor.
pub fn adjust_brightness(tensor: &Tensor, factor: f64) -> Result<Tensor> {
    check_factor(factor)?;
    on_tensor(tensor, |image| brightness(image, factor))
}

/// Moves colors away from the mean gray of the image: torchvision's `adjust_contrast`.
///
/// # Errors
///
/// Fails as [`adjust_brightness`].
pub fn adjust_contrast(tensor: &Tensor, factor: f64) -> Result<Tensor> {
    check_factor(factor)?;
    on_tensor(tensor, |image| contrast(image, factor))
}

/// Moves colors away from their grays: torchvision's `adjust_saturation`.
///
/// # Errors
///
/// Fails as [`adjust_brightness`].
pub fn adjust_saturation(tensor: &Tensor, factor: f64) -> Result<Tensor> {
    check_factor(factor)?;
    on_tensor(tensor, |image| saturation(image, factor))
}

/// Shifts hues by a part of the circle, from -0.5 to 0.5: torchvision's `adjust_hue`.
///
/// # Errors
///
/// Fails for other shapes and types, and for a shift beyond this range.
pub fn adjust_hue(tensor: &Tensor, shift: f64) -> Result<Tensor> {
    if !(-0.5..=0.5).contains(&shift) {
        bail!("the hue is shifted by -0.5 to 0.5 of the circle, not by {shift}");
    }
    on_tensor(tensor, |image| shift_hue(image, shift))
}
