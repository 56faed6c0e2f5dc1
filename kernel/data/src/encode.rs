//! Tensors to files of pictures and masks.

use std::{fs, path::Path};

use candle_core::{DType, Device, Error, Tensor, bail};
use patchbay_codec::{Extras, Format, Header, Samples, Shape, encode};
use patchbay_show::Result;

/// The quality of JPEG files, of 100.
const QUALITY: u8 = 95;

/// Writes a picture as PNG, TIFF, JPEG or BMP by the end of its name: `[h, w]`, `[1, h, w]`, `[3, h, w]` or, with opacity, `[4, h, w]`.
///
/// Floats are 0 to 1 and become 8 bits, clipped. Whole numbers are written as they are, in 8 bits, or in 16 (PNG, TIFF) where one is above 255.
///
/// # Errors
///
/// Fails for another shape, numbers below 0 or above 65535, a name of another format, and where the file cannot be written.
///
/// ```
/// # use patchbay::prelude::*;
/// # let path = std::env::temp_dir().join(format!("written-by-the-docs-{}.png", std::process::id()));
/// data::write_image(&path, &torch::rand((3, 8, 8))?)?;
/// assert_eq!(data::read_image(&path)?.to_tensor()?.dims(), [3, 8, 8]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn write_image(path: impl AsRef<Path>, image: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let planes = match image.dims() {
        [_, _] => image.unsqueeze(0)?,
        [1 | 3 | 4, _, _] => image.clone(),
        other => bail!(
            "write_image: a picture is [h, w], [1, h, w], [3, h, w] or [4, h, w], not {other:?}; one of a batch is images.i(0)?"
        ),
    };
    let values = if planes.dtype().is_float() {
        ((planes.to_dtype(DType::F32)?.clamp(0.0, 1.0)? * 255.0)?.round()?).to_dtype(DType::I64)?
    } else {
        planes.to_dtype(DType::I64)?
    };
    write(path, "write_image", &values)
}

/// Writes a mask `[h, w]` of classes as gray values, as PNG, TIFF or BMP by the end of its name: what [`read_mask`](crate::read_mask) and
/// [`SegmentationFolder`](crate::SegmentationFolder) read. Positions that do not count, `ops::IGNORE_INDEX`, get the value `ignore`.
///
/// # Errors
///
/// Fails for another shape, floats, numbers below 0 without an `ignore`, or above 65535, a name of another format, and where the file cannot be
/// written.
///
/// ```
/// # use patchbay::prelude::*;
/// # let path = std::env::temp_dir().join(format!("mask-of-the-docs-{}.png", std::process::id()));
/// data::write_mask(&path, &torch::tensor([[0, 1], [2, -100]])?, Some(255))?;
/// assert_eq!(data::read_mask(&path, Some(255))?.to_tensor()?.to_vec2::<i64>()?, [[0, 1], [2, -100]]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn write_mask(path: impl AsRef<Path>, mask: &Tensor, ignore: Option<u16>) -> Result<()> {
    let path = path.as_ref();
    if mask.rank() != 2 || mask.dtype().is_float() {
        bail!(
            "write_mask: a mask is [h, w] of whole numbers, not {:?} of {:?}; predicted classes are logits.argmax(0)?",
            mask.dims(),
            mask.dtype()
        )
    }
    if is_jpeg(path) {
        bail!(
            "write_mask: {} would be JPEG, which changes the classes at edges: name it {}",
            path.display(),
            path.with_extension("png").display()
        )
    }
    let mut values = mask.to_dtype(DType::I64)?;
    if let Some(ignore) = ignore {
        let shape = values.shape().clone();
        let ignored = Tensor::full(i64::from(ignore), shape, values.device())?;
        values = values
            .eq(patchbay_ops::IGNORE_INDEX)?
            .where_cond(&ignored, &values)?;
    }
    write(path, "write_mask", &values.unsqueeze(0)?)
}

fn is_jpeg(path: &Path) -> bool {
    format_of(path) == Some(Format::Jpeg)
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    Some(match extension.as_str() {
        "png" => Format::Png,
        "tif" | "tiff" => Format::Tiff,
        "jpg" | "jpeg" => Format::Jpeg,
        "bmp" => Format::Bmp,
        _ => return None,
    })
}

