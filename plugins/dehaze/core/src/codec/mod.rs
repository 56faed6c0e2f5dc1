//! JPEG, PNG and TIFF files, 8 and 16 bit.
//!
//! What a file is, its first bytes say, not its name. A decoded file holds everything that is to be in
//! the file that is written in its place: its colour profile, EXIF data, and a TIFF's georeference.
//!
//! A file says itself how large its pixels and its metadata are, and may say anything. What reading a header takes is bounded
//! by the file's size; what decoding takes is known before ([`memory`]), so that the caller can decide.

mod jpeg;
mod png;
mod tiff;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::picture::Shape;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Tiff,
}

impl Format {
    /// What a file that begins with these bytes is.
    pub fn of(file: &[u8]) -> Option<Format> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Format::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Jpeg => "jpeg",
            Format::Png => "png",
            Format::Tiff => "tiff",
        }
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    pub shape: Shape,
    /// 8 or 16.
    pub bits: u8,
}

/// Samples in a buffer that is used again. One of the two holds the picture.
#[derive(Debug, Default)]
pub struct Samples {
    pub bytes: Vec<u8>,
    pub words: Vec<u16>,
}

/// What is kept of a file beside its pixels.
#[derive(Debug, Default)]
pub struct Extras {
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    tiff: tiff::Tags,
    /// What of the file could not be kept; empty where all was.
    left_out: String,
}

impl Extras {
    /// What of the file could not be kept beside its pixels, in one line; empty where all was.
    pub fn left_out(&self) -> &str {
        &self.left_out
    }
}

/// Why a file could not be read or written; one line.
pub type Reason = String;

/// The most that metadata of a file may become in memory: colour profiles are compressed in a PNG.
fn metadata_limit(file: &[u8]) -> usize {
    (file.len().saturating_mul(16))
        .saturating_add(1 << 20)
        .min(32 << 20)
}

/// About how many bytes the decoding and encoding of a file take beside the file and the samples before and after.
pub fn memory(file: &[u8], header: &Header) -> u64 {
    let samples = header.shape.samples() as u64 * u64::from(header.bits / 8);
    // The encoded file: what cannot be compressed is as large as the samples.
    let encoded = samples;
    let metadata = 4 * file.len().min(metadata_limit(file)) as u64;
    let own = match header.format {
        // A progressive file's coefficients are kept in 16 bits.
        Format::Jpeg => 2 * samples,
        Format::Png => {
            3 * png::profile_length(file) + if header.bits == 16 { 2 * samples } else { 0 }
        }
        // The decoder hands out a buffer of its own; four inks become three colours.
        Format::Tiff => 2 * samples,
    };
    encoded + metadata + own
}

/// Reads a file's header.
///
/// # Errors
///
/// Says in one line why the file is none that can be dehazed.
pub fn header(file: &[u8]) -> Result<Header, Reason> {
    if file.is_empty() {
        return Err("the file is empty".to_owned());
    }
    caught(|| match Format::of(file) {
        Some(Format::Jpeg) => jpeg::header(file),
        Some(Format::Png) => png::header(file),
        Some(Format::Tiff) => tiff::header(file),
        None => Err("neither JPEG, PNG nor TIFF by its first bytes".to_owned()),
    })
}

/// Decodes a file whose header was read.
///
/// # Errors
///
/// Says in one line what is wrong with the file. A truncated file is an error, never half a picture.
pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    caught(|| match header.format {
        Format::Jpeg => jpeg::decode(file, header, samples),
        Format::Png => png::decode(file, header, samples),
        Format::Tiff => tiff::decode(file, header, samples),
    })
}

/// Encodes a picture in the format of the file that it was read from. `quality` (1 to 100) is that of
/// JPEG; the other formats are lossless.
///
/// # Errors
///
/// Fails where the picture does not fit the format.
pub fn encode(
    header: &Header,
    samples: &Samples,
    extras: &Extras,
    quality: u8,
    file: &mut Vec<u8>,
) -> Result<(), Reason> {
    file.clear();
    match header.format {
        Format::Jpeg => jpeg::encode(header, samples, extras, quality, file),
        Format::Png => png::encode(header, samples, extras, file),
        Format::Tiff => tiff::encode(header, samples, extras, file),
    }
}

/// Calls a decoder: one that meets what its author did not think of and panics has found a broken file.
fn caught<T>(decode: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err("the decoder has failed (it panicked); the file is broken".to_owned())
    })
}

/// A number of samples as a buffer's length, with a limit that no picture in memory passes.
fn length(shape: Shape, bytes: usize) -> Result<usize, Reason> {
    let pixels = shape.width.checked_mul(shape.height);
    pixels
        .and_then(|pixels| pixels.checked_mul(shape.channels * bytes))
        .filter(|&length| isize::try_from(length).is_ok() && length > 0)
        .map(|length| length / bytes)
        .ok_or_else(|| format!("a picture of {} x {} pixels", shape.width, shape.height))
}
