//! Augmentation with torchvision's names: of images and, where pixels move, of their masks in the same way.
//!
//! A transform changes all images of a sample. What is random is drawn from the sample's own generator, which is a function of the
//! loader's seed, the epoch and the index. Bytes stay bytes until a batch is made, and [`Normalize`] is done then.
//!
//! ```
//! use data::transforms::{Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop};
//! use patchbay::prelude::*;
//! let train = Compose::new()
//!     .add(RandomResizedCrop::new(32))
//!     .add(RandomHorizontalFlip::new(0.5))
//!     .add(Normalize::imagenet());
//! let x = data::transforms::apply(&train, &torch::rand((3, 48, 40))?, 1)?;
//! assert_eq!(x.dims(), [3, 32, 32]);
//! # Ok::<(), candle::Error>(())
//! ```

mod color_jitter;
mod crop;
mod erase;
mod flip;
pub(crate) mod geometry;
mod mix;
mod normalize;
mod resample;
mod resize;
mod rotate;

pub use color_jitter::{
    ColorJitter, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation,
};
pub use crop::{CenterCrop, RandomCrop, RandomResizedCrop};
pub use erase::RandomErasing;
pub use flip::{RandomHorizontalFlip, RandomVerticalFlip};
pub use mix::{CutMix, MixUp};
pub use normalize::Normalize;
pub use resample::{Interpolation, Region};
pub use resize::Resize;
pub use rotate::{RandomRotation, rotate};

use std::sync::Arc;

use candle_core::{DType, Tensor};
use patchbay_show::Result;

use crate::{Batch, Image, Rng, Sample, Value};

/// What is done to a sample.
pub trait Transform: Send + Sync {
    /// Changes the images and masks of a sample.
    ///
    /// # Errors
    ///
    /// Fails where the transform does not fit them.
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()>;
}

/// What is done to a batch.
pub trait BatchTransform: Send + Sync {
    /// Changes the tensors of a batch.
    ///
    /// # Errors
    ///
    /// Fails where the transform does not fit them.
    fn apply(&self, batch: &mut Batch, rng: &mut Rng) -> Result<()>;
}

impl<T: Transform + ?Sized> Transform for Arc<T> {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        (**self).apply(sample, rng)
    }
}

/// Several transforms, one after the other.
#[derive(Clone, Default)]
pub struct Compose {
    transforms: Vec<Arc<dyn Transform>>,
}

impl Compose {
    /// Without transforms.
    pub fn new() -> Compose {
        Compose::default()
    }

    /// Adds a transform behind the others.
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, transform: impl Transform + 'static) -> Compose {
        self.transforms.push(Arc::new(transform));
        self
    }

    /// Adds what a closure does to a sample.
    pub fn add_fn(
        self,
        change: impl Fn(&mut Sample, &mut Rng) -> Result<()> + Send + Sync + 'static,
    ) -> Compose {
        self.add(Function(change))
    }
}

struct Function<F>(F);

impl<F: Fn(&mut Sample, &mut Rng) -> Result<()> + Send + Sync> Transform for Function<F> {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        (self.0)(sample, rng)
    }
}

impl Transform for Compose {
    fn apply(&self, sample: &mut Sample, rng: &mut Rng) -> Result<()> {
        self.transforms
            .iter()
            .try_for_each(|transform| transform.apply(sample, rng))
    }
}

/// Applies a transform to a tensor `[bands, height, width]`, drawing from a seed. Bytes stay bytes unless they are normalized; floats
/// (1 is white) stay of their type.
///
/// # Errors
///
/// Fails for other shapes and types, and where the transform does not fit.
pub fn apply(transform: &dyn Transform, tensor: &Tensor, seed: u64) -> Result<Tensor> {
    let image = Image::from_tensor(tensor)?;
    let mut sample = Sample::new().with("image", Value::Image(image));
    transform.apply(&mut sample, &mut Rng::new(seed))?;
    let Some(Value::Image(image)) = sample.get("image") else {
        candle_core::bail!("the transform has taken the image away");
    };
    let made = image.to_samples()?.to_device(tensor.device())?;
    match tensor.dtype() {
        DType::U8 => Ok(made),
        dtype => made.to_dtype(dtype),
    }
}

/// The images of a sample.
pub(crate) fn images(sample: &mut Sample) -> Result<Vec<&mut Image>> {
    // An error where there are none, or their sizes differ.
    sample.size()?;
    Ok(sample
        .values_mut()
        .filter_map(|value| match value {
            Value::Image(image) => Some(image),
            _ => None,
        })
        .collect())
}