/// Writes planes `[c, h, w]` of i64.
fn write(path: &Path, function: &str, planes: &Tensor) -> Result<()> {
    let Some(format) = format_of(path) else {
        bail!(
            "{function}: {} must end in .png, .tif, .jpg or .bmp",
            path.display()
        )
    };
    let (channels, height, width) = planes.dims3()?;
    if height == 0 || width == 0 {
        bail!("{function}: there is no picture of {height} x {width} pixels")
    }
    let pixels = planes
        .permute((1, 2, 0))?
        .flatten_all()?
        .to_device(&Device::Cpu)?
        .to_vec1::<i64>()?;
    let (low, high) = pixels.iter().fold((0, 0), |(low, high), &value| {
        (low.min(value), high.max(value))
    });
    let has_words = matches!(format, Format::Png | Format::Tiff);
    let most = if has_words { 65535 } else { 255 };
    if low < 0 || high > most {
        bail!(
            "{function}: values from {low} to {high}: must be 0 to {most} in {}{}",
            path.display(),
            if low == patchbay_ops::IGNORE_INDEX {
                "; Some(255) as last argument writes what does not count as 255"
            } else {
                ""
            }
        )
    }
    let mut samples = Samples::default();
    let bits = if high > 255 { 16 } else { 8 };
    // The values are within the type, as was checked above.
    match bits {
        8 => samples.bytes = pixels.into_iter().map(|value| value as u8).collect(),
        _ => samples.words = pixels.into_iter().map(|value| value as u16).collect(),
    }
    let shape = Shape {
        width,
        height,
        channels,
    };
    let header = Header {
        format,
        shape,
        bits,
    };
    let mut file = Vec::new();
    let failed = |reason: String| Error::Msg(format!("{function}: {}: {reason}", path.display()));
    encode(&header, &samples, &Extras::default(), QUALITY, &mut file).map_err(failed)?;
    fs::write(path, file).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_image, read_mask};

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("patchbay-write-{}-{name}", std::process::id()))
    }

    fn numbers(shape: &[usize], most: i64) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<i64> = (0..count as i64)
            .map(|at| (at * 7919) % (most + 1))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn what_is_written_is_read_in_all_formats() -> Result<()> {
        for (name, shape, most) in [
            ("a.png", vec![5, 7], 255),
            ("b.png", vec![3, 4, 9], 255),
            ("c.png", vec![4, 4, 3], 255),
            ("d.png", vec![3, 6, 5], 65535),
            ("e.tif", vec![3, 6, 5], 65535),
            ("f.tiff", vec![1, 8, 2], 255),
            ("g.bmp", vec![3, 3, 5], 255),
        ] {
            let path = path(name);
            let written = numbers(&shape, most);
            write_image(&path, &written)?;
            let read = read_image(&path)?;
            std::fs::remove_file(&path)?;
            let scaled = (read.to_tensor()? * most as f64)?
                .round()?
                .to_dtype(DType::I64)?;
            assert_eq!(
                scaled.flatten_all()?.to_vec1::<i64>()?,
                written.flatten_all()?.to_vec1::<i64>()?,
                "{name}"
            );
        }
        Ok(())
    }

    #[test]
    fn masks_keep_their_classes_and_what_does_not_count() -> Result<()> {
        let path = path("mask.png");
        let mask = Tensor::new(&[[0i64, 1, 300], [-100, 4, 5]], &Device::Cpu)?;
        write_mask(&path, &mask, Some(65535))?;
        let read = read_mask(&path, Some(65535))?.to_tensor()?;
        std::fs::remove_file(&path)?;
        assert_eq!(read.to_vec2::<i64>()?, mask.to_vec2::<i64>()?);
        Ok(())
    }

    #[test]
    fn what_no_file_can_hold_is_refused() {
        let told = |result: Result<()>| result.unwrap_err().to_string();
        let mask = Tensor::new(&[[-100i64, 0]], &Device::Cpu).unwrap();
        assert!(told(write_mask("m.png", &mask, None)).contains("Some(255)"));
        assert!(told(write_mask("m.jpg", &mask, Some(9))).contains("m.png"));
        assert!(told(write_image("m.gif", &numbers(&[2, 2], 9))).contains("must end in .png"));
        assert!(told(write_image("m.png", &numbers(&[2, 3, 2, 2], 9))).contains("images.i(0)?"));
        assert!(told(write_image("m.bmp", &numbers(&[2, 2], 900))).contains("0 to 255"));
        assert!(
            told(write_image("no/folder/m.png", &numbers(&[2, 2], 9))).contains("no/folder/m.png")
        );
        let floats = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
        assert!(told(write_mask("m.png", &floats, None)).contains("argmax"));
    }
}
