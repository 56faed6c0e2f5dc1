//! A decoded picture on its way to a batch, and a mask.

use candle_core::{DType, Device, Tensor, bail};
use patchbay_show::Result;

/// Samples of a picture, pixel after pixel: `[height, width, bands]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Of 8 bits.
    U8(Vec<u8>),
    /// Of 16 bits.
    U16(Vec<u16>),
    /// Floats, of which 1 is white.
    F32(Vec<f32>),
}

impl Pixels {
    fn len(&self) -> usize {
        match self {
            Pixels::U8(samples) => samples.len(),
            Pixels::U16(samples) => samples.len(),
            Pixels::F32(samples) => samples.len(),
        }
    }
}

/// A picture of any number of bands. It becomes a tensor `[bands, height, width]` of f32 in 0..=1, less a mean and divided by a deviation
/// where [`Normalize`](crate::transforms::Normalize) has asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) bands: usize,
    pub(crate) pixels: Pixels,
    /// The sample that is 1.
    pub(crate) white: f32,
    /// Mean and deviation of each band, to be applied when floats are made.
    pub(crate) normalization: Option<(Vec<f32>, Vec<f32>)>,
}

impl Image {
    /// Of samples, pixel after pixel.
    ///
    /// # Errors
    ///
    /// Fails where there are no pixels or the number of samples does not fit.
    pub fn new(height: usize, width: usize, bands: usize, pixels: Pixels) -> Result<Image> {
        if height * width * bands == 0 || pixels.len() != height * width * bands {
            bail!(
                "an image of {height} x {width} pixels (height x width) with {bands} bands has {} samples, not {}",
                height * width * bands,
                pixels.len()
            );
        }
        let white = match &pixels {
            Pixels::U8(_) => 255.0,
            Pixels::U16(_) => 65_535.0,
            Pixels::F32(_) => 1.0,
        };
        Ok(Image {
            height,
            width,
            bands,
            pixels,
            white,
            normalization: None,
        })
    }

    /// The same picture with another sample for white: 4095 for 12 bits, 10000 for Sentinel-2's reflectances.
    pub fn with_white(mut self, white: f32) -> Image {
        self.white = white;
        self
    }

