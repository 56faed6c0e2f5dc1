//! The priors as tensor ops, for images that are on a GPU and stay there.
//!
//! The formulas are those of the core's passes over plain buffers, which run where the images are on the CPU. Two things
//! differ: squares of the guided filter's windows are taken in f32 throughout, and of several brightest candidates for the
//! airlight the device chooses one.

use patchbay::{
    ops::{self, kth_largest},
    plugin::prelude::*,
};
use patchbay_dehaze_core::{Dehazer, Guide, Prior, Shape, airlight::FRACTION};

use crate::prior::shape_of;

/// The recovered images and the transmissions `[batch, 1, height, width]` of images `[batch, channels, height, width]` with
/// 1 to 4 channels, in the images' type and on their device.
///
/// # Errors
///
/// Fails for another shape, and for a guided filter at a part of the size.
pub fn forward(dehazer: &Dehazer, images: &Tensor) -> Result<(Tensor, Tensor)> {
    let Shape { channels, .. } = shape_of(images)?.1;
    if dehazer.subsampling != 1 {
        bail!(
            "subsampling is {}: it is for the CPU; on a GPU the guided filter works at full size (subsampling 1)",
            dehazer.subsampling
        );
    }
    let samples = images.detach().to_dtype(DType::F32)?;
    let colors = if channels < 3 { 1 } else { 3 };
    let haze = samples.narrow(1, 0, colors)?.contiguous()?;

    let score = match dehazer.prior {
        Prior::DarkChannel { .. } => ops::min_filter(&haze.min_keepdim(1)?, dehazer.patch_radius)?,
        Prior::ColorAttenuation { coefficients, .. } => {
            ops::min_filter(&depth(&haze, coefficients)?, dehazer.patch_radius)?
        }
    };
    let airlight = airlight(&haze, &score)?;
    let map = match dehazer.prior {
        Prior::DarkChannel { omega } => {
            // A channel without any light would need a division by 0; one step above black stands for it.
            let scaled = haze.broadcast_div(&airlight.maximum(1.0 / 255.0)?)?;
            let dark = ops::min_filter(&scaled.min_keepdim(1)?, dehazer.patch_radius)?;
            dark.affine(-f64::from(omega), 1.0)?
        }
        Prior::ColorAttenuation { .. } => score,
    };
    let eps = f64::from(dehazer.filter.eps);
    let (guide, eps) = match (dehazer.guide, colors) {
        (Guide::Gray, 3) => (luma(&haze)?, eps),
        // A gray picture as three equal channels: the solution is that of one channel with a third of eps.
        (Guide::Color, 1) => (haze.clone(), eps / 3.0),
        _ => (haze.clone(), eps),
    };
    let refined = guided_filter(&guide, &map, dehazer.filter.radius, eps)?;
    let transmission = match dehazer.prior {
        Prior::DarkChannel { .. } => refined,
        Prior::ColorAttenuation { beta, .. } => refined.affine(-f64::from(beta), 0.0)?.exp()?,
    };
    let [low, high] = dehazer.bounds;
    let transmission = transmission.maximum(low)?.minimum(high)?;

    let scene = haze
        .broadcast_sub(&airlight)?
        .broadcast_div(&transmission)?
        .broadcast_add(&airlight)?
        .clamp(0f32, 1f32)?;
    let scene = if channels == colors {
        scene
    } else {
        let alpha = samples.narrow(1, colors, channels - colors)?;
        Tensor::cat(&[scene, alpha], 1)?
    };
    Ok((
        scene.to_dtype(images.dtype())?,
        transmission.to_dtype(images.dtype())?,
    ))
}

/// Equation 8 of the color attenuation prior, `[batch, 1, height, width]`; a black pixel has saturation 0.
fn depth(haze: &Tensor, [constant, of_value, of_saturation]: [f32; 3]) -> Result<Tensor> {
    let (low, value) = (haze.min_keepdim(1)?, haze.max_keepdim(1)?);
    let lit = value.gt(0f32)?;
    let divisor = lit.where_cond(&value, &value.ones_like()?)?;
    let saturation = ((&value - low)? / divisor)?;
    let linear = ((value * f64::from(of_value))? + (saturation * f64::from(of_saturation))?)?;
    linear + f64::from(constant)
}

