//! What a file is and what is in it.

use crate::shape::Shape;

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
    pub(crate) icc: Option<Vec<u8>>,
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) tiff: crate::tiff::Tags,
    /// What of the file could not be kept; empty where all was.
    pub(crate) left_out: String,
    /// The sample that stands for no data, and which pixels are data.
    pub(crate) no_data: Option<u32>,
    pub(crate) data: Option<Vec<bool>>,
    pub(crate) white: Option<u16>,
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
pub(crate) fn metadata_limit(file: &[u8]) -> usize {
    (file.len().saturating_mul(16))
        .saturating_add(1 << 20)
        .min(32 << 20)
}

/// A number of samples as a buffer's length, with a limit that no picture in memory passes.
pub(crate) fn length(shape: Shape, bytes: usize) -> Result<usize, Reason> {
    let pixels = shape.width.checked_mul(shape.height);
    pixels
        .and_then(|pixels| pixels.checked_mul(shape.channels * bytes))
        .filter(|&length| isize::try_from(length).is_ok() && length > 0)
        .map(|length| length / bytes)
        .ok_or_else(|| format!("a picture of {} x {} pixels", shape.width, shape.height))
}
