//! The peak signal-to-noise ratio.

use candle_core::Tensor;

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show};

use super::{Pairs, mean};
use crate::{classification::shown, counting::same};

/// The peak signal-to-noise ratio in dB, `10 log10(range² / mean squared error)`, of each image, and their mean.
///
/// That is how results on data sets are usually given, and torchmetrics' `PeakSignalNoiseRatio(dim=(1, 2, 3))`; without `dim`
/// that program takes the error over all images at once, as [`Psnr::pooled`] does. Of an image that is its target the value is
/// infinite.
///
/// ```
/// # use patchbay::prelude::*;
/// let target = torch::zeros((2, 3, 8, 8))?;
/// let image = (&target + 0.1)?;
/// let mut psnr = metrics::Psnr::new(1.0);                     // values from 0 to 1
/// psnr.update(&image, &target)?;
/// assert!((psnr.compute()?.estimate - 20.0).abs() < 1e-5);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Psnr {
    data_range: f64,
    /// Decibels.
    values: Vec<f64>,
    /// Of each image the sum of squared errors, and the number of values.
    errors: Vec<(f64, f64)>,
}

impl Psnr {
    /// Of images whose values are in a range of this width: 1 for values from 0 to 1, 255 for bytes.
    pub fn new(data_range: f64) -> Self {
        Self {
            data_range,
            values: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds a batch: images and targets `[n, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes differ or are not those of images, or a value is not finite.
    pub fn update(&mut self, images: &Tensor, target: &Tensor) -> Result<()> {
        let pairs = Pairs::new(images, target, self.data_range)?;
        let sums = pairs.each(|a, b| {
            let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
            squares.sum::<f64>()
        });
        let count = (pairs.channels * pairs.height * pairs.width) as f64;
        for sum in sums {
            self.values.push(self.decibels(sum / count));
            self.errors.push((sum, count));
        }
        Ok(())
    }

    fn decibels(&self, error: f64) -> f64 {
        10.0 * (self.data_range * self.data_range / error).log10()
    }

    /// The mean over the images with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where there was no image.
    pub fn compute(&self) -> Result<Interval> {
        if self.values.iter().any(|value| value.is_infinite()) {
            // The mean is infinite, and its interval nothing.
            return Ok(Interval {
                estimate: f64::INFINITY,
                low: f64::NEG_INFINITY,
                high: f64::INFINITY,
            });
        }
        mean("PSNR", &self.values, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// The ratio of the error over all values of all images together.
    ///
    /// # Errors
    ///
    /// Fails where there was no image.
    pub fn pooled(&self) -> Result<f64> {
        mean("PSNR", &self.values, f64::NEG_INFINITY, f64::INFINITY)?;
        let sum: f64 = self.errors.iter().map(|(sum, _)| sum).sum();
        let count: f64 = self.errors.iter().map(|(_, count)| count).sum();
        Ok(self.decibels(sum / count))
    }

    /// The value of each image, in their order.
    pub fn per_image(&self) -> &[f64] {
        &self.values
    }

    /// Forgets the images; the settings stay.
    pub fn reset(&mut self) {
        self.values.clear();
        self.errors.clear();
    }

    /// Adds the images of another one.
    ///
    /// # Errors
    ///
    /// Fails where the ranges differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(&self.data_range, &other.data_range)?;
        self.values.extend_from_slice(&other.values);
        self.errors.extend_from_slice(&other.errors);
        Ok(())
    }
}

impl Show for Psnr {
    fn show(&self) -> MimeBundle {
        shown("PSNR (dB)", self.compute())
    }
}

/// [`Psnr`] of all images at once, in dB, with its 95 % interval.
///
/// # Errors
///
/// As [`Psnr::update`].
pub fn psnr(images: &Tensor, target: &Tensor, data_range: f64) -> Result<Interval> {
    let mut metric = Psnr::new(data_range);
    metric.update(images, target)?;
    metric.compute()
}
