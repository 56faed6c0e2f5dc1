//! Reads a picture from a file.

use std::{fs, path::PathBuf};

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::{
    codec::{self, Samples, Wanted},
    runner::default_memory,
    sample::Sample,
};

patchbay::config! {
    /// Settings of [`ReadImage`].
    pub struct ReadImageConfig {
        /// A JPEG, PNG, TIFF or BMP file, 8 or 16 bit.
        path: PathBuf,
        /// What of 16 bits is white, 4095 for 12 bits; null: as the file says, else all.
        white: Option<u16> = None,
        /// Whether all bands are read, of a TIFF any number, in place of red, green and blue.
        all_bands: bool = false,
    }
}

/// Reads a picture.
pub struct ReadImage {
    config: ReadImageConfig,
    device: Device,
}

impl Component for ReadImage {}

impl Define for ReadImage {
    type Kind = dyn Tool;
    type Config = ReadImageConfig;
    const ID: &'static str = "tool/read_image";
    const SUMMARY: &'static str =
        "Reads a JPEG, PNG, TIFF or BMP file as a tensor: RGB, or all bands";
    const DETAILS: Details = Details {
        shapes: "no input; image [3, height, width] in 0..=1, gray as three equal channels, alpha left out; with \
                 all_bands image [bands, height, width], of a TIFF any number of bands, alpha among them; where the file has pixels without data, mask [1, height, width] of U8, 1 for data",
        example: r#"tool("tool/read_image", json!({"path": "picture.png"}), &[])?"#,
        ..Details::NONE
    };

    fn build(config: ReadImageConfig, context: &Context) -> Result<Self> {
        Ok(ReadImage {
            config,
            device: context.device().clone(),
        })
    }

    fn sample(scratch: &Path) -> Result<patchbay::plugin::Sample> {
        let path = scratch.join("picture.png");
        let values: Vec<f32> = (0..3 * 4 * 5).map(|i| i as f32 / 60.0).collect();
        let picture = Tensor::from_vec(values, (3, 4, 5), &Device::Cpu)?;
        std::fs::write(&path, patchbay::image(&picture)?.to_png()?)?;
        Ok(patchbay::plugin::Sample::new(json!({"path": path})))
    }
}

impl Tool for ReadImage {
    fn run(&self, _inputs: &Batch) -> Result<Batch> {
        let path = &self.config.path;
        let failed = |reason: String| candle::Error::Msg(format!("{}: {reason}", path.display()));
        if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
            return Err(failed("there is no such file".to_owned()));
        }
        let file = fs::read(path).map_err(|error| failed(error.to_string()))?;
        let wanted = match self.config.all_bands {
            true => Wanted::Bands,
            false => Wanted::Colors,
        };
        let header = codec::header_of(&file, wanted).map_err(|reason| {
            let is_of_bands = reason.contains("would be lost");
            failed(match is_of_bands && !self.config.all_bands {
                true => format!("{reason}; or read all bands with \"all_bands\": true"),
                false => reason,
            })
        })?;
        let channels = header.shape.channels;
        let planes = if self.config.all_bands { channels } else { 3 };
        // The samples, and planes of floats, twice while the tensor is made.
        let pixels = header.shape.pixels() as u64;
        let needed = codec::memory(&file, &header)
            + pixels * (channels.max(4) as u64 * u64::from(header.bits / 8) + 8 * planes as u64);
        if needed > default_memory() {
            return Err(failed(format!(
                "a picture of {} x {} pixels needs about {} MB of memory, and {} are free",
                header.shape.width,
                header.shape.height,
                needed >> 20,
                default_memory() >> 20
            )));
        }
        let mut samples = Samples::default();
        let extras = codec::decode_of(&file, &header, &mut samples, wanted).map_err(failed)?;
        let values = if header.bits == 8 {
            floats(&samples.bytes, channels, planes, 255.0)
        } else {
            let white = self.config.white.or(extras.white()).unwrap_or(u16::MAX);
            floats(&samples.words, channels, planes, f32::from(white))
        };
        let (height, width) = (header.shape.height, header.shape.width);
        let image = Tensor::from_vec(values, (planes, height, width), &self.device)?;
        let mut batch = Batch::from([("image".to_owned(), image)]);
        if let Some(data) = extras.data() {
            let mask: Vec<u8> = data.iter().map(|&is_data| u8::from(is_data)).collect();
            let mask = Tensor::from_vec(mask, (1, height, width), &self.device)?;
            batch.insert("mask".to_owned(), mask);
        }
        Ok(batch)
    }
}

/// Planes from interleaved samples: of each channel, or red, green and blue, which are gray's three times.
fn floats<T: Sample>(samples: &[T], channels: usize, planes: usize, white: f32) -> Vec<f32> {
    let last = match planes == channels {
        true => channels - 1,
        false if channels < 3 => 0,
        false => 2,
    };
    (0..planes)
        .flat_map(|plane| {
            let pixels = samples.chunks_exact(channels);
            pixels.map(move |pixel| pixel[plane.min(last)].float() / white)
        })
        .collect()
}
