//! Tensors as pictures.

use base64::{Engine, engine::general_purpose::STANDARD};
use candle_core::{DType, Device, Tensor, bail};
use patchbay_protocol::MimeBundle;

use crate::{
    Result,
    show::{self, Show},
    table::escape,
};

/// A picture with a smaller side than this is drawn with larger pixels.
const LEAST_SIDE: usize = 96;

/// A picture of 8-bit RGBA pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The width in pixels.
    pub width: usize,
    /// The height in pixels.
    pub height: usize,
    /// Four bytes a pixel, row by row.
    pub rgba: Vec<u8>,
}

/// A tensor as a picture: `[h, w]`, `[1, h, w]`, `[3, h, w]`, `[4, h, w]` or `[h, w, 3]`.
///
/// `u8` values are 0 to 255; floats are 0 to 1, and what lies outside is clipped. Small pictures are
/// drawn with larger pixels.
///
/// # Errors
///
/// Fails for any other shape or type.
pub fn image(tensor: &Tensor) -> Result<Image> {
    let planes = match tensor.dims() {
        [_, _] => tensor.unsqueeze(0)?,
        [1 | 3 | 4, _, _] => tensor.clone(),
        [_, _, 3] => tensor.permute((2, 0, 1))?,
        other => bail!(
            "a picture is [h, w], [1, h, w], [3, h, w], [4, h, w] or [h, w, 3], not {other:?}; for a batch \
             use image_grid(&batch)"
        ),
    };
    let (channels, height, width) = planes.dims3()?;
    let planes = planes.detach().to_device(&Device::Cpu)?;
    let bytes: Vec<u8> = match planes.dtype() {
        DType::U8 => planes.flatten_all()?.to_vec1()?,
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => planes
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1::<f32>()?
            .into_iter()
            .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect(),
        other => bail!(
            "the values of a picture are u8 (0 to 255) or floats (0 to 1), not {}",
            other.as_str()
        ),
    };
    let area = height * width;
    let mut rgba = Vec::with_capacity(area * 4);
    for pixel in 0..area {
        let plane = |index: usize| bytes[index * area + pixel];
        match channels {
            1 => rgba.extend([plane(0), plane(0), plane(0), 255]),
            3 => rgba.extend([plane(0), plane(1), plane(2), 255]),
            _ => rgba.extend([plane(0), plane(1), plane(2), plane(3)]),
        }
    }
    Ok(Image {
        width,
        height,
        rgba,
    }
    .enlarged(LEAST_SIDE))
}

/// As [`image`], with the smallest value black and the largest white.
///
/// # Errors
///
/// As [`image`].
pub fn image_normalized(tensor: &Tensor) -> Result<Image> {
    let tensor = tensor.detach().to_dtype(DType::F32)?;
    let found = crate::tensor::Statistics::of(&tensor)?;
    let range = (found.max - found.min).max(f64::MIN_POSITIVE);
    image(&((tensor - found.min)? / range)?)
}

/// The former name of [`image_normalized`].
///
/// # Errors
///
/// As [`image`].
#[deprecated(since = "0.2.0", note = "its name is `image_normalized`")]
pub fn image_normalised(tensor: &Tensor) -> Result<Image> {
    image_normalized(tensor)
}

