//! Image transforms: an image in, an image of the same size out. Dehazers are of this kind.

use candle_core::{DType, Device, Tensor, bail};

use super::declare::kind;
use crate::{Inputs, Outputs, Slot};
use patchbay_show::Result;

kind! {
    #[name = "image"]
    #[tried = tried]
    /// A transform of images.
    pub trait ImageTransform: Component {
        /// Transforms images `[batch, channels, height, width]` with values in 0..=1. Differentiable
        /// where the transform is trained.
        ///
        /// # Errors
        ///
        /// Fails where the shape does not fit, naming it.
        #[slot = forward_in_slot]
        fn forward(&self, images: &Tensor) -> Result<Tensor>;

        /// Transforms one image of bytes in rows of interleaved channels, without touching tensors where
        /// the component knows how: `output` has the length of `input`,
        /// `height * width * channels`. Returns what the transform found out, by name (the airlight for
        /// instance).
        ///
        /// # Errors
        ///
        /// As [`ImageTransform::forward`].
        #[slot = apply_bytes_in_slot]
        fn apply_bytes(
            &self,
            input: &[u8],
            output: &mut [u8],
            size: (usize, usize, usize),
        ) -> Result<Vec<(&'static str, f64)>> {
            let (height, width, channels) = size;
            let image = Tensor::from_slice(input, (height, width, channels), &Device::Cpu)?
                .permute((2, 0, 1))?
                .unsqueeze(0)?
                .to_dtype(DType::F32)?;
            let result = self.forward(&(image / 255.0)?)?;
            let bytes = (result.squeeze(0)?.permute((1, 2, 0))?.clamp(0.0, 1.0)? * 255.0)?
                .round()?
                .to_dtype(DType::U8)?
                .flatten_all()?
                .to_vec1::<u8>()?;
            output.copy_from_slice(&bytes);
            Ok(Vec::new())
        }

        /// The transform's inner maps of images `[batch, channels, height, width]`, by name, each
        /// `[batch, 1, height, width]`: a dehazer's transmission.
        ///
        /// # Errors
        ///
        /// As [`ImageTransform::forward`].
        fn maps(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
            let _ = images;
            Ok(Vec::new())
        }
    }
}

/// The sample's input are the images.
fn tried(transform: &Slot<dyn ImageTransform>, inputs: &Inputs) -> Result<Outputs> {
    let images = inputs.at(0)?;
    let mut outputs = vec![("result".to_owned(), transform.forward(images)?)];
    for (name, map) in transform.maps(images)? {
        outputs.push((format!("map {name}"), map));
    }
    Ok(outputs)
}

/// As the component's own, and checked: the result has the input's shape.
fn forward_in_slot(slot: &Slot<dyn ImageTransform>, images: &Tensor) -> Result<Tensor> {
    slot.call(|transform| {
        let result = transform.forward(images)?;
        if result.dims() != images.dims() {
            bail!(
                "expected images {:?} as they came in, got {:?}",
                images.dims(),
                result.dims()
            );
        }
        Ok(result)
    })
}

fn apply_bytes_in_slot(
    slot: &Slot<dyn ImageTransform>,
    input: &[u8],
    output: &mut [u8],
    size: (usize, usize, usize),
) -> Result<Vec<(&'static str, f64)>> {
    slot.call(|transform| {
        let (height, width, channels) = size;
        let expected = height * width * channels;
        if input.len() != expected || output.len() != expected {
            bail!(
                "an image of {height} x {width} x {channels} has {expected} bytes; the input has {}, the \
                 output {}",
                input.len(),
                output.len()
            );
        }
        transform.apply_bytes(input, output, size)
    })
}
