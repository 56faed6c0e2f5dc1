//! What the two priors share: tensors and bytes through a [`Dehazer`].

use std::sync::{Mutex, PoisonError};

use crate::on_device;
use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::{Dehazer, Findings, Order, Picture, Shape, Workspace, sample::Sample};

/// What guides the refinement of the transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Guide {
    /// Rec. 601 luma.
    Gray,
    /// The three channels.
    #[schemars(extend("formerly" = "colour"))]
    Color,
}

impl From<Guide> for patchbay_dehaze_core::Guide {
    fn from(guide: Guide) -> Self {
        match guide {
            Guide::Gray => patchbay_dehaze_core::Guide::Gray,
            Guide::Color => patchbay_dehaze_core::Guide::Color,
        }
    }
}

/// Half of a patch's side.
///
/// # Errors
///
/// Fails for an even side: a patch has a middle pixel.
pub fn patch_radius(patch: usize) -> Result<usize> {
    if patch.is_multiple_of(2) {
        bail!("patch is odd (its middle is the pixel), not {patch}");
    }
    Ok(patch / 2)
}

/// A dehazer with its buffers.
pub struct Prior {
    dehazer: Dehazer,
    bytes: Mutex<Workspace<u8>>,
    floats: Mutex<Workspace<f32>>,
}

/// How many threads share a picture.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Prior {
    /// # Errors
    ///
    /// Fails where a setting is out of its range.
    pub fn new(dehazer: Dehazer) -> Result<Prior> {
        dehazer.check().map_err(candle::Error::Msg)?;
        Ok(Prior {
            dehazer,
            bytes: Mutex::new(Workspace::new(threads())),
            floats: Mutex::new(Workspace::new(threads())),
        })
    }

    /// The recovered images and the transmissions `[batch, 1, height, width]` of images
    /// `[batch, channels, height, width]`, 1 to 4 channels, in the images' type and on their device.
    ///
    /// # Errors
    ///
    /// Fails where the shape does not fit.
    pub fn forward(&self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        if !images.device().is_cpu() {
            return on_device::forward(&self.dehazer, images);
        }
        let (batch, shape, values) = planes(images)?;
        let mut output = vec![0.0; values.len()];
        let mut transmission = vec![0.0; batch * shape.pixels()];
        let mut workspace = self.floats.lock().unwrap_or_else(PoisonError::into_inner);
        let images_out = output.chunks_exact_mut(shape.samples());
        let maps = transmission.chunks_exact_mut(shape.pixels());
        for ((from, to), map) in values
            .chunks_exact(shape.samples())
            .zip(images_out)
            .zip(maps)
        {
            let picture = Picture::new(from, shape, Order::Planar).map_err(candle::Error::Msg)?;
            self.dehazer.run(&picture, to, Some(map), &mut workspace);
        }
        let maps = Tensor::from_vec(
            transmission,
            (batch, 1, shape.height, shape.width),
            &Device::Cpu,
        )?;
        let alike = |tensor: Tensor| tensor.to_dtype(images.dtype())?.to_device(images.device());
        Ok((
            alike(Tensor::from_vec(output, images.shape(), &Device::Cpu)?)?,
            alike(maps)?,
        ))
    }

    /// As [`ImageTransform::apply_bytes`].
    ///
    /// # Errors
    ///
    /// Fails where the size does not fit.
    pub fn apply_bytes(
        &self,
        input: &[u8],
        output: &mut [u8],
        size: (usize, usize, usize),
    ) -> Result<Vec<(&'static str, f64)>> {
        let picture = interleaved(input, size)?;
        let mut workspace = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(found(&self.dehazer.run(
            &picture,
            output,
            None,
            &mut workspace,
        )))
    }
}

/// A picture of bytes.
///
/// # Errors
///
/// Fails where the number of bytes is not that of the size.
pub fn interleaved<T: Sample>(
    input: &[T],
    (height, width, channels): (usize, usize, usize),
) -> Result<Picture<'_, T>> {
    let shape = Shape {
        width,
        height,
        channels,
    };
    Picture::new(input, shape, Order::Interleaved).map_err(candle::Error::Msg)
}

/// The values of images `[batch, channels, height, width]` on the CPU: how many, the shape of one, and
/// the values.
///
/// # Errors
///
/// Fails for another shape.
pub fn planes(images: &Tensor) -> Result<(usize, Shape, Vec<f32>)> {
    let (batch, shape) = shape_of(images)?;
    let values = images
        .detach()
        .to_device(&Device::Cpu)?
        .to_dtype(DType::F32)?;
    Ok((batch, shape, values.flatten_all()?.to_vec1()?))
}

/// How many images `[batch, channels, height, width]` there are, and the shape of one.
///
/// # Errors
///
/// Fails for another shape.
pub fn shape_of(images: &Tensor) -> Result<(usize, Shape)> {
    let &[
        batch,
        channels @ 1..=4,
        height @ 1..=usize::MAX,
        width @ 1..=usize::MAX,
    ] = images.dims()
    else {
        bail!(
            "expected images [batch, channels, height, width] with 1 to 4 channels and at least one pixel, \
             got {:?}",
            images.dims()
        );
    };
    let shape = Shape {
        width,
        height,
        channels,
    };
    Ok((batch, shape))
}

fn found(findings: &Findings) -> Vec<(&'static str, f64)> {
    let [red, green, blue] = findings.airlight.map(f64::from);
    let (row, column) = findings.airlight_at;
    let transmission = findings.transmission;
    vec![
        ("airlight_red", red),
        ("airlight_green", green),
        ("airlight_blue", blue),
        ("airlight_row", row as f64),
        ("airlight_column", column as f64),
        ("transmission_least", f64::from(transmission.least)),
        ("transmission_mean", f64::from(transmission.mean())),
        ("transmission_greatest", f64::from(transmission.greatest)),
    ]
}

/// The sample of a dehazer: two small images of a scene in haze.
///
/// # Errors
///
/// Fails where the tensor cannot be made.
pub fn images(settings: patchbay::serde_json::Value) -> Result<patchbay::plugin::Sample> {
    let (height, width) = (18, 22);
    let values: Vec<f32> = (0..2 * 3 * height * width)
        .map(|i| 0.5 + 0.3 * (i as f32 * 0.37).sin() + 0.1 * (i as f32 * 0.011).cos())
        .collect();
    let images = Tensor::from_vec(values, (2, 3, height, width), &Device::Cpu)?;
    Ok(patchbay::plugin::Sample::new(settings).input("images", images))
}