impl Image {
    /// The picture with every pixel as a square of pixels, until its smaller side has `side` of them.
    fn enlarged(self, side: usize) -> Image {
        let smaller = self.width.min(self.height);
        if smaller == 0 || smaller >= side {
            return self;
        }
        let factor = side.div_ceil(smaller);
        let (width, height) = (self.width * factor, self.height * factor);
        let mut rgba = Vec::with_capacity(width * height * 4);
        for y in 0..height {
            for x in 0..width {
                let from = (y / factor * self.width + x / factor) * 4;
                rgba.extend_from_slice(&self.rgba[from..from + 4]);
            }
        }
        Image {
            width,
            height,
            rgba,
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    ///
    /// Fails for a picture without pixels.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let size = |side: usize| u32::try_from(side).map_err(candle_core::Error::wrap);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size(self.width)?, size(self.height)?);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(candle_core::Error::wrap)?;
        writer
            .write_image_data(&self.rgba)
            .map_err(candle_core::Error::wrap)?;
        writer.finish().map_err(candle_core::Error::wrap)?;
        Ok(file)
    }
}

impl Show for Image {
    fn show(&self) -> MimeBundle {
        let plain = format!("a picture of {} x {} pixels", self.width, self.height);
        match self.to_png() {
            Ok(file) => show::bundle(plain, "image/png", STANDARD.encode(file)),
            Err(_) => show::plain_text(plain),
        }
    }
}

/// Pictures side by side, with captions if they are given.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    images: Vec<Image>,
    columns: usize,
    captions: Vec<String>,
}

/// A batch of pictures `[n, h, w]` or `[n, c, h, w]` as a grid, eight in a row.
///
/// # Errors
///
/// Fails for any other shape or type.
pub fn image_grid(batch: &Tensor) -> Result<ImageGrid> {
    if !matches!(batch.rank(), 3 | 4) {
        bail!(
            "a batch of pictures is [n, h, w] or [n, c, h, w], not {:?}",
            batch.dims()
        );
    }
    let images = (0..batch.dim(0)?)
        .map(|index| image(&batch.get(index)?))
        .collect::<Result<_>>()?;
    Ok(ImageGrid {
        images,
        columns: 8,
        captions: Vec::new(),
    })
}

impl ImageGrid {
    /// How many pictures stand in a row.
    pub fn columns(mut self, columns: usize) -> ImageGrid {
        self.columns = columns.max(1);
        self
    }

    /// A line under each picture.
    pub fn captions<T: ToString>(mut self, captions: impl IntoIterator<Item = T>) -> ImageGrid {
        self.captions = captions
            .into_iter()
            .map(|caption| caption.to_string())
            .collect();
        self
    }
}

impl Show for ImageGrid {
    fn show(&self) -> MimeBundle {
        let figures: String = self
            .images
            .iter()
            .enumerate()
            .filter_map(|(index, image)| {
                let file = STANDARD.encode(image.to_png().ok()?);
                let caption = self.captions.get(index).map(|text| escape(text)).unwrap_or_default();
                Some(format!(
                    "<figure style=\"margin:0;text-align:center\"><img alt=\"{caption}\" style=\"width:100%;\
                     image-rendering:pixelated\" src=\"data:image/png;base64,{file}\">\
                     <figcaption>{caption}</figcaption></figure>"
                ))
            })
            .collect();
        let columns = self.columns.min(self.images.len().max(1));
        let html = format!(
            "<div style=\"display:grid;grid-template-columns:repeat({columns},minmax(0,96px));gap:6px\">{figures}</div>"
        );
        let plain = match self.images.first() {
            Some(_) => format!("{} pictures in rows of {columns}", self.images.len()),
            None => "no pictures".to_owned(),
        };
        show::bundle(plain, "text/html", html)
    }
}

/// Two pictures on top of each other, with a slider between them.
#[derive(Clone, Debug)]
pub struct BeforeAfter {
    before: Image,
    after: Image,
}

/// Two pictures of one size to compare: the slider moves the border between them. Takes what [`image`]
/// takes.
///
/// # Errors
///
/// As [`image`], and where the sizes differ.
pub fn before_after(before: &Tensor, after: &Tensor) -> Result<BeforeAfter> {
    let (before, after) = (image(before)?, image(after)?);
    if (before.width, before.height) != (after.width, after.height) {
        bail!(
            "pictures to compare have one size; these have {} x {} and {} x {}",
            before.width,
            before.height,
            after.width,
            after.height
        );
    }
    Ok(BeforeAfter { before, after })
}