    /// Of a tensor `[bands, height, width]`: u8 as bytes, floats as they are.
    ///
    /// # Errors
    ///
    /// Fails for other shapes and types.
    pub fn from_tensor(tensor: &Tensor) -> Result<Image> {
        let [bands, height, width] = tensor.dims() else {
            bail!(
                "an image is a tensor [bands, height, width]; this one is {:?}",
                tensor.dims()
            );
        };
        let (bands, height, width) = (*bands, *height, *width);
        let interleaved = tensor.permute((1, 2, 0))?.flatten_all()?;
        let pixels = match tensor.dtype() {
            DType::U8 => Pixels::U8(interleaved.to_vec1()?),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
                Pixels::F32(interleaved.to_dtype(DType::F32)?.to_vec1()?)
            }
            other => bail!(
                "an image is of u8 (0 to 255) or floats (0 to 1); this tensor is of {other:?}"
            ),
        };
        Image::new(height, width, bands, pixels)
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples of a pixel.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// The samples, pixel after pixel.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Makes a tensor `[bands, height, width]` of f32, on the CPU.
    ///
    /// # Errors
    ///
    /// Fails where there is no memory.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let mut values = vec![0.0; self.pixels.len()];
        self.write(&mut values);
        Tensor::from_vec(values, (self.bands, self.height, self.width), &Device::Cpu)
    }

    /// Makes a tensor `[bands, height, width]` of the samples themselves: u8 as they are, others as f32.
    ///
    /// # Errors
    ///
    /// Fails where there is no memory.
    pub fn to_samples(&self) -> Result<Tensor> {
        let shape = (self.bands, self.height, self.width);
        match &self.pixels {
            Pixels::U8(samples) if self.normalization.is_none() => {
                Tensor::from_vec(planar(samples, self.bands), shape, &Device::Cpu)
            }
            _ => self.to_tensor(),
        }
    }

    /// Writes planes of floats `[bands, height, width]`.
    pub(crate) fn write(&self, out: &mut [f32]) {
        let pixels = self.height * self.width;
        let (mean, deviation) = match &self.normalization {
            Some((mean, deviation)) => (mean.clone(), deviation.clone()),
            None => (vec![0.0; self.bands], vec![1.0; self.bands]),
        };
        match &self.pixels {
            Pixels::U8(samples) => {
                // The division and the subtraction of torchvision's `ToTensor` and `Normalize`, once for each of 256 values.
                let tables: Vec<[f32; 256]> = (0..self.bands)
                    .map(|band| {
                        std::array::from_fn(|value| {
                            (value as f32 / self.white - mean[band]) / deviation[band]
                        })
                    })
                    .collect();
                if let ([red, green, blue], true) = (&tables[..], out.len() == 3 * pixels) {
                    let (first, rest) = out.split_at_mut(pixels);
                    let (second, third) = rest.split_at_mut(pixels);
                    let (of_pixels, _) = samples.as_chunks::<3>();
                    for (((pixel, r), g), b) in of_pixels.iter().zip(first).zip(second).zip(third) {
                        *r = red[usize::from(pixel[0])];
                        *g = green[usize::from(pixel[1])];
                        *b = blue[usize::from(pixel[2])];
                    }
                    return;
                }
                for (band, (plane, table)) in out.chunks_exact_mut(pixels).zip(&tables).enumerate()
                {
                    let of_band = samples.iter().skip(band).step_by(self.bands);
                    for (to, &sample) in plane.iter_mut().zip(of_band) {
                        *to = table[usize::from(sample)];
                    }
                }
            }
            Pixels::U16(samples) => self.planes(samples, out, &mean, &deviation, |sample| {
                f32::from(sample) / self.white
            }),
            Pixels::F32(samples) => {
                self.planes(samples, out, &mean, &deviation, |sample| {
                    sample / self.white
                });
            }
        }
    }

    fn planes<T: Copy>(
        &self,
        samples: &[T],
        out: &mut [f32],
        mean: &[f32],
        deviation: &[f32],
        float: impl Fn(T) -> f32,
    ) {
        let planes = out.chunks_exact_mut(self.height * self.width);
        for (band, plane) in planes.enumerate() {
            let of_band = samples.iter().skip(band).step_by(self.bands);
            for (to, &sample) in plane.iter_mut().zip(of_band) {
                *to = (float(sample) - mean[band]) / deviation[band];
            }
        }
    }

    /// Floats in place of bytes and words, with what was to be applied later.
    pub(crate) fn make_floats(&mut self) {
        if matches!(self.pixels, Pixels::F32(_))
            && self.normalization.is_none()
            && self.white == 1.0
        {
            return;
        }
        let mut planes = vec![0.0; self.pixels.len()];
        self.write(&mut planes);
        let pixels = self.height * self.width;
        let samples = (0..planes.len())
            .map(|at| planes[at % self.bands * pixels + at / self.bands])
            .collect();
        self.pixels = Pixels::F32(samples);
        self.white = 1.0;
        self.normalization = None;
    }

    /// Changes the number of bands: gray becomes RGB by repetition, alpha is left out, other bands are chosen by their places.
    ///
    /// # Errors
    ///
    /// Fails where the image has no such band.
    pub fn select(&self, bands: &[usize]) -> Result<Image> {
        if bands.is_empty() || bands.iter().any(|&band| band >= self.bands) {
            bail!("an image of {} bands has no bands {bands:?}", self.bands);
        }
        fn chosen<T: Copy>(samples: &[T], of: usize, bands: &[usize]) -> Vec<T> {
            samples
                .chunks_exact(of)
                .flat_map(|pixel| bands.iter().map(|&band| pixel[band]))
                .collect()
        }
        let pixels = match &self.pixels {
            Pixels::U8(samples) => Pixels::U8(chosen(samples, self.bands, bands)),
            Pixels::U16(samples) => Pixels::U16(chosen(samples, self.bands, bands)),
            Pixels::F32(samples) => Pixels::F32(chosen(samples, self.bands, bands)),
        };
        let normalization = self.normalization.as_ref().map(|(mean, deviation)| {
            let pick = |values: &[f32]| bands.iter().map(|&band| values[band]).collect();
            (pick(mean), pick(deviation))
        });
        Ok(Image {
            bands: bands.len(),
            pixels,
            normalization,
            ..*self
        })
    }

    /// Three bands: gray three times, alpha left out.
    ///
    /// # Errors
    ///
    /// Fails for more than four bands, of which nobody knows which are red, green and blue.
    pub fn to_rgb(&self) -> Result<Image> {
        match self.bands {
            1 | 2 => self.select(&[0, 0, 0]),
            3 => Ok(self.clone()),
            4 => self.select(&[0, 1, 2]),
            more => bail!(
                "an image of {more} bands is no RGB; choose three with image.select(&[2, 1, 0])"
            ),
        }
    }
}

