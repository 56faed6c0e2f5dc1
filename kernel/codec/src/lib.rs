//! JPEG, PNG, TIFF and BMP files, 8 and 16 bit.
//!
//! Dehazing, `tool/read_image` and data sets read by it. What a file is, its first bytes say, not its name. A decoded file holds
//! everything that is to be in the file that is written in its place: its color profile, EXIF data, and a TIFF's georeference.
//!
//! A file says itself how large its pixels and its metadata are, and may say anything. What reading a header takes is bounded
//! by the file's size; what decoding takes is known before ([`memory`]), so that the caller can decide.

mod bmp;
mod file;
mod jpeg;
mod png;
mod shape;
mod tiff;
mod tiff_bands;
mod wanted;

use std::panic::{AssertUnwindSafe, catch_unwind};

use file::metadata_limit;

pub use file::{Extras, Format, Header, Reason, Samples};
pub use shape::Shape;
pub use wanted::Wanted;

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