impl Show for BeforeAfter {
    fn show(&self) -> MimeBundle {
        let plain = format!(
            "{} x {} pixels, before and after",
            self.before.width, self.before.height
        );
        let (Ok(before), Ok(after)) = (self.before.to_png(), self.after.to_png()) else {
            return show::plain_text(plain);
        };
        // Without scripts the border stays in the middle, and both halves are seen.
        let html = format!(
            "<div style=\"display:inline-block;max-width:100%\"><div style=\"position:relative\">\
             <img alt=\"after\" style=\"display:block;max-width:100%\" src=\"data:image/png;base64,{}\">\
             <img alt=\"before\" style=\"position:absolute;inset:0;width:100%;clip-path:inset(0 50% 0 0)\" \
             src=\"data:image/png;base64,{}\"></div><input type=\"range\" min=\"0\" max=\"100\" value=\"50\" \
             aria-label=\"before to after\" style=\"width:100%;margin:0\" \
             oninput=\"this.previousElementSibling.lastElementChild.style.clipPath=\
             'inset(0 '+(100-this.value)+'% 0 0)'\"></div>",
            STANDARD.encode(after),
            STANDARD.encode(before)
        );
        show::bundle(plain, "text/html", html)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_of_a_picture_give_the_same_pixels() {
        let planes = Tensor::new(
            &[
                [[0f32, 1.], [0.5, 2.]],
                [[0., 0.], [0., 0.]],
                [[1., 1.], [1., -1.]],
            ],
            &Device::Cpu,
        )
        .unwrap();
        let first = image(&planes).unwrap();
        let last = image(&planes.permute((1, 2, 0)).unwrap()).unwrap();
        assert_eq!(first, last);
        assert_eq!((first.width, first.height), (96, 96));
        assert_eq!(&first.rgba[..4], [0, 0, 255, 255]);
        let corner = first.rgba.len() - 4;
        assert_eq!(&first.rgba[corner..], [255, 0, 0, 255]);
        assert_eq!(first.rgba[95 * 96 * 4], 128);
    }

    #[test]
    fn png_files_can_be_read_back() {
        let gray = Tensor::new(&[[0u8, 128], [255, 7]], &Device::Cpu).unwrap();
        let picture = image(&gray).unwrap();
        let file = picture.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, picture.rgba);
    }

    #[test]
    fn other_shapes_and_types_are_refused_with_the_way_out() {
        let batch = Tensor::zeros((5, 2, 8, 8), DType::F32, &Device::Cpu).unwrap();
        assert!(
            image(&batch)
                .unwrap_err()
                .to_string()
                .contains("image_grid")
        );
        let counts = Tensor::zeros((8, 8), DType::I64, &Device::Cpu).unwrap();
        assert!(image(&counts).unwrap_err().to_string().contains("not i64"));
    }

    #[test]
    fn pictures_to_compare_have_one_size() {
        let small = Tensor::zeros((96, 96), DType::F32, &Device::Cpu).unwrap();
        let large = Tensor::ones((96, 97), DType::F32, &Device::Cpu).unwrap();
        let html = &before_after(&small, &small.affine(1.0, 1.0).unwrap())
            .unwrap()
            .show()
            .data["text/html"];
        assert_eq!(
            html.as_str()
                .unwrap()
                .matches("data:image/png;base64,")
                .count(),
            2
        );
        let error = before_after(&small, &large).unwrap_err().to_string();
        assert!(error.contains("96 x 96 and 97 x 96"), "{error}");
    }

    #[test]
    fn a_normalized_picture_uses_the_whole_range() {
        let tensor = Tensor::new(&[[-5f32, 0.], [5., 0.]], &Device::Cpu).unwrap();
        let picture = image_normalized(&tensor).unwrap();
        assert_eq!(picture.rgba[0], 0);
        assert!(picture.rgba.chunks(4).any(|pixel| pixel[0] == 255));
    }
}