fn planar<T: Copy>(samples: &[T], bands: usize) -> Vec<T> {
    (0..bands)
        .flat_map(|band| samples.iter().skip(band).step_by(bands).copied())
        .collect()
}

/// The class of each pixel, `[height, width]`. It becomes a tensor of i64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) classes: Vec<i32>,
}

impl Mask {
    /// Of classes, row after row; pixels that do not count are `ops::IGNORE_INDEX`.
    ///
    /// # Errors
    ///
    /// Fails where there is not one for each pixel.
    pub fn new(height: usize, width: usize, classes: Vec<i32>) -> Result<Mask> {
        if height * width == 0 || classes.len() != height * width {
            bail!(
                "a mask of {height} x {width} pixels (height x width) has {} classes, not {}",
                height * width,
                classes.len()
            );
        }
        Ok(Mask {
            height,
            width,
            classes,
        })
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The classes, row after row.
    pub fn classes(&self) -> &[i32] {
        &self.classes
    }

    /// Makes a tensor `[height, width]` of i64, on the CPU.
    ///
    /// # Errors
    ///
    /// Fails where there is no memory.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let classes: Vec<i64> = self.classes.iter().map(|&class| i64::from(class)).collect();
        Tensor::from_vec(classes, (self.height, self.width), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_images_are_the_same_samples() {
        for bands in [1, 2, 3, 5] {
            let bytes: Vec<u8> = (0..4 * 3 * bands).map(|i| (i * 7 % 256) as u8).collect();
            let tensor = Tensor::from_vec(bytes, (bands, 4, 3), &Device::Cpu).unwrap();
            let image = Image::from_tensor(&tensor).unwrap();
            let back = image.to_samples().unwrap();
            assert_eq!(
                back.flatten_all().unwrap().to_vec1::<u8>().unwrap(),
                tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap()
            );
            let floats = image
                .to_tensor()
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let expected: Vec<f32> = tensor
                .flatten_all()
                .unwrap()
                .to_vec1::<u8>()
                .unwrap()
                .iter()
                .map(|&b| f32::from(b) / 255.0)
                .collect();
            assert_eq!(floats, expected);
            let mut as_floats = image.clone();
            as_floats.make_floats();
            assert_eq!(
                as_floats
                    .to_tensor()
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap(),
                expected
            );
        }
    }

    #[test]
    fn bands_are_chosen() {
        let image = Image::new(1, 2, 2, Pixels::U16(vec![1, 2, 3, 4])).unwrap();
        assert_eq!(image.select(&[1]).unwrap().pixels, Pixels::U16(vec![2, 4]));
        assert_eq!(image.to_rgb().unwrap().bands, 3);
        assert!(
            image
                .select(&[2])
                .unwrap_err()
                .to_string()
                .contains("2 bands")
        );
        assert!(Image::new(0, 2, 2, Pixels::U8(vec![])).is_err());
        assert!(
            Image::new(1, 2, 2, Pixels::U8(vec![0; 3]))
                .unwrap_err()
                .to_string()
                .contains("has 4 samples, not 3")
        );
        let six = Image::new(1, 1, 6, Pixels::U8(vec![0; 6])).unwrap();
        assert!(six.to_rgb().unwrap_err().to_string().contains("select"));
    }
}
