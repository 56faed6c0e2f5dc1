//! JPEG. CMYK and YCCK become RGB.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::file::length;
use crate::{Extras, Format, Header, Reason, Samples, Shape};

fn options() -> DecoderOptions {
    // Strict: a truncated file is an error and not a picture with a gray end.
    DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
}

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// The decoder behind the headers, and what the pixels are to become.
fn open(file: &[u8]) -> Result<(Decoder<'_>, ColorSpace), Reason> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options());
    decoder.decode_headers().map_err(one_line)?;
    let colors = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        Some(_) => ColorSpace::RGB,
        None => return Err("a JPEG without a frame".to_owned()),
    };
    Ok((decoder, colors))
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let (decoder, colors) = open(file)?;
    let (width, height) = decoder.dimensions().ok_or("a JPEG without a frame")?;
    let header = Header {
        format: Format::Jpeg,
        shape: Shape {
            width,
            height,
            channels: colors.num_components(),
        },
        bits: 8,
    };
    length(header.shape, 1)?;
    Ok(header)
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    let end = end(file).ok_or("truncated: there is no end-of-image marker")?;
    let (picture, behind) = file.split_at(end);
    let behind = behind.trim_ascii_end_zeros();
    let (mut decoder, colors) = open(picture)?;
    decoder.set_options(options().jpeg_set_out_colorspace(colors));
    samples.bytes.resize(length(header.shape, 1)?, 0);
    decoder.decode_into(&mut samples.bytes).map_err(one_line)?;
    let converted = !matches!(
        decoder.input_colorspace(),
        Some(ColorSpace::Luma | ColorSpace::YCbCr | ColorSpace::RGB)
    );
    let mut left_out = Vec::new();
    if !behind.is_empty() {
        left_out.push(format!(
            "{} bytes behind the picture are left out: {}",
            behind.len(),
            what_is(behind)
        ));
    }
    if converted {
        left_out.push("four inks became red, green and blue".to_owned());
    }
    Ok(Extras {
        left_out: left_out.join("; "),
        // A profile of inks does not describe RGB.
        icc: decoder.icc_profile().filter(|_| !converted),
        exif: decoder.exif().cloned(),
        ..Extras::default()
    })
}

/// Where the picture ends, behind its end-of-image marker; none where it has none. Cameras and telephones put more behind
/// it: further pictures (multi-picture format), depths, a video, notes of their own.
fn end(file: &[u8]) -> Option<usize> {
    // Behind the start-of-image marker: segments with their lengths, and behind a start of scan its coded data.
    let mut at = 2;
    loop {
        // Any number of fill bytes may be in front of a marker.
        let marker = loop {
            match (file.get(at)?, file.get(at + 1)?) {
                (0xff, 0xff) => at += 1,
                (0xff, marker) => break *marker,
                _ => return None,
            }
        };
        at += 2;
        match marker {
            0xd9 => return Some(at),
            // Without a length.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let length = u16::from_be_bytes([*file.get(at)?, *file.get(at + 1)?]);
        at += usize::from(length.max(2));
        if marker == 0xda {
            // Coded data: 0xff is followed by 0, or by a restart.
            loop {
                at += file.get(at..)?.iter().position(|&byte| byte == 0xff)?;
                match file.get(at + 1)? {
                    0 | 0xd0..=0xd7 => at += 2,
                    0xff => at += 1,
                    _ => break,
                }
            }
        }
    }
}

/// What stands behind a picture, by its first bytes or its last.
fn what_is(behind: &[u8]) -> &'static str {
    let has = |name: &[u8]| {
        let (first, last) = (
            &behind[..behind.len().min(64)],
            &behind[behind.len().saturating_sub(64)..],
        );
        [first, last]
            .iter()
            .any(|part| part.windows(name.len()).any(|found| found == name))
    };
    match () {
        () if behind.starts_with(&[0xff, 0xd8, 0xff]) => "a further picture",
        () if has(b"SEFT") => "Samsung's notes",
        () if has(b"ftyp") => "a video",
        () => "data of the program that wrote it",
    }
}

trait TrimZeros {
    fn trim_ascii_end_zeros(&self) -> &Self;
}

impl TrimZeros for [u8] {
    /// Without zeros at the end, which some programs pad a file with.
    fn trim_ascii_end_zeros(&self) -> &[u8] {
        let end = self
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        &self[..end]
    }
}

pub fn encode(
    header: &Header,
    samples: &Samples,
    extras: &Extras,
    quality: u8,
    file: &mut Vec<u8>,
) -> Result<(), Reason> {
    let Shape {
        width,
        height,
        channels,
    } = header.shape;
    let side = |side| {
        u16::try_from(side).map_err(|_| "a JPEG has at most 65,535 pixels a side".to_owned())
    };
    let mut encoder = Encoder::new(file, quality.clamp(1, 100));
    // Half the color resolution, as JPEGs mostly have and as other programs write by default.
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    if let Some(icc) = &extras.icc {
        encoder.add_icc_profile(icc).map_err(one_line)?;
    }
    if let Some(exif) = &extras.exif {
        encoder.add_exif_metadata(exif).map_err(one_line)?;
    }
    let colors = if channels == 1 {
        ColorType::Luma
    } else {
        ColorType::Rgb
    };
    encoder
        .encode(&samples.bytes, side(width)?, side(height)?, colors)
        .map_err(one_line)
}

fn one_line(error: impl std::fmt::Debug) -> Reason {
    let text = format!("{error:?}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
