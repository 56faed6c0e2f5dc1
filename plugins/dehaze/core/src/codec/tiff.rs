//! TIFF and BigTIFF, one picture a file. CMYK becomes RGB; the georeference stays.

use std::io::Cursor;

use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    encoder::{
        Compression, DeflateLevel, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, TiffValue,
        colortype,
    },
    tags::{Tag, ValueBuffer},
};

use super::{Extras, Format, Header, Reason, Samples, length, metadata_limit};
use crate::picture::Shape;

/// Tags that are copied: resolution, GeoTIFF's model and keys, GDAL's metadata and no-data value.
const COPIED: [u16; 12] = [
    282, 283, 296, 33_550, 33_922, 34_264, 34_735, 34_736, 34_737, 42_112, 42_113, 270,
];

/// The tags that are copied.
#[derive(Default)]
pub struct Tags(Vec<(Tag, ValueBuffer)>);

impl std::fmt::Debug for Tags {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tags = self.0.iter().map(|(tag, _)| tag);
        formatter.debug_list().entries(tags).finish()
    }
}

type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

fn open(file: &[u8]) -> Result<Reader<'_>, Reason> {
    open_within(file, metadata_limit(file))
}

/// A decoder that makes no buffer of more than so many bytes.
fn open_within(file: &[u8], bytes: usize) -> Result<Reader<'_>, Reason> {
    let mut limits = Limits::unlimited();
    limits.decoding_buffer_size = bytes;
    limits.ifd_value_size = bytes;
    // No part of the pixels is longer than the file that it is in.
    limits.intermediate_buffer_size = file.len();
    let decoder = Decoder::new(Cursor::new(file)).map_err(text)?;
    Ok(decoder.with_limits(limits))
}

/// The widest that a tile may be beyond the picture.
const WIDEST_TILE: u32 = 1 << 16;

fn text(error: TiffError) -> Reason {
    error.to_string()
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let mut decoder = open(file)?;
    let (width, height) = decoder.dimensions().map_err(text)?;
    let colours = decoder.colortype().map_err(text)?;
    let (channels, bits) = match colours {
        ColorType::Gray(bits) => (1, bits),
        ColorType::GrayA(bits) => (2, bits),
        // What the decoder calls gray with one more sample.
        ColorType::Multiband {
            bit_depth: bits,
            num_samples: 2,
        } => (2, bits),
        ColorType::RGB(bits) => (3, bits),
        ColorType::RGBA(bits) => (4, bits),
        ColorType::CMYK(bits) => (3, bits),
        other => {
            return Err(format!(
                "a TIFF with {other:?}; expected gray, RGB or CMYK, with or without alpha"
            ));
        }
    };
    if bits != 8 && bits != 16 {
        return Err(format!("a TIFF of {bits} bits a sample; expected 8 or 16"));
    }
    let (tile_width, tile_height) = decoder.chunk_dimensions();
    if decoder.get_chunk_type() == tiff::decoder::ChunkType::Tile
        && (tile_width > width.saturating_add(WIDEST_TILE)
            || tile_height > height.saturating_add(WIDEST_TILE))
    {
        return Err(format!(
            "a TIFF of {width} x {height} pixels in tiles of {tile_width} x {tile_height}"
        ));
    }
    if decoder.more_images() {
        return Err("a TIFF with several pictures; expected one".to_owned());
    }
    let header = Header {
        format: Format::Tiff,
        shape: Shape {
            width: width as usize,
            height: height as usize,
            channels,
        },
        bits,
    };
    length(header.shape, 4)?;
    Ok(header)
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    let expected = length(header.shape, 4)?;
    // Four inks become three colours.
    let most = (expected * usize::from(header.bits / 8)).saturating_mul(2);
    let mut decoder = open_within(file, most.max(metadata_limit(file)))?;
    let colours = decoder.colortype().map_err(text)?;
    let is_cmyk = matches!(colours, ColorType::CMYK(_));
    let found = match decoder.read_image().map_err(text)? {
        DecodingResult::U8(bytes) => {
            samples.bytes = if is_cmyk {
                rgb(&bytes, u32::from(u8::MAX))
            } else {
                bytes
            };
            samples.bytes.len()
        }
        DecodingResult::U16(words) => {
            samples.words = if is_cmyk {
                rgb(&words, u32::from(u16::MAX))
            } else {
                words
            };
            samples.words.len()
        }
        _ => return Err("a TIFF whose samples are no unsigned integers".to_owned()),
    };
    if found != expected {
        return Err(format!(
            "a TIFF of {found} samples where its header says {expected}"
        ));
    }
    let (tags, icc) = metadata(file)?;
    Ok(Extras {
        icc: icc.filter(|_| !is_cmyk),
        exif: None,
        tiff: tags,
        left_out: String::new(),
    })
}

