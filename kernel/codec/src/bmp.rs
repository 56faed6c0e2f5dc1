//! BMP of 8 bits a pixel and more, with any compression that zune-bmp reads; written without compression.

use zune_bmp::{
    BmpDecoder,
    zune_core::{
        bit_depth::BitDepth, bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions,
    },
};

use crate::file::length;
use crate::{Extras, Format, Header, Reason, Samples, Shape};

type Decoder<'a> = BmpDecoder<ZCursor<&'a [u8]>>;

/// The decoder behind the headers, and how many channels its pixels have.
fn open(file: &[u8]) -> Result<(Decoder<'_>, usize), Reason> {
    // zune-bmp reads pixels of 1 bit wrong.
    if let Some(bits @ 1..8) = bits_of_a_pixel(file) {
        return Err(format!(
            "a BMP of {bits} bits a pixel; expected 8 or more: convert it to PNG"
        ));
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(1 << 24)
        .set_max_height(1 << 24);
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(one_line)?;
    let channels = match (decoder.colorspace(), decoder.depth()) {
        (Some(ColorSpace::Luma), BitDepth::Eight) => 1,
        (Some(ColorSpace::RGB), BitDepth::Eight) => 3,
        (Some(ColorSpace::RGBA), BitDepth::Eight) => 4,
        (colors, depth) => {
            return Err(format!(
                "a BMP of {colors:?} and {depth:?}; expected colors of 8 bits"
            ));
        }
    };
    Ok((decoder, channels))
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let (decoder, channels) = open(file)?;
    let (width, height) = decoder.dimensions().ok_or("a BMP without a size")?;
    let header = Header {
        format: Format::Bmp,
        shape: Shape {
            width,
            height,
            channels,
        },
        bits: 8,
    };
    length(header.shape, 1)?;
    Ok(header)
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    // A compressed picture has no length that its size would tell; any other has: the decoder fills up what is missing.
    if let Some(whole) = whole_length(file)
        && whole > file.len() as u64
    {
        return Err(format!("truncated: {} of {whole} bytes", file.len()));
    }
    let (mut decoder, _) = open(file)?;
    samples.bytes.resize(length(header.shape, 1)?, 0);
    decoder.decode_into(&mut samples.bytes).map_err(one_line)?;
    Ok(Extras::default())
}

/// What the header says, of 12 bytes or more.
fn bits_of_a_pixel(file: &[u8]) -> Option<u16> {
    let at = match u32::from_le_bytes(file.get(14..18)?.try_into().ok()?) {
        0..40 => 24,
        _ => 28,
    };
    Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?))
}

/// Of a picture without compression: where its rows begin, and the rows, each a multiple of four bytes.
fn whole_length(file: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    // The header of 12 bytes has its own, small fields and no compression.
    if number(14)? < 40 || !matches!(number(30)?, 0 | 3 | 6) {
        return None;
    }
    let (width, height) = (number(18)? as i32, number(22)? as i32);
    let bits = u64::from(number(28)? & 0xffff);
    let row = (u64::from(width.unsigned_abs()) * bits).div_ceil(32) * 4;
    Some(u64::from(number(10)?) + row * u64::from(height.unsigned_abs()))
}

/// Writes the header of 40 bytes (of 108 with alpha), rows from below, blue before green before red.
pub fn encode(header: &Header, samples: &Samples, file: &mut Vec<u8>) -> Result<(), Reason> {
    let Shape {
        width,
        height,
        channels,
    } = header.shape;
    let too_large = || format!("a BMP of {width} x {height} pixels would be over 4 GB");
    if header.bits != 8 || channels == 2 {
        return Err("a BMP has 8 bits, and alpha only with colors".to_owned());
    }
    let palette: usize = if channels == 1 { 4 * 256 } else { 0 };
    let length: usize = if channels == 4 { 108 } else { 40 };
    let start = 14 + length + palette;
    let row = (width * channels).next_multiple_of(4);
    let whole = u32::try_from(start + row * height).map_err(|_| too_large())?;
    let side = |side: usize| i32::try_from(side).map_err(|_| too_large());
    file.reserve(start + row * height);
    file.extend(b"BM");
    file.extend(whole.to_le_bytes());
    file.extend([0; 4]);
    file.extend((start as u32).to_le_bytes());
    file.extend((length as u32).to_le_bytes());
    file.extend(side(width)?.to_le_bytes());
    file.extend(side(height)?.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend((8 * channels as u16).to_le_bytes());
    // With alpha its bits are told, else the fourth byte counts as none.
    file.extend(if channels == 4 { 3u32 } else { 0 }.to_le_bytes());
    file.extend(((row * height) as u32).to_le_bytes());
    // 72 dots an inch.
    file.extend(2835u32.to_le_bytes());
    file.extend(2835u32.to_le_bytes());
    file.extend((palette as u32 / 4).to_le_bytes());
    file.extend([0; 4]);
    if channels == 4 {
        for mask in [0x00ff_0000u32, 0x0000_ff00, 0x0000_00ff, 0xff00_0000] {
            file.extend(mask.to_le_bytes());
        }
        file.extend(b"BGRs");
        file.extend([0; 48]);
    }
    if palette > 0 {
        file.extend((0..=255u8).flat_map(|value| [value, value, value, 0]));
    }
    for pixels in samples.bytes.chunks_exact(width * channels).rev() {
        for pixel in pixels.chunks_exact(channels) {
            match *pixel {
                [red, green, blue] => file.extend([blue, green, red]),
                [red, green, blue, alpha] => file.extend([blue, green, red, alpha]),
                _ => file.extend(pixel),
            }
        }
        file.resize(file.len() + row - width * channels, 0);
    }
    Ok(())
}

fn one_line(error: impl std::fmt::Debug) -> Reason {
    let text = format!("{error:?}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
