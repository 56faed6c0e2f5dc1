//! Structural similarity of images, at one scale and at five.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show};

use super::{
    Pairs, image_methods, mean,
    similarity::{Window, halved},
};
use crate::{classification::shown, counting::same};

/// The structural similarity of each image to its target, and their mean (Wang, Bovik, Sheikh and Simoncelli 2004, Image Quality
/// Assessment, IEEE Transactions on Image Processing 13, 600): Gaussian windows of 11 pixels and standard deviation 1.5, wherever
/// they are within the image, averaged over places and channels. As scikit-image's
/// `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`; torchmetrics' reflects the image at its
/// edges and averages over places there, too.
///
/// ```
/// # use patchbay::prelude::*;
/// let target = torch::rand((2, 3, 32, 32))?;
/// let mut ssim = metrics::Ssim::new(1.0);                     // values from 0 to 1
/// ssim.update(&target, &target)?;
/// assert!((ssim.compute()?.estimate - 1.0).abs() < 1e-9);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ssim {
    data_range: f64,
    window: (usize, f64),
    values: Vec<f64>,
}

impl Ssim {
    /// Of images whose values are in a range of this width: 1 for values from 0 to 1, 255 for bytes.
    pub fn new(data_range: f64) -> Self {
        Self {
            data_range,
            window: (11, 1.5),
            values: Vec::new(),
        }
    }

    /// Another window: pixels a side, an odd number, and the standard deviation of its weights in pixels.
    #[must_use]
    pub fn window(mut self, size: usize, sigma: f64) -> Self {
        self.window = (size, sigma);
        self
    }

    /// Adds a batch: images and targets `[n, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes differ or are not those of images as large as the window, or a value is not finite.
    pub fn update(&mut self, images: &Tensor, target: &Tensor) -> Result<()> {
        let window = window(self.window, self.data_range)?;
        let pairs = Pairs::new(images, target, self.data_range)?;
        check_size("SSIM", images, window.size())?;
        let (plane, width) = (pairs.height * pairs.width, pairs.width);
        self.values.extend(pairs.each(|a, b| {
            let planes = a.chunks_exact(plane).zip(b.chunks_exact(plane));
            let whole = planes.map(|(a, b)| window.similarity(a, b, width).whole);
            whole.sum::<f64>() / pairs.channels as f64
        }));
        Ok(())
    }

    /// The mean over the images with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where there was no image.
    pub fn compute(&self) -> Result<Interval> {
        mean("SSIM", &self.values, -1.0, 1.0)
    }

    image_methods!();

    /// Adds the images of another one.
    ///
    /// # Errors
    ///
    /// Fails where the settings differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(
            &(self.data_range, self.window),
            &(other.data_range, other.window),
        )?;
        self.values.extend_from_slice(&other.values);
        Ok(())
    }
}

impl Show for Ssim {
    fn show(&self) -> MimeBundle {
        shown("SSIM", self.compute())
    }
}

/// The exponents of the five scales, the finest first.
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The structural similarity at five scales, each half as fine as the one before (Wang, Simoncelli and Bovik 2003, Multi-scale
/// Structural Similarity for Image Quality Assessment, Asilomar Conference, 1398). As pytorch-msssim and TensorFlow's
/// `ssim_multiscale`: contrast and structure of each scale are averaged over places, negative ones count as 0, and the products are
/// averaged over channels. A last odd row or column is left out where the image is halved. Images are at least 176 pixels a side.
///
/// ```
/// # use patchbay::prelude::*;
/// let target = torch::rand((1, 1, 176, 176))?;
/// let value = metrics::ms_ssim(&target, &target, 1.0)?;
/// assert!((value.estimate - 1.0).abs() < 1e-9);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MsSsim {
    data_range: f64,
    values: Vec<f64>,
}

impl MsSsim {
    /// Of images whose values are in a range of this width: 1 for values from 0 to 1, 255 for bytes.
    pub fn new(data_range: f64) -> Self {
        Self {
            data_range,
            values: Vec::new(),
        }
    }

    /// Adds a batch: images and targets `[n, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes differ or are not those of images of at least 176 pixels a side, or a value is not finite.
    pub fn update(&mut self, images: &Tensor, target: &Tensor) -> Result<()> {
        let window = window((11, 1.5), self.data_range)?;
        let pairs = Pairs::new(images, target, self.data_range)?;
        check_size("MS-SSIM", images, window.size() << (EXPONENTS.len() - 1))?;
        let plane = pairs.height * pairs.width;
        self.values.extend(pairs.each(|a, b| {
            let planes = a.chunks_exact(plane).zip(b.chunks_exact(plane));
            let of_planes = planes.map(|(a, b)| of_scales(&window, a, b, pairs.width));
            of_planes.sum::<f64>() / pairs.channels as f64
        }));
        Ok(())
    }

    /// The mean over the images with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where there was no image.
    pub fn compute(&self) -> Result<Interval> {
        mean("MS-SSIM", &self.values, 0.0, 1.0)
    }

    image_methods!();

    /// Adds the images of another one.
    ///
    /// # Errors
    ///
    /// Fails where the ranges differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(&self.data_range, &other.data_range)?;
        self.values.extend_from_slice(&other.values);
        Ok(())
    }
}

impl Show for MsSsim {
    fn show(&self) -> MimeBundle {
        shown("MS-SSIM", self.compute())
    }
}

/// The product over the scales of two planes.
fn of_scales(window: &Window, a: &[f64], b: &[f64], mut width: usize) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    let mut product = 1.0;
    for (scale, exponent) in EXPONENTS.iter().enumerate() {
        let found = window.similarity(&a, &b, width);
        let last = scale + 1 == EXPONENTS.len();
        let value: f64 = if last { found.whole } else { found.contrast };
        product *= value.max(0.0).powf(*exponent);
        if !last {
            (a, b) = (halved(&a, width), halved(&b, width));
            width /= 2;
        }
    }
    product
}

fn window((size, sigma): (usize, f64), data_range: f64) -> Result<Window> {
    if size % 2 == 0 || !(sigma > 0.0 && sigma.is_finite()) {
        bail!(
            "a window has an odd number of pixels a side and a standard deviation above 0, as 11 and 1.5; got {size} and {sigma}"
        );
    }
    Ok(Window::new(size, sigma, data_range))
}

fn check_size(metric: &str, images: &Tensor, least: usize) -> Result<()> {
    let dims = images.dims();
    if dims[2].min(dims[3]) < least {
        bail!("{metric} needs images of at least {least} pixels a side, got {dims:?}");
    }
    Ok(())
}

/// [`Ssim`] of all images at once, with its 95 % interval.
///
/// # Errors
///
/// As [`Ssim::update`].
pub fn ssim(images: &Tensor, target: &Tensor, data_range: f64) -> Result<Interval> {
    let mut metric = Ssim::new(data_range);
    metric.update(images, target)?;
    metric.compute()
}

/// [`MsSsim`] of all images at once, with its 95 % interval.
///
/// # Errors
///
/// As [`MsSsim::update`].
pub fn ms_ssim(images: &Tensor, target: &Tensor, data_range: f64) -> Result<Interval> {
    let mut metric = MsSsim::new(data_range);
    metric.update(images, target)?;
    metric.compute()
}
