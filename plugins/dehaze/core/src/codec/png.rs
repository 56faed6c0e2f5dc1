//! PNG. Palettes and fewer than 8 bits are expanded; 16 bits stay.

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};

use super::{Extras, Format, Header, Reason, Samples, length, metadata_limit};
use crate::picture::Shape;

fn open(file: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>, Reason> {
    let mut decoder = Decoder::new(Cursor::new(file));
    decoder.set_limits(Limits {
        bytes: metadata_limit(file).saturating_add(row_bytes(file)),
    });
    // Texts are not kept.
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(|error| match error {
        png::DecodingError::LimitsExceeded => format!(
            "a PNG whose color profile or other metadata take over {} MB",
            metadata_limit(file) >> 20
        ),
        error => error.to_string(),
    })
}

/// What the decoder keeps of pixels: a row of at most four samples of 16 bits. The width is the first field of the first
/// chunk.
fn row_bytes(file: &[u8]) -> usize {
    let width = file.get(16..20).and_then(|bytes| bytes.try_into().ok());
    8 * width.map_or(0, u32::from_be_bytes) as usize + 1
}

/// Whether a chunk with a color profile is in front of the pixels.
fn has_profile(file: &[u8]) -> bool {
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((name, after)) = after.split_first_chunk::<4>() else {
            return false;
        };
        match name {
            b"iCCP" => return true,
            b"IDAT" => return false,
            _ => {}
        }
        // The data and their checksum.
        let skipped = u32::from_be_bytes(*length) as usize + 4;
        rest = after.get(skipped..).unwrap_or_default();
    }
    false
}

/// How long the color profile of a PNG is.
pub fn profile_length(file: &[u8]) -> u64 {
    let profile = open(file).ok().and_then(|reader| {
        let profile = reader.info().icc_profile.as_ref()?;
        Some(profile.len() as u64)
    });
    profile.unwrap_or(0)
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let reader = open(file)?;
    if reader.info().is_animated() {
        return Err("an animated PNG".to_owned());
    }
    let (colors, depth) = reader.output_color_type();
    let header = Header {
        format: Format::Png,
        shape: Shape {
            width: reader.info().width as usize,
            height: reader.info().height as usize,
            channels: colors.samples(),
        },
        bits: if depth == BitDepth::Sixteen { 16 } else { 8 },
    };
    length(header.shape, 2)?;
    Ok(header)
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    let mut reader = open(file)?;
    let count = length(header.shape, 2)?;
    if header.bits == 8 {
        samples.bytes.resize(count, 0);
        reader
            .next_frame(&mut samples.bytes)
            .map_err(|error| error.to_string())?;
    } else {
        samples.bytes.resize(2 * count, 0);
        reader
            .next_frame(&mut samples.bytes)
            .map_err(|error| error.to_string())?;
        let words = samples.bytes.as_chunks::<2>().0;
        samples.words.clear();
        samples
            .words
            .extend(words.iter().map(|&word| u16::from_be_bytes(word)));
    }
    // The end of the file is checked, too: its checksums are part of it.
    reader.finish().map_err(|error| error.to_string())?;
    let info = reader.info();
    let left_out = if info.icc_profile.is_none() && has_profile(file) {
        format!(
            "its color profile is left out: it is broken, or over {} MB",
            metadata_limit(file) >> 20
        )
    } else {
        String::new()
    };
    Ok(Extras {
        left_out,
        icc: info.icc_profile.as_ref().map(|profile| profile.to_vec()),
        exif: info.exif_metadata.as_ref().map(|exif| exif.to_vec()),
        ..Extras::default()
    })
}

pub fn encode(
    header: &Header,
    samples: &Samples,
    extras: &Extras,
    file: &mut Vec<u8>,
) -> Result<(), Reason> {
    let Shape {
        width,
        height,
        channels,
    } = header.shape;
    let side =
        |side| u32::try_from(side).map_err(|_| "a PNG has at most 2^31 pixels a side".to_owned());
    let mut info = png::Info::with_size(side(width)?, side(height)?);
    info.color_type = match channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    info.bit_depth = if header.bits == 16 {
        BitDepth::Sixteen
    } else {
        BitDepth::Eight
    };
    info.icc_profile = extras.icc.as_deref().map(Into::into);
    info.exif_metadata = extras.exif.as_deref().map(Into::into);
    let text = |error: png::EncodingError| error.to_string();
    let mut encoder = Encoder::with_info(file, info).map_err(text)?;
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(text)?;
    if header.bits == 16 {
        let bytes: Vec<u8> = samples
            .words
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        writer.write_image_data(&bytes).map_err(text)?;
    } else {
        writer.write_image_data(&samples.bytes).map_err(text)?;
    }
    writer.finish().map_err(text)
}
