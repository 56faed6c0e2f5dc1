//! TIFF and BigTIFF, one picture a file. CMYK becomes RGB; the georeference stays, and so does what is no data. Bands that
//! are neither colors nor alpha would be lost, and are refused.

use std::io::Cursor;

use tiff::{
    TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    encoder::{
        Compression, DeflateLevel, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, TiffValue,
        colortype,
    },
    tags::{ExtraSamples, Tag, ValueBuffer},
};

use crate::file::{length, metadata_limit};
use crate::{Extras, Format, Header, Reason, Samples, Shape};

/// Tags that are copied: the least and the greatest sample, resolution, GeoTIFF's model and keys, GDAL's metadata and no-data
/// value.
const COPIED: [u16; 14] = [
    280, 281, 282, 283, 296, 33_550, 33_922, 34_264, 34_735, 34_736, 34_737, 42_112, 42_113, 270,
];

/// The tags that are copied.
#[derive(Default)]
pub struct Tags {
    copied: Vec<(Tag, ValueBuffer)>,
    /// The kind of alpha, where there is some.
    alpha: Option<u16>,
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tags = self.copied.iter().map(|(tag, _)| tag);
        formatter.debug_list().entries(tags).finish()
    }
}

pub type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

fn open(file: &[u8]) -> Result<Reader<'_>, Reason> {
    open_within(file, metadata_limit(file))
}

/// A decoder that makes no buffer of more than so many bytes.
pub fn open_within(file: &[u8], bytes: usize) -> Result<Reader<'_>, Reason> {
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

pub fn text(error: TiffError) -> Reason {
    error.to_string()
}

/// What the bands of a TIFF are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bands {
    /// In the file.
    count: usize,
    /// Of the picture: 1 or 3 colors, and alpha.
    channels: usize,
    bits: u8,
    is_cmyk: bool,
    is_white_zero: bool,
    is_planar: bool,
    /// The alpha of the last band: 1 where the colors were multiplied with it, 2 where not.
    alpha: Option<u16>,
}

/// Reads what the bands are. What would be lost is refused: the decoder leaves bands out that are neither colors nor alpha.
fn bands(decoder: &mut Reader<'_>) -> Result<Bands, Reason> {
    let mut first = |tag: Tag, default: u16| -> Result<u16, Reason> {
        let found = decoder.find_tag_unsigned_vec::<u16>(tag).map_err(text)?;
        Ok(found
            .and_then(|all| all.first().copied())
            .unwrap_or(default))
    };
    let photometric = first(Tag::PhotometricInterpretation, u16::MAX)?;
    let count = usize::from(first(Tag::SamplesPerPixel, 1)?);
    let bits = first(Tag::BitsPerSample, 1)?;
    let format = first(Tag::SampleFormat, 1)?;
    let is_planar = first(Tag::PlanarConfiguration, 1)? == 2;
    let extra: Vec<u16> = decoder
        .find_tag_unsigned_vec(Tag::ExtraSamples)
        .map_err(text)?
        .unwrap_or_default();
    match (format, bits) {
        (1, 8 | 16) => {}
        (1, bits) => {
            return Err(format!(
                "a TIFF of {bits} bits a sample; expected 8 or 16: write it in 16 bits (gdal_translate -co NBITS=16)"
            ));
        }
        (format, bits) => {
            let kind = match format {
                2 => "signed integers",
                3 => "floats",
                _ => "samples of an unknown kind",
            };
            return Err(format!(
                "a TIFF of {kind} of {bits} bits; expected unsigned integers of 8 or 16: scale it first (gdal_translate -ot \
                 UInt16 -scale LEAST GREATEST 0 65535)"
            ));
        }
    }
    let is_cmyk = photometric == 5;
    let colors = match photometric {
        0 | 1 => "gray",
        2 => "RGB",
        5 => "CMYK",
        3 => {
            return Err(
                "a TIFF with a palette; expected gray, RGB or CMYK: write its colors (gdal_translate -expand rgb)"
                    .to_owned(),
            );
        }
        other => {
            return Err(format!(
                "a TIFF of the photometric interpretation {other}; expected gray (0, 1), RGB (2) or CMYK (5)"
            ));
        }
    };
    let is_alpha = |extra: &u16| matches!(extra, 1 | 2);
    // Old programs write four bands of RGB and do not say that the last is alpha.
    let is_untold = photometric == 2 && count == 4 && extra.is_empty();
    let alpha = extra
        .last()
        .copied()
        .filter(is_alpha)
        .or(is_untold.then_some(2));
    let has_one_alpha = extra.iter().filter(|&extra| is_alpha(extra)).count() <= 1;
    let data = count - usize::from(alpha.is_some()).min(count);
    let fits = match photometric {
        // GDAL writes colors of 16 bits as gray with two more bands.
        0 | 1 => data == 1 || data == 3,
        2 => data == 3,
        _ => data == 4 && alpha.is_none(),
    };
    if !fits || !has_one_alpha {
        let (taken, flags) = match data {
            2 => ("one", "-b 1"),
            _ => ("three", "-b 1 -b 2 -b 3"),
        };
        return Err(format!(
            "a TIFF of {count} bands ({colors}, {} of them alpha), and more than gray or red, green and blue, and alpha, would \
             be lost: take {taken} out first (gdal_translate {flags}), or say that the last is alpha (-colorinterp_{count} \
             alpha)",
            extra.iter().filter(|&extra| is_alpha(extra)).count()
        ));
    }
    Ok(Bands {
        count,
        channels: if is_cmyk { 3 } else { count },
        bits: bits as u8,
        is_cmyk,
        is_white_zero: photometric == 0,
        is_planar,
        alpha,
    })
}