/// Rec. 601 luma.
fn luma(haze: &Tensor) -> Result<Tensor> {
    let weights = Tensor::new(&[0.299f32, 0.587, 0.114], haze.device())?.reshape((1, 3, 1, 1))?;
    ops::sum_keepdim(&haze.broadcast_mul(&weights)?, 1)
}

/// The color `[batch, channels, 1, 1]` of the brightest of the 0.1 % of pixels with the largest score.
///
/// Sums and maxima go over the rows first: a GPU takes one block of threads for each result.
fn airlight(haze: &Tensor, score: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = haze.dims4()?;
    let count = (height * width / FRACTION).max(1);
    let least = kth_largest(&score.flatten_from(2)?, count)?.unsqueeze(3)?;
    let brightness = ops::sum_keepdim(haze, 1)?;
    let none = (brightness.zeros_like()? - 1.0)?;
    let candidates = score.broadcast_ge(&least)?.where_cond(&brightness, &none)?;
    let row = candidates.max_keepdim(3)?.argmax_keepdim(2)?;
    let along = |index: &Tensor, shape: (usize, usize, usize, usize)| {
        index.broadcast_as(shape)?.contiguous()
    };
    let line = candidates.gather(&along(&row, (batch, 1, 1, width))?, 2)?;
    let column = line.argmax_keepdim(3)?;
    haze.gather(&along(&row, (batch, channels, 1, width))?, 2)?
        .gather(&along(&column, (batch, channels, 1, 1))?, 3)
}

