//! PNG. Palettes and fewer than 8 bits are expanded; 16 bits stay.

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};

use crate::file::{length, metadata_limit};
use crate::{Extras, Format, Header, Reason, Samples, Shape, Wanted};

fn open(file: &[u8], wanted: Wanted) -> Result<png::Reader<Cursor<&[u8]>>, Reason> {
    let mut decoder = Decoder::new(Cursor::new(file));
    decoder.set_limits(Limits {
        bytes: metadata_limit(file).saturating_add(row_bytes(file)),
    });
    // Texts are not kept.
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(match wanted {
        Wanted::Indices => Transformations::IDENTITY,
        Wanted::Colors | Wanted::Bands => Transformations::EXPAND,
    });
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
    let profile = open(file, Wanted::Colors).ok().and_then(|reader| {
        let profile = reader.info().icc_profile.as_ref()?;
        Some(profile.len() as u64)
    });
    profile.unwrap_or(0)
}

pub fn header(file: &[u8], wanted: Wanted) -> Result<Header, Reason> {
    let reader = open(file, wanted)?;
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

pub fn decode(
    file: &[u8],
    header: &Header,
    samples: &mut Samples,
    wanted: Wanted,
) -> Result<Extras, Reason> {
    let mut reader = open(file, wanted)?;
    let count = length(header.shape, 2)?;
    let packed = match reader.output_color_type().1 {
        BitDepth::One => 1,
        BitDepth::Two => 2,
        BitDepth::Four => 4,
        BitDepth::Eight | BitDepth::Sixteen => 8,
    };
    if packed < 8 {
        let mut rows = vec![
            0;
            reader
                .output_buffer_size()
                .ok_or("a PNG too large for memory")?
        ];
        reader
            .next_frame(&mut rows)
            .map_err(|error| error.to_string())?;
        unpack(&rows, header.shape, packed, &mut samples.bytes);
    } else if header.bits == 8 {
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

/// Indices of fewer than 8 bits, each as a byte. Rows begin with a byte.
fn unpack(rows: &[u8], shape: Shape, bits: usize, bytes: &mut Vec<u8>) {
    let per_byte = 8 / bits;
    let stride = (shape.width * shape.channels).div_ceil(per_byte);
    bytes.clear();
    for row in rows.chunks_exact(stride.max(1)) {
        bytes.extend((0..shape.width * shape.channels).map(|at| {
            let shift = 8 - bits * (at % per_byte + 1);
            row[at / per_byte] >> shift & ((1u16 << bits) - 1) as u8
        }));
    }
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