/// The tags that are copied, and the colour profile.
fn metadata(file: &[u8]) -> Result<(Tags, Option<Vec<u8>>), Reason> {
    // What is in the file is no longer than the file.
    let mut decoder = open_within(file, file.len().min(metadata_limit(file)))?;
    let mut total = 0;
    let mut read = |number: u16| {
        let tag = Tag::from_u16_exhaustive(number);
        let mut value = ValueBuffer::empty(tiff::tags::Type::BYTE);
        match decoder.image_ifd().find_tag_buf(tag, &mut value) {
            Ok(Some(_)) => {}
            Err(TiffError::LimitsExceeded) => {
                return Err(format!(
                    "a TIFF whose tag {number} claims more bytes than the file has, or than {} MB",
                    metadata_limit(file) >> 20
                ));
            }
            Ok(None) | Err(_) => return Ok(None),
        }
        total += value.as_bytes().len();
        if total > file.len() {
            return Err(format!(
                "a TIFF whose tags up to {number} claim {total} bytes; the file has {}",
                file.len()
            ));
        }
        value.set_byte_order(tiff::tags::ByteOrder::native());
        Ok(Some((tag, value)))
    };
    let mut tags = Tags::default();
    for number in COPIED {
        tags.0.extend(read(number)?);
    }
    let icc = read(Tag::IccProfile.to_u16())?.map(|(_, value)| value.as_bytes().to_vec());
    Ok((tags, icc))
}

/// CMYK to RGB without a profile: (1 - ink) (1 - black).
fn rgb<T: Copy + Into<u32> + TryFrom<u32> + Default>(cmyk: &[T], white: u32) -> Vec<T> {
    let (pixels, _) = cmyk.as_chunks::<4>();
    pixels
        .iter()
        .flat_map(|&[c, m, y, black]| {
            [c, m, y].map(|ink| {
                let light = (white - ink.into()) * (white - black.into());
                T::try_from((light + white / 2) / white).unwrap_or_default()
            })
        })
        .collect()
}

pub fn encode(
    header: &Header,
    samples: &Samples,
    extras: &Extras,
    file: &mut Vec<u8>,
) -> Result<(), Reason> {
    let bytes = header.shape.samples() * usize::from(header.bits / 8);
    // Offsets of a plain TIFF end at 4 GiB; deflate may add a little to what it cannot compress.
    if bytes < 3 << 30 {
        write::<TiffKindStandard>(header, samples, extras, file)
    } else {
        write::<TiffKindBig>(header, samples, extras, file)
    }
    .map_err(text)
}

fn write<K: TiffKind>(
    header: &Header,
    samples: &Samples,
    extras: &Extras,
    file: &mut Vec<u8>,
) -> Result<(), TiffError> {
    let encoder = TiffEncoder::<_, K>::new_generic(Cursor::new(file))?
        .with_compression(Compression::Deflate(DeflateLevel::Fast));
    match (header.bits, header.shape.channels) {
        (8, 1) => picture::<colortype::Gray8, K>(encoder, header, &samples.bytes, extras),
        (8, 2) => with_alpha::<colortype::Gray8, K>(encoder, header, &samples.bytes, extras),
        (8, 3) => picture::<colortype::RGB8, K>(encoder, header, &samples.bytes, extras),
        (8, _) => picture::<colortype::RGBA8, K>(encoder, header, &samples.bytes, extras),
        (_, 1) => picture::<colortype::Gray16, K>(encoder, header, &samples.words, extras),
        (_, 2) => with_alpha::<colortype::Gray16, K>(encoder, header, &samples.words, extras),
        (_, 3) => picture::<colortype::RGB16, K>(encoder, header, &samples.words, extras),
        (_, _) => picture::<colortype::RGBA16, K>(encoder, header, &samples.words, extras),
    }
}

type Writer<'a, K> = TiffEncoder<Cursor<&'a mut Vec<u8>>, K>;

fn picture<C: colortype::ColorType, K: TiffKind>(
    encoder: Writer<'_, K>,
    header: &Header,
    samples: &[C::Inner],
    extras: &Extras,
) -> Result<(), TiffError>
where
    [C::Inner]: TiffValue,
{
    finish::<C, K>(encoder, header, samples, extras, false)
}

fn with_alpha<C: colortype::ColorType, K: TiffKind>(
    encoder: Writer<'_, K>,
    header: &Header,
    samples: &[C::Inner],
    extras: &Extras,
) -> Result<(), TiffError>
where
    [C::Inner]: TiffValue,
{
    finish::<C, K>(encoder, header, samples, extras, true)
}

fn finish<C: colortype::ColorType, K: TiffKind>(
    mut encoder: Writer<'_, K>,
    header: &Header,
    samples: &[C::Inner],
    extras: &Extras,
    extra_alpha: bool,
) -> Result<(), TiffError>
where
    [C::Inner]: TiffValue,
{
    let side = |side: usize| u32::try_from(side).map_err(TiffError::from);
    let mut image =
        encoder.new_image::<C>(side(header.shape.width)?, side(header.shape.height)?)?;
    if extra_alpha {
        image.extra_samples(&[tiff::tags::ExtraSamples::UnassociatedAlpha])?;
    }
    for (tag, value) in &extras.tiff.0 {
        image.encoder().write_tag_buf(*tag, value)?;
    }
    if let Some(icc) = &extras.icc {
        image.encoder().write_tag(Tag::IccProfile, &icc[..])?;
    }
    image.write_data(samples)
}