pub fn header(file: &[u8]) -> Result<Header, Reason> {
    let mut decoder = open(file)?;
    let (width, height) = decoder.dimensions().map_err(text)?;
    let Bands { channels, bits, .. } = bands(&mut decoder)?;
    check_tiles(&mut decoder, width, height)?;
    if decoder.more_images() {
        return Err(
            "a TIFF with several pictures (pages, overviews or a mask), of which all but the first would be lost: take one out \
             (gdal_translate GTIFF_DIR:1:IN OUT)"
                .to_owned(),
        );
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

/// Refuses tiles that are far larger than the picture.
pub fn check_tiles(decoder: &mut Reader<'_>, width: u32, height: u32) -> Result<(), Reason> {
    let (tile_width, tile_height) = decoder.chunk_dimensions();
    if decoder.get_chunk_type() == tiff::decoder::ChunkType::Tile
        && (tile_width > width.saturating_add(WIDEST_TILE)
            || tile_height > height.saturating_add(WIDEST_TILE))
    {
        return Err(format!(
            "a TIFF of {width} x {height} pixels in tiles of {tile_width} x {tile_height}"
        ));
    }
    Ok(())
}

/// What is kept beside all bands: which pixels are data, and what of 16 bits is white.
pub fn extras_of_bands(file: &[u8], header: &Header, samples: &Samples) -> Result<Extras, Reason> {
    let (tags, _) = metadata(file)?;
    let bands = Bands {
        count: header.shape.channels,
        channels: header.shape.channels,
        bits: header.bits,
        is_cmyk: false,
        is_white_zero: false,
        is_planar: false,
        alpha: None,
    };
    let no_data = tags.no_data(&bands)?;
    let data = match bands.bits {
        8 => tags.data(&samples.bytes, &bands, no_data),
        _ => tags.data(&samples.words, &bands, no_data),
    };
    Ok(Extras {
        white: tags.white(&bands),
        tiff: tags,
        no_data,
        data,
        ..Extras::default()
    })
}

pub fn decode(file: &[u8], header: &Header, samples: &mut Samples) -> Result<Extras, Reason> {
    let expected = length(header.shape, 4)?;
    // Four inks become three colors.
    let most = (expected * usize::from(header.bits / 8)).saturating_mul(2);
    let mut decoder = open_within(file, most.max(metadata_limit(file)))?;
    let bands = bands(&mut decoder)?;
    let result = match bands.is_planar && bands.count > 1 {
        true => planes(&mut decoder, header, bands.count, bands.bits)?,
        false => decoder.read_image().map_err(text)?,
    };
    let found = match result {
        DecodingResult::U8(bytes) => {
            samples.bytes = arranged(bytes, &bands, u32::from(u8::MAX));
            samples.bytes.len()
        }
        DecodingResult::U16(words) => {
            samples.words = arranged(words, &bands, u32::from(u16::MAX));
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
    let no_data = tags.no_data(&bands)?;
    let data = match bands.bits {
        8 => tags.data(&samples.bytes, &bands, no_data),
        _ => tags.data(&samples.words, &bands, no_data),
    };
    Ok(Extras {
        icc: icc.filter(|_| !bands.is_cmyk),
        white: tags.white(&bands),
        tiff: Tags {
            alpha: bands.alpha,
            ..tags
        },
        left_out: match bands.is_cmyk {
            true => "four inks became red, green and blue".to_owned(),
            false => String::new(),
        },
        no_data,
        data,
        ..Extras::default()
    })
}

/// All planes of a planar file, one after the other: the decoder reads the first one only.
pub fn planes(
    decoder: &mut Reader<'_>,
    header: &Header,
    count: usize,
    bits: u8,
) -> Result<DecodingResult, Reason> {
    let Shape { width, height, .. } = header.shape;
    let (across, down) = decoder.chunk_dimensions();
    let (across, down) = (across as usize, down as usize);
    if across == 0 || down == 0 {
        return Err("a TIFF in tiles of no pixels".to_owned());
    }
    let columns = width.div_ceil(across);
    let chunks = columns * height.div_ceil(down);
    let samples = width * height * count;
    let (mut bytes, mut words) = match bits {
        8 => (vec![0; samples], Vec::new()),
        _ => (Vec::new(), vec![0; samples]),
    };
    for plane in 0..count {
        for chunk in 0..chunks {
            let (left, top) = (chunk % columns * across, chunk / columns * down);
            let number =
                u32::try_from(plane * chunks + chunk).map_err(|error| error.to_string())?;
            let place = Part {
                first: plane * width * height + top * width + left,
                width: across.min(width - left),
                height: down.min(height - top),
                stride: width,
            };
            match decoder.read_chunk(number).map_err(text)? {
                DecodingResult::U8(chunk) if bits == 8 => place.fill(&chunk, &mut bytes)?,
                DecodingResult::U16(chunk) if bits == 16 => place.fill(&chunk, &mut words)?,
                _ => return Err("a TIFF whose planes have samples of several kinds".to_owned()),
            }
        }
    }
    Ok(match bits {
        8 => DecodingResult::U8(bytes),
        _ => DecodingResult::U16(words),
    })
}

/// Where in a plane the pixels of a tile or a strip belong.
struct Part {
    first: usize,
    width: usize,
    height: usize,
    stride: usize,
}

impl Part {
    fn fill<T: Copy>(&self, chunk: &[T], samples: &mut [T]) -> Result<(), Reason> {
        // Of a tile at the lower edge the decoder cuts what is below the picture in the first plane only.
        if !chunk.len().is_multiple_of(self.width) || chunk.len() < self.width * self.height {
            return Err(format!(
                "a TIFF with a plane of {} samples in {} x {} pixels",
                chunk.len(),
                self.width,
                self.height
            ));
        }
        let rows = samples[self.first..].chunks_mut(self.stride);
        for (to, row) in rows.zip(chunk.chunks_exact(self.width)).take(self.height) {
            to[..self.width].copy_from_slice(row);
        }
        Ok(())
    }
}

/// Bands one pixel after the other, inks as colors.
fn arranged<T: Copy + Into<u32> + TryFrom<u32> + Default>(
    samples: Vec<T>,
    bands: &Bands,
    white: u32,
) -> Vec<T> {
    let mut samples = samples;
    if bands.is_planar && bands.count > 1 {
        let pixels = samples.len() / bands.count;
        samples = (0..pixels * bands.count)
            .map(|at| samples[at % bands.count * pixels + at / bands.count])
            .collect();
    }
    match bands.is_cmyk {
        true => rgb(&samples, white),
        false => samples,
    }
}

/// GDAL's no-data value, as text.
const GDAL_NO_DATA: u16 = 42_113;

/// The largest sample, as the file says.
const MAX_SAMPLE_VALUE: u16 = 281;

impl Tags {
    fn find(&self, number: u16) -> Option<&ValueBuffer> {
        let tag = Tag::from_u16_exhaustive(number);
        self.copied
            .iter()
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| value)
    }

    /// The sample that stands for no data; none where there is none, or none that a sample can be.
    fn no_data(&self, bands: &Bands) -> Result<Option<u32>, Reason> {
        let Some(value) = self.find(GDAL_NO_DATA) else {
            return Ok(None);
        };
        let told = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let told = told.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace());
        let greatest = f64::from((1u32 << bands.bits) - 1);
        let value = told
            .parse::<f64>()
            .ok()
            .filter(|value| (0.0..=greatest).contains(value) && value.fract() == 0.0);
        if value.is_some() && (bands.is_cmyk || bands.is_white_zero) {
            return Err(format!(
                "a TIFF of inks or of white as 0 with the no-data value {told}, which the result could not have: write it as \
                 RGB or with black as 0"
            ));
        }
        Ok(value.map(|value| value as u32))
    }

    /// Which pixels are data: those of which a color is not the no-data value, and, where the file has a place on the Earth,
    /// whose alpha is not 0, as GDAL has it. None where all are.
    fn data<T: Copy + Into<u32>>(
        &self,
        samples: &[T],
        bands: &Bands,
        no_data: Option<u32>,
    ) -> Option<Vec<bool>> {
        let is_on_earth = GEOREFERENCE.iter().any(|&tag| self.find(tag).is_some());
        let by_alpha = is_on_earth && bands.alpha.is_some();
        if no_data.is_none() && !by_alpha {
            return None;
        }
        let colors = bands.channels - usize::from(bands.alpha.is_some());
        let data: Vec<bool> = samples
            .chunks_exact(bands.channels)
            .map(|pixel| {
                let (colors, alpha) = pixel.split_at(colors);
                let is_told = no_data
                    .is_some_and(|no_data| colors.iter().all(|&sample| sample.into() == no_data));
                let is_clear = by_alpha && alpha.iter().any(|&alpha| alpha.into() == 0);
                !is_told && !is_clear
            })
            .collect();
        data.contains(&false).then_some(data)
    }

    /// What of 16 bits is white, where the file says that the samples have fewer: 4095 for 12 bits.
    fn white(&self, bands: &Bands) -> Option<u16> {
        let bytes = self.find(MAX_SAMPLE_VALUE)?.as_bytes();
        let words = bytes.as_chunks::<2>().0.iter();
        let greatest = words.map(|&word| u16::from_ne_bytes(word)).max()?;
        (bands.bits == 16 && greatest > 0).then(|| fewest_bits(greatest))
    }
}

/// The greatest number of as many bits as this one has, and of at least 8.
pub fn fewest_bits(number: u16) -> u16 {
    u16::MAX >> number.leading_zeros().min(8)
}

/// Tags that give a picture a place on the Earth.
const GEOREFERENCE: [u16; 4] = [33_550, 33_922, 34_264, 34_735];

/// The tags that are copied, and the color profile.
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
        tags.copied.extend(read(number)?);
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
        (8, 1 | 2) => picture::<colortype::Gray8, K>(encoder, header, &samples.bytes, extras),
        (8, _) => picture::<colortype::RGB8, K>(encoder, header, &samples.bytes, extras),
        (_, 1 | 2) => picture::<colortype::Gray16, K>(encoder, header, &samples.words, extras),
        (_, _) => picture::<colortype::RGB16, K>(encoder, header, &samples.words, extras),
    }
}

type Writer<'a, K> = TiffEncoder<Cursor<&'a mut Vec<u8>>, K>;

fn picture<C: colortype::ColorType, K: TiffKind>(
    mut encoder: Writer<'_, K>,
    header: &Header,
    samples: &[C::Inner],
    extras: &Extras,
) -> Result<(), TiffError>
where
    [C::Inner]: TiffValue,
{
    let side = |side: usize| u32::try_from(side).map_err(TiffError::from);
    let mut image =
        encoder.new_image::<C>(side(header.shape.width)?, side(header.shape.height)?)?;
    if header.shape.channels.is_multiple_of(2) {
        // Of the kind that the file had: colors that were multiplied with it stay so.
        image.extra_samples(&[match extras.tiff.alpha {
            Some(1) => ExtraSamples::AssociatedAlpha,
            _ => ExtraSamples::UnassociatedAlpha,
        }])?;
    }
    for (tag, value) in &extras.tiff.copied {
        image.encoder().write_tag_buf(*tag, value)?;
    }
    if let Some(icc) = &extras.icc {
        image.encoder().write_tag(Tag::IccProfile, &icc[..])?;
    }
    image.write_data(samples)
}
