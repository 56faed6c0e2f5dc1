//! All bands of a TIFF, of its first picture.
//!
//! The decoder leaves bands out that are neither colors nor alpha, and reads no palette. It reads any number of bands of gray; so a copy of
//! the file is read whose photometric interpretation says gray.

use tiff::{decoder::DecodingResult, tags::Tag};

use crate::file::{length, metadata_limit};
use crate::{
    Extras, Format, Header, Reason, Samples, Shape,
    tiff::{Reader, open_within, planes, text},
};

/// The tag of the photometric interpretation.
const PHOTOMETRIC: u16 = 262;

/// The photometric interpretations whose samples are bands by themselves: gray, RGB, palette.
const BANDS: [u16; 4] = [0, 1, 2, 3];

/// A copy of the file whose picture is gray, of as many bands as it has.
fn as_gray(file: &[u8]) -> Result<Vec<u8>, Reason> {
    let broken = || "a TIFF whose directory of tags is not in the file".to_owned();
    let is_big_endian = file.starts_with(b"MM");
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = file.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().enumerate().fold(0, |sum, (index, &byte)| {
            let place = match is_big_endian {
                true => length - 1 - index,
                false => index,
            };
            sum | u64::from(byte) << (8 * place)
        }))
    };
    let is_big = number(2, 2) == Some(43);
    // Where the directory is, how long the count of its entries is, how long each is, where in it the value is.
    let (directory, count, entry, value) = match is_big {
        true => (number(8, 8), 8, 20, 12),
        false => (number(4, 4), 2, 12, 8),
    };
    let directory = directory
        .and_then(|at| usize::try_from(at).ok())
        .ok_or_else(broken)?;
    let entries = number(directory, count).ok_or_else(broken)?;
    let mut copy = file.to_vec();
    for index in 0..usize::try_from(entries).map_err(|_| broken())? {
        let at = index
            .checked_mul(entry)
            .and_then(|offset| directory.checked_add(count)?.checked_add(offset))
            .ok_or_else(broken)?;
        let tag = number(at, 2).ok_or_else(broken)?;
        if tag != u64::from(PHOTOMETRIC) {
            continue;
        }
        let found = number(at + value, 2).ok_or_else(broken)?;
        if u16::try_from(found).is_ok_and(|found| BANDS.contains(&found)) {
            let gray = match is_big_endian {
                true => 1u16.to_be_bytes(),
                false => 1u16.to_le_bytes(),
            };
            copy.get_mut(at + value..at + value + 2)
                .ok_or_else(broken)?
                .copy_from_slice(&gray);
            return Ok(copy);
        }
        return Err(format!(
            "a TIFF of the photometric interpretation {found}; expected bands of gray (0, 1), RGB (2) or a palette (3)"
        ));
    }
    Err("a TIFF that does not say its photometric interpretation".to_owned())
}

/// How many bands there are, of how many bits, and whether one lies after the other.
struct Bands {
    count: usize,
    bits: u8,
    is_planar: bool,
}

fn bands(decoder: &mut Reader<'_>) -> Result<Bands, Reason> {
    let mut first = |tag: Tag, default: u16| -> Result<u16, Reason> {
        let found = decoder.find_tag_unsigned_vec::<u16>(tag).map_err(text)?;
        Ok(found
            .and_then(|all| all.first().copied())
            .unwrap_or(default))
    };
    let count = usize::from(first(Tag::SamplesPerPixel, 1)?);
    let bits = first(Tag::BitsPerSample, 1)?;
    let format = first(Tag::SampleFormat, 1)?;
    let is_planar = first(Tag::PlanarConfiguration, 1)? == 2;
    match (format, bits) {
        (1, 8 | 16) if count > 0 => Ok(Bands {
            count,
            bits: bits as u8,
            is_planar,
        }),
        _ => Err(format!(
            "a TIFF of {count} bands of {} of {bits} bits; expected unsigned integers of 8 or 16 bits (gdal_translate -ot UInt16 \
             -scale LEAST GREATEST 0 65535)",
            match format {
                1 => "unsigned integers",
                2 => "signed integers",
                3 => "floats",
                _ => "samples of an unknown kind",
            }
        )),
    }
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let file = as_gray(file)?;
    let mut decoder = open_within(&file, metadata_limit(&file))?;
    let (width, height) = decoder.dimensions().map_err(text)?;
    let bands = bands(&mut decoder)?;
    crate::tiff::check_tiles(&mut decoder, width, height)?;
    let header = Header {
        format: Format::Tiff,
        shape: Shape {
            width: width as usize,
            height: height as usize,
            channels: bands.count,
        },
        bits: bands.bits,
    };
    length(header.shape, 4)?;
    Ok(header)
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    let expected = length(header.shape, 4)?;
    let file = as_gray(file)?;
    let bytes = (expected * usize::from(header.bits / 8)).saturating_mul(2);
    let mut decoder = open_within(&file, bytes.max(metadata_limit(&file)))?;
    let bands = bands(&mut decoder)?;
    let is_planar = bands.is_planar && bands.count > 1;
    let result = match is_planar {
        true => planes(&mut decoder, header, bands.count, bands.bits)?,
        false => decoder.read_image().map_err(text)?,
    };
    let found = match result {
        DecodingResult::U8(bytes) => {
            samples.bytes = interleaved(bytes, bands.count, is_planar);
            samples.bytes.len()
        }
        DecodingResult::U16(words) => {
            samples.words = interleaved(words, bands.count, is_planar);
            samples.words.len()
        }
        _ => return Err("a TIFF whose samples are no unsigned integers".to_owned()),
    };
    if found != expected {
        return Err(format!(
            "a TIFF of {found} samples where its header says {expected}"
        ));
    }
    crate::tiff::extras_of_bands(&file, header, samples)
}

/// Pixel after pixel.
fn interleaved<T: Copy>(samples: Vec<T>, count: usize, is_planar: bool) -> Vec<T> {
    if !is_planar {
        return samples;
    }
    let pixels = samples.len() / count;
    (0..pixels * count)
        .map(|at| samples[at % count * pixels + at / count])
        .collect()
}
