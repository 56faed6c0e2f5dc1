//! Mean and standard deviation of each band, as a network was trained with.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

/// `(image - mean) / std`, band by band. Images are in the unit that the constants are in: 0..=1 for the RGB
/// ones, reflectance times 10,000 for [`Normalization::prithvi_2`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// The mean of each channel, subtracted first.
    pub mean: Vec<f64>,
    /// The deviation of each channel, divided by.
    pub std: Vec<f64>,
}

impl Normalization {
    fn new(mean: &[f64], std: &[f64]) -> Normalization {
        Normalization {
            mean: mean.to_vec(),
            std: std.to_vec(),
        }
    }

    /// ImageNet's: timm, DeiT, MAE, RVSA, Scale-MAE, DINOv2.
    pub fn imagenet() -> Normalization {
        Normalization::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])
    }

    /// CLIP's, which ALBEF and RemoteCLIP use, too.
    pub fn clip() -> Normalization {
        Normalization::new(
            &[0.481_454_66, 0.457_827_5, 0.408_210_73],
            &[0.268_629_54, 0.261_302_58, 0.275_777_11],
        )
    }

    /// Of Functional Map of the World in RGB: SatMAE.
    pub fn fmow_rgb() -> Normalization {
        Normalization::new(&[0.4182, 0.4215, 0.3991], &[0.2877, 0.2754, 0.2764])
    }

    /// Of the satellite images of DINOv3.
    pub fn dinov3_satellite() -> Normalization {
        Normalization::new(&[0.430, 0.411, 0.296], &[0.213, 0.156, 0.143])
    }

    /// Of Prithvi-EO-2's six bands of harmonized Landsat and Sentinel-2.
    pub fn prithvi_2() -> Normalization {
        Normalization::new(
            &[1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0],
            &[2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0],
        )
    }

    /// `images` is `[batch, bands, height, width]` or `[bands, height, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the images have another number of bands, or are no floats.
    pub fn apply(&self, images: &Tensor) -> Result<Tensor> {
        let bands = self.mean.len();
        let rank = images.rank();
        if !(3..=4).contains(&rank) || images.dim(rank - 3)? != bands {
            bail!(
                "this normalization is for images [batch, {bands}, height, width], not {:?}",
                images.dims()
            )
        }
        if !images.dtype().is_float() {
            bail!(
                "this normalization is for images of floats, not {:?}: convert with to_dtype(DType::F32) first, and divide \
                 by 255 where they are for 0..=1",
                images.dtype()
            )
        }
        let constants = |values: &[f64]| {
            Tensor::new(values, images.device())?
                .to_dtype(images.dtype())?
                .reshape((bands, 1, 1))
        };
        images
            .broadcast_sub(&constants(&self.mean)?)?
            .broadcast_div(&constants(&self.std)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn bytes_and_other_bands_are_refused() {
        let apply = |bands: usize, dtype: DType| {
            let images = Tensor::ones((2, bands, 4, 4), dtype, &Device::Cpu).unwrap();
            Normalization::imagenet().apply(&images)
        };
        let bytes = apply(3, DType::U8).unwrap_err().to_string();
        assert!(bytes.contains("to_dtype"), "{bytes}");
        assert!(apply(5, DType::F32).is_err());
        let value = apply(3, DType::F64).unwrap().get(0).unwrap();
        let value: Vec<f64> = value.flatten_all().unwrap().to_vec1().unwrap();
        assert!((value[0] - (1.0 - 0.485) / 0.229).abs() < 1e-12);
    }
}