/// The guided filter (He, Sun, Tang 2010) with a guide of 1 or 3 channels: equations 5, 6 and 8, or 14 to 16.
fn guided_filter(guide: &Tensor, source: &Tensor, radius: usize, eps: f64) -> Result<Tensor> {
    let channels = guide.dim(1)?;
    let guides: Vec<Tensor> = (0..channels)
        .map(|channel| guide.narrow(1, channel, 1))
        .collect::<Result<_>>()?;
    let mut planes = guides.clone();
    planes.push(source.clone());
    for guide in &guides {
        planes.push((guide * source)?);
    }
    let pairs: Vec<(usize, usize)> = (0..channels)
        .flat_map(|i| (i..channels).map(move |j| (i, j)))
        .collect();
    for &(i, j) in &pairs {
        planes.push((&guides[i] * &guides[j])?);
    }
    // One pass for the means of all.
    let means = ops::box_filter(&Tensor::cat(&planes, 1)?, radius)?;
    let mean = |plane: usize| means.narrow(1, plane, 1);
    let source_mean = mean(channels)?;
    let covariance = |channel: usize| -> Result<Tensor> {
        mean(channels + 1 + channel)? - (mean(channel)? * &source_mean)?
    };
    let spread = |i: usize, j: usize| -> Result<Tensor> {
        let at = pairs
            .iter()
            .position(|&pair| pair == (i, j))
            .unwrap_or_default();
        let product = (mean(2 * channels + 1 + at)? - (mean(i)? * mean(j)?)?)?;
        if i == j {
            // A variance is not negative; its rounding may be.
            product.maximum(0f32)? + eps
        } else {
            Ok(product)
        }
    };
    let slopes = if channels == 1 {
        vec![(covariance(0)? / spread(0, 0)?)?]
    } else {
        // L D L^T of the 3 x 3 matrix, which keeps its precision where the channels nearly depend on each other.
        let (y0, y1, y2) = (covariance(0)?, covariance(1)?, covariance(2)?);
        let (s01, s02, s12) = (spread(0, 1)?, spread(0, 2)?, spread(1, 2)?);
        let i0 = spread(0, 0)?.recip()?;
        let (l10, l20) = ((&s01 * &i0)?, (&s02 * &i0)?);
        // Pivots of a positive matrix are not below eps; their rounding may be.
        let i1 = (spread(1, 1)? - (&l10 * &s01)?)?.maximum(eps)?.recip()?;
        let e = (s12 - (&l10 * &s02)?)?;
        let l21 = (&e * &i1)?;
        let i2 = ((spread(2, 2)? - (&l20 * &s02)?)? - (&l21 * &e)?)?
            .maximum(eps)?
            .recip()?;
        let z1 = (y1 - (&l10 * &y0)?)?;
        let z2 = ((y2 - (&l20 * &y0)?)? - (&l21 * &z1)?)?;
        let a2 = (z2 * i2)?;
        let a1 = ((z1 * i1)? - (l21 * &a2)?)?;
        let a0 = (((y0 * i0)? - (l10 * &a1)?)? - (l20 * &a2)?)?;
        vec![a0, a1, a2]
    };
    let mut offset = source_mean.clone();
    for (channel, slope) in slopes.iter().enumerate() {
        offset = (offset - (slope * mean(channel)?)?)?;
    }
    let mut functions = slopes;
    functions.push(offset);
    let averaged = ops::box_filter(&Tensor::cat(&functions, 1)?, radius)?;
    let mut result = averaged.narrow(1, channels, 1)?;
    for (channel, guide) in guides.iter().enumerate() {
        result = (result + (averaged.narrow(1, channel, 1)? * guide)?)?;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use patchbay_dehaze_core::{Order, Picture, Workspace};

    use super::*;

    /// Smooth pictures with edges, that repeat nowhere.
    fn pictures(batch: usize, channels: usize, height: usize, width: usize) -> Tensor {
        let values: Vec<f32> = (0..batch * channels * height * width)
            .map(|at| {
                let (x, y) = (at % width, at / width % height);
                let plane = at / (width * height);
                let wave =
                    ((x * (plane + 2)) as f32 * 0.07).sin() + ((y * 3 + plane) as f32 * 0.05).cos();
                let step = if x + y > 60 { 0.25 } else { 0.0 };
                let grain = (at * 7919 % 1009) as f32 / 1009.0;
                0.5 + 0.15 * wave + step * 0.5 + 0.05 * grain
            })
            .collect();
        Tensor::from_vec(values, (batch, channels, height, width), &Device::Cpu)
            .unwrap()
            .clamp(0f32, 1f32)
            .unwrap()
    }

    fn farthest(a: &[f32], b: &[f32]) -> f64 {
        patchbay_compare::largest_difference(a, b)
    }

    #[test]
    fn tensor_ops_give_what_the_passes_over_buffers_give() {
        let (height, width) = (70, 90);
        for channels in 1..=4 {
            for color in [false, true] {
                for base in [
                    Dehazer::dark_channel_prior(),
                    Dehazer::color_attenuation_prior(),
                ] {
                    let mut dehazer = base;
                    dehazer.filter.radius = 12;
                    dehazer.guide = if color { Guide::Color } else { Guide::Gray };
                    let images = pictures(2, channels, height, width);
                    let (scene, transmission) = forward(&dehazer, &images).unwrap();
                    assert_eq!(scene.dims(), images.dims());
                    let shape = Shape {
                        width,
                        height,
                        channels,
                    };
                    let mut workspace = Workspace::new(1);
                    for image in 0..2 {
                        let values = |x: &Tensor| -> Vec<f32> {
                            x.get(image)
                                .unwrap()
                                .flatten_all()
                                .unwrap()
                                .to_vec1()
                                .unwrap()
                        };
                        let input = values(&images);
                        let picture = Picture::new(&input, shape, Order::Planar).unwrap();
                        let mut output = vec![0.0; input.len()];
                        let mut map = vec![0.0; height * width];
                        dehazer.run(&picture, &mut output, Some(&mut map), &mut workspace);
                        let what = format!(
                            "{channels} channels, {:?}, {:?}",
                            dehazer.guide, dehazer.prior
                        );
                        assert!(farthest(&values(&transmission), &map) < 1e-3, "{what}");
                        assert!(farthest(&values(&scene), &output) < 2e-3, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let dehazer = Dehazer::dark_channel_prior();
        let flat = Tensor::zeros((3, 8, 8), DType::F32, &Device::Cpu).unwrap();
        let error = forward(&dehazer, &flat).unwrap_err().to_string();
        assert!(
            error.contains("[batch, channels, height, width]"),
            "{error}"
        );
        let reduced = Dehazer {
            subsampling: 4,
            ..dehazer
        };
        let error = forward(&reduced, &pictures(1, 3, 9, 9))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("on a GPU the guided filter works at full size"),
            "{error}"
        );
    }
}
