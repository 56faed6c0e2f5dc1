//! How alike two images are: values of each image, and their mean.

mod psnr;
mod similarity;
mod ssim;

use candle_core::{Tensor, bail};
use rayon::prelude::*;

use patchbay_cell::interrupt;
use patchbay_evaluation::stats::{Interval, mean_interval};
use patchbay_show::Result;

use crate::input::numbers;

pub use psnr::{Psnr, psnr};
pub use ssim::{MsSsim, Ssim, ms_ssim, ssim};

/// Two batches of images in f64.
struct Pairs {
    prediction: Vec<f64>,
    target: Vec<f64>,
    channels: usize,
    height: usize,
    width: usize,
}

impl Pairs {
    /// # Errors
    ///
    /// Fails where the shapes differ or are not those of images, the range of values is not above 0, or a value is not finite.
    fn new(prediction: &Tensor, target: &Tensor, data_range: f64) -> Result<Pairs> {
        let dims = prediction.dims();
        let &[_, channels, height, width] = dims else {
            bail!(
                "expected images [n, channels, height, width], got {dims:?}: `unsqueeze(0)` makes a batch of one image"
            );
        };
        if dims != target.dims() {
            bail!(
                "images and their targets have one shape; got {dims:?} and {:?}",
                target.dims()
            );
        }
        if !(data_range > 0.0 && data_range.is_finite()) {
            bail!(
                "the data range is the distance of the largest from the least possible value, 1 or 255 for instance; got {data_range}"
            );
        }
        if channels * height * width == 0 {
            bail!("expected images with pixels, got {dims:?}");
        }
        let pairs = Pairs {
            prediction: numbers(prediction)?,
            target: numbers(target)?,
            channels,
            height,
            width,
        };
        let size = channels * height * width;
        for (what, values) in [("images", &pairs.prediction), ("targets", &pairs.target)] {
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                bail!(
                    "the {what} {dims:?} have {} in image {}",
                    values[at],
                    at / size
                );
            }
        }
        Ok(pairs)
    }

    /// A value of each image, from its planes, computed on several threads.
    fn each(&self, value: impl Fn(&[f64], &[f64]) -> f64 + Sync) -> Vec<f64> {
        // Between these the cell may be stopped.
        const AT_ONCE: usize = 32;
        let size = self.channels * self.height * self.width;
        let some = self.prediction.chunks(AT_ONCE * size);
        some.zip(self.target.chunks(AT_ONCE * size))
            .flat_map(|(a, b)| {
                interrupt::check();
                let images = a.par_chunks_exact(size).zip(b.par_chunks_exact(size));
                images.map(|(a, b)| value(a, b)).collect::<Vec<f64>>()
            })
            .collect()
    }
}

/// The mean of the images' values, with its 95 % interval by Student's t, cut at the largest and the least possible value.
fn mean(metric: &str, values: &[f64], least: f64, most: f64) -> Result<Interval> {
    if values.is_empty() {
        bail!("{metric} has seen no image: call `update(&images, &target)?` before");
    }
    let interval = mean_interval(values);
    if values.len() == 1 {
        return Ok(interval);
    }
    Ok(Interval {
        estimate: interval.estimate,
        low: interval.low.max(least),
        high: interval.high.min(most),
    })
}

/// What metrics of images have in common: a value of each image, in a field `values`.
macro_rules! image_methods {
    () => {
        /// The value of each image, in their order.
        pub fn per_image(&self) -> &[f64] {
            &self.values
        }

        /// Forgets the images; the settings stay.
        pub fn reset(&mut self) {
            self.values.clear();
        }
    };
}
use image_methods;
