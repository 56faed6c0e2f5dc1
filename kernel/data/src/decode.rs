//! Files to images and masks.

use std::{fs, path::Path};

use candle_core::{Error, bail};
use patchbay_codec::{Header, Samples, Wanted, decode_of, header_of};
use patchbay_ops::IGNORE_INDEX;
use patchbay_show::Result;

use crate::{Image, Mask, image::Pixels};

/// The most pixels that a picture of a data set may claim, unless the caller says otherwise.
const MOST_SAMPLES: usize = 1 << 30;

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path)
        .map_err(|error| Error::Msg(format!("{} cannot be read: {error}", path.display())))
}

fn decoded(file: &[u8], name: &str, wanted: Wanted) -> Result<(Header, Samples, Option<u16>)> {
    let failed = |reason: String| Error::Msg(format!("{name}: {reason}"));
    let header = header_of(file, wanted).map_err(failed)?;
    if header.shape.samples() > MOST_SAMPLES {
        bail!(
            "{name}: {} x {} pixels of {} bands are too many for a sample; cut it into tiles",
            header.shape.height,
            header.shape.width,
            header.shape.channels
        );
    }
    let mut samples = Samples::default();
    let extras = decode_of(file, &header, &mut samples, wanted).map_err(failed)?;
    Ok((header, samples, extras.white()))
}

/// Decodes a JPEG, PNG, TIFF or BMP file in memory, of 8 or 16 bits, with all bands of a TIFF. `name` is what errors call it.
///
/// # Errors
///
/// Fails for a broken file and one of another format, naming it.
pub fn decode_image(file: &[u8], name: &str) -> Result<Image> {
    let (header, samples, white) = decoded(file, name, Wanted::Bands)?;
    let pixels = match header.bits {
        8 => Pixels::U8(samples.bytes),
        _ => Pixels::U16(samples.words),
    };
    let image = Image::new(
        header.shape.height,
        header.shape.width,
        header.shape.channels,
        pixels,
    )?;
    Ok(match white {
        Some(white) => image.with_white(f32::from(white)),
        None => image,
    })
}

/// Decodes a mask in memory: the indices of a palette or the values of gray, as they are in the file. `ignore` is the value of pixels that do
/// not count, which become `ops::IGNORE_INDEX`.
///
/// # Errors
///
/// Fails for a broken file, naming it, and for one with colors.
pub fn decode_mask(file: &[u8], name: &str, ignore: Option<u16>) -> Result<Mask> {
    let (header, samples, _) = decoded(file, name, Wanted::Indices)?;
    if header.shape.channels != 1 {
        bail!(
            "{name} has {} bands; a mask has one, of a palette or of gray, whose values are classes",
            header.shape.channels
        );
    }
    let class = |value: u16| match Some(value) == ignore {
        true => IGNORE_INDEX as i32,
        false => i32::from(value),
    };
    let classes = match header.bits {
        8 => samples
            .bytes
            .into_iter()
            .map(|value| class(value.into()))
            .collect(),
        _ => samples.words.into_iter().map(class).collect(),
    };
    Mask::new(header.shape.height, header.shape.width, classes)
}

/// Reads an image; see [`decode_image`].
///
/// # Errors
///
/// Fails as there, and where the file cannot be read.
pub fn read_image(path: impl AsRef<Path>) -> Result<Image> {
    let path = path.as_ref();
    decode_image(&read_file(path)?, &path.display().to_string())
}

/// Reads a mask; see [`decode_mask`].
///
/// # Errors
///
/// Fails as there, and where the file cannot be read.
pub fn read_mask(path: impl AsRef<Path>, ignore: Option<u16>) -> Result<Mask> {
    let path = path.as_ref();
    decode_mask(&read_file(path)?, &path.display().to_string(), ignore)
}

/// The first class that is not below `classes`.
pub(crate) fn check_classes(mask: &Mask, classes: usize, name: &str) -> Result<()> {
    let ignored = IGNORE_INDEX as i32;
    let beyond = mask.classes.iter().position(|&class| {
        class != ignored && usize::try_from(class).is_ok_and(|class| class >= classes)
    });
    match beyond {
        Some(at) => bail!(
            "{name}: the pixel in row {}, column {} is of class {}; there are {classes} classes, from 0 (.ignore({2}) leaves such pixels out)",
            at / mask.width,
            at % mask.width,
            mask.classes[at]
        ),
        None => Ok(()),
    }
}
