//! JPEG, PNG, TIFF and BMP files, 8 and 16 bit.
//!
//! Dehazing, `tool/read_image` and data sets read by it. What a file is, its first bytes say, not its name. A decoded file holds everything that is to be in
//! the file that is written in its place: its color profile, EXIF data, and a TIFF's georeference.
//!
//! A file says itself how large its pixels and its metadata are, and may say anything. What reading a header takes is bounded
//! by the file's size; what decoding takes is known before ([`memory`]), so that the caller can decide.

mod bmp;
mod jpeg;
mod png;
mod shape;
mod tiff;
mod tiff_bands;
mod wanted;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use shape::Shape;
pub use wanted::Wanted;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF and BigTIFF.
    Tiff,
    /// Windows' bitmap.
    Bmp,
}

impl Format {
    /// What a file that begins with these bytes is.
    pub fn of(file: &[u8]) -> Option<Format> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Format::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
            // Bytes 6 to 9 are reserved and 0.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Format::Bmp),
            _ => None,
        }
    }

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jpeg => "jpeg",
            Format::Png => "png",
            Format::Tiff => "tiff",
            Format::Bmp => "bmp",
        }
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the file is.
    pub format: Format,
    /// How large the picture is.
    pub shape: Shape,
    /// 8 or 16.
    pub bits: u8,
}

/// Samples in a buffer that is used again. One of the two holds the picture.
#[derive(Debug, Default)]
pub struct Samples {
    /// Those of 8 bits.
    pub bytes: Vec<u8>,
    /// Those of 16 bits.
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
    /// The sample that stands for no data, and which pixels are data.
    no_data: Option<u32>,
    data: Option<Vec<bool>>,
    white: Option<u16>,
}

impl Extras {
    /// What of the file could not be kept beside its pixels, in one line; empty where all was.
    pub fn left_out(&self) -> &str {
        &self.left_out
    }

    /// Which pixels are data, `[height, width]`; none where all are.
    pub fn data(&self) -> Option<&[bool]> {
        self.data.as_deref()
    }

    /// The sample that stands for no data in all colors of a pixel.
    pub fn no_data(&self) -> Option<u32> {
        self.no_data
    }

    /// What of 16 bits is white, where the file says it: 4095 for 12 bits.
    pub fn white(&self) -> Option<u16> {
        self.white
    }
}

/// Why a file could not be read or written; one line.
pub type Reason = String;

/// The most that metadata of a file may become in memory: color profiles are compressed in a PNG.
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
        // The decoder hands out a buffer of its own; four inks become three colors.
        Format::Tiff => 2 * samples,
        Format::Bmp => samples,
    };
    // Which pixels are data.
    let own = own + header.shape.pixels() as u64;
    encoded + metadata + own
}

/// Reads a file's header.
///
/// # Errors
///
/// Says in one line why the file is none that can be dehazed.
pub fn header(file: &[u8]) -> Result<Header, Reason> {
    header_of(file, Wanted::Colors)
}

/// As [`header`], of what is wanted.
///
/// # Errors
///
/// Says in one line why it cannot be had.
pub fn header_of(file: &[u8], wanted: Wanted) -> Result<Header, Reason> {
    if file.is_empty() {
        return Err("the file is empty".to_owned());
    }
    caught(|| match Format::of(file) {
        Some(Format::Jpeg) => jpeg::header(file),
        Some(Format::Png) => png::header(file, wanted),
        Some(Format::Tiff) if wanted != Wanted::Colors => tiff_bands::header(file),
        Some(Format::Tiff) => tiff::header(file),
        Some(Format::Bmp) => bmp::header(file),
        None => Err(match other_format(file) {
            Some(name) => format!(
                "{name} by its first bytes, and not JPEG, PNG, TIFF or BMP, whatever its name: convert it to one of those"
            ),
            None => "neither JPEG, PNG, TIFF nor BMP by its first bytes".to_owned(),
        }),
    })
}

/// Decodes a file whose header was read.
///
/// # Errors
///
/// Says in one line what is wrong with the file. A truncated file is an error, never half a picture.
pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    decode_of(file, header, samples, Wanted::Colors)
}

/// As [`decode`], of what is wanted: the header was read by [`header_of`] with the same.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_of(
    file: &[u8],
    header: &Header,
    samples: &mut Samples,
    wanted: Wanted,
) -> Result<Extras, Reason> {
    caught(|| match header.format {
        Format::Jpeg => jpeg::decode(file, header, samples),
        Format::Png => png::decode(file, header, samples, wanted),
        Format::Tiff if wanted != Wanted::Colors => tiff_bands::decode(file, header, samples),
        Format::Tiff => tiff::decode(file, header, samples),
        Format::Bmp => bmp::decode(file, header, samples),
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
        Format::Bmp => bmp::encode(header, samples, file),
    }
}

/// The name of a format that pictures have, and that is not read here.
fn other_format(file: &[u8]) -> Option<&'static str> {
    Some(match file {
        [b'G', b'I', b'F', b'8', ..] => "GIF",
        _ if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") => "WebP",
        _ if matches!(file.get(4..12), Some(b"ftypavif" | b"ftypavis")) => "AVIF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "HEIF",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => "JPEG 2000",
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [b'8', b'B', b'P', b'S', ..] => "Photoshop's PSD",
        [0x89, b'H', b'D', b'F', ..] => "HDF5",
        [0x76, 0x2f, 0x31, 0x01, ..] => "OpenEXR",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        [b'P', b'1'..=b'7', b'\n' | b' ', ..] => "Netpbm",
        _ => return None,
    })
}

pub use tiff::fewest_bits;

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
