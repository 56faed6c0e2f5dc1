//! Figures as PNG and PDF.
//!
//! resvg paints, and svg2pdf writes, what plotters has drawn as SVG. Pictures inside of a figure are put over it here, so that
//! neither has to bring decoders of images.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use candle_core::{Error, bail};
use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref};
use resvg::{
    tiny_skia::{FilterQuality, Pixmap, PixmapPaint, Transform},
    usvg::{Options, Tree, WriteOptions, fontdb::Database},
};
use svg2pdf::ConversionOptions;

use super::figure::Picture;
use crate::{Result, image::Image};

/// How many pixels of a PNG there are to one of the figure, for print and fine screens.
pub const SCALE: u32 = 2;

/// The width of a figure's pixel in a PDF, in points: 96 pixels and 72 points are an inch.
const POINTS: f32 = 0.75;

/// For machines without fonts, as many of clusters are.
const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

/// The fonts of the system, and one of our own.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        fonts.load_font_data(FONT.to_vec());
        // Where it has characters that ours lacks, Chinese ones for instance, a font of the system is taken for them.
        fonts.load_system_fonts();
        fonts.set_sans_serif_family("DejaVu Sans");
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

fn tree(svg: &str) -> Result<Tree> {
    let options = Options {
        fontdb: fonts(),
        ..Options::default()
    };
    Tree::from_str(svg, &options).map_err(Error::wrap)
}

/// A figure as PNG, [`SCALE`] times as wide and high.
///
/// # Errors
///
/// Fails where the SVG cannot be read, and where there is no memory for the pixels.
pub fn png(svg: &str, size: (u32, u32), pictures: &[Picture]) -> Result<Vec<u8>> {
    let scale = SCALE as f32;
    let Some(mut pixmap) = Pixmap::new(size.0 * SCALE, size.1 * SCALE) else {
        bail!(
            "a figure of {} x {} pixels is too large for a PNG",
            size.0,
            size.1
        )
    };
    resvg::render(
        &tree(svg)?,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    for picture in pictures {
        let image = pixmap_of(&picture.image)?;
        let (wide, high) = picture.stretch();
        let place = Transform::from_scale(wide * scale, high * scale)
            .post_translate(picture.at.0 as f32 * scale, picture.at.1 as f32 * scale);
        let paint = PixmapPaint {
            quality: FilterQuality::Nearest,
            ..PixmapPaint::default()
        };
        pixmap.draw_pixmap(0, 0, image.as_ref(), &paint, place, None);
    }
    let pixels = pixmap.pixels().iter().flat_map(|pixel| {
        let color = pixel.demultiply();
        [color.red(), color.green(), color.blue(), color.alpha()]
    });
    Image {
        width: pixmap.width() as usize,
        height: pixmap.height() as usize,
        rgba: pixels.collect(),
    }
    .to_png()
}

fn pixmap_of(image: &Image) -> Result<Pixmap> {
    let Some(mut pixmap) = Pixmap::new(image.width as u32, image.height as u32) else {
        bail!(
            "a picture of {} x {} pixels cannot be painted",
            image.width,
            image.height
        )
    };
    for (pixel, rgba) in pixmap
        .pixels_mut()
        .iter_mut()
        .zip(image.rgba.chunks_exact(4))
    {
        let color = resvg::tiny_skia::ColorU8::from_rgba(rgba[0], rgba[1], rgba[2], rgba[3]);
        *pixel = color.premultiply();
    }
    Ok(pixmap)
}

/// A figure as a PDF of one page of its size; texts are outlines.
///
/// # Errors
///
/// Fails where the SVG cannot be read or converted.
pub fn pdf(svg: &str, size: (u32, u32), pictures: &[Picture]) -> Result<Vec<u8>> {
    // Read again with outlines in the place of texts: what embeds fonts takes longer to compile than all the rest.
    let outlines = tree(svg)?.to_string(&WriteOptions::default());
    let tree = Tree::from_str(&outlines, &Options::default()).map_err(Error::wrap)?;
    let (figure, figure_ref) = svg2pdf::to_chunk(&tree, ConversionOptions::default())
        .map_err(|error| Error::Msg(format!("the figure cannot be written as PDF: {error}")))?;
    let mut next = 1;
    let mut new_ref = || {
        next += 1;
        Ref::new(next - 1)
    };
    let [catalog, pages, page, contents] = [(); 4].map(|()| new_ref());
    // The figure's own numbers after ours.
    let images: Vec<(Ref, Ref)> = pictures.iter().map(|_| (new_ref(), new_ref())).collect();
    let mut map = std::collections::HashMap::new();
    let figure = figure.renumber(|old| *map.entry(old).or_insert_with(&mut new_ref));
    let figure_ref = map.get(&figure_ref).copied().unwrap_or(figure_ref);

    let (wide, high) = (size.0 as f32 * POINTS, size.1 as f32 * POINTS);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let name = |index: usize| format!("I{index}");
    let mut described = pdf.page(page);
    described
        .parent(pages)
        .media_box(Rect::new(0.0, 0.0, wide, high))
        .contents(contents);
    let mut resources = described.resources();
    let mut objects = resources.x_objects();
    objects.pair(Name(b"F"), figure_ref);
    for (index, (image, _)) in images.iter().enumerate() {
        objects.pair(Name(name(index).as_bytes()), *image);
    }
    objects.finish();
    resources.finish();
    described.finish();

    let mut content = Content::new();
    content
        .save_state()
        .transform([wide, 0.0, 0.0, high, 0.0, 0.0]);
    content.x_object(Name(b"F")).restore_state();
    for (index, picture) in pictures.iter().enumerate() {
        let (left, top) = (picture.at.0 as f32 * POINTS, picture.at.1 as f32 * POINTS);
        let (width, height) = (
            picture.size.0 as f32 * POINTS,
            picture.size.1 as f32 * POINTS,
        );
        content
            .save_state()
            .transform([width, 0.0, 0.0, height, left, high - top - height]);
        content
            .x_object(Name(name(index).as_bytes()))
            .restore_state();
    }
    pdf.stream(contents, &content.finish());
    for (picture, &(image, mask)) in pictures.iter().zip(&images) {
        let rgba = picture.image.rgba.chunks_exact(4);
        let colors: Vec<u8> = rgba
            .clone()
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        let alpha: Vec<u8> = rgba.map(|pixel| pixel[3]).collect();
        let (width, height) = (picture.image.width as i32, picture.image.height as i32);
        let (colors, alpha) = (compressed(&colors)?, compressed(&alpha)?);
        let mut written = pdf.image_xobject(image, &colors);
        written.filter(Filter::FlateDecode);
        written
            .width(width)
            .height(height)
            .bits_per_component(8)
            .s_mask(mask);
        written.color_space().device_rgb();
        written.finish();
        let mut written = pdf.image_xobject(mask, &alpha);
        written.filter(Filter::FlateDecode);
        written.width(width).height(height).bits_per_component(8);
        written.color_space().device_gray();
        written.finish();
    }
    pdf.extend(&figure);
    Ok(pdf.finish())
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// The characters of a figure that no font of this machine has, in their order.
///
/// A browser has fonts for nearly all; a file that is painted here would lack them without a word.
pub fn missing_characters(svg: &str) -> Vec<char> {
    let mut missing = Vec::new();
    for character in svg.chars() {
        // The rest is in our own font.
        if character > '\u{17f}' && !missing.contains(&character) && !has_character(character) {
            missing.push(character);
        }
    }
    missing
}

fn has_character(character: char) -> bool {
    let fonts = fonts();
    fonts.faces().any(|face| {
        let has = |data: &[u8], index: u32| {
            ttf_parser::Face::parse(data, index)
                .is_ok_and(|face| face.glyph_index(character).is_some())
        };
        fonts.with_face_data(face.id, has).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::missing_characters;
    use crate::plot;
    use candle_core::{Device, Tensor};

    /// Width, height and pixels of a PNG.
    fn read(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgba);
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_png_has_lines_texts_and_pictures() {
        let matrix = Tensor::new(&[[0f32, 1.0], [2.0, 3.0]], &Device::Cpu).unwrap();
        let figure = plot::heat_map(&matrix)
            .size(320, 200)
            .title("a title")
            .draw()
            .unwrap();
        let (wide, high, pixels) = read(&figure.to_png().unwrap());
        assert_eq!((wide, high), (640, 400));
        let at = |x: usize, y: usize| &pixels[(y * 640 + x) * 4..][..4];
        assert_eq!(at(0, 0), [255; 4]);
        // The corners of the matrix are dark and bright; the title is ink above it.
        assert!(at(160, 100)[0] < 100, "{:?}", at(160, 100));
        assert!(at(430, 300)[0] > 200, "{:?}", at(430, 300));
        let ink = |rows: std::ops::Range<usize>| {
            rows.flat_map(|y| (0..640).map(move |x| (x, y)))
                .filter(|&(x, y)| at(x, y)[0] < 128)
                .count()
        };
        assert!(ink(15..50) > 100, "{}", ink(15..50));
    }

    #[test]
    fn a_pdf_is_a_page_of_the_figures_size_with_its_pictures() {
        let matrix = Tensor::new(&[[0f32, 1.0], [2.0, 3.0]], &Device::Cpu).unwrap();
        let figure = plot::heat_map(&matrix)
            .size(320, 200)
            .title("a title")
            .draw()
            .unwrap();
        let file = figure.to_pdf().unwrap();
        let text = String::from_utf8_lossy(&file);
        assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
        assert!(text.contains("/MediaBox [0 0 240 150]"), "{text}");
        assert_eq!(text.matches("/Subtype /Image").count(), 4);
    }

    #[test]
    fn characters_that_no_font_has_are_no_error() {
        let figure = plot::line([1.0, 2.0])
            .title("损失 \u{10ffff} α²")
            .draw()
            .unwrap();
        assert!(missing_characters(figure.svg()).contains(&'\u{10ffff}'));
        assert!(!missing_characters(figure.svg()).contains(&'α'));
        assert!(figure.to_png().unwrap().len() > 1000);
        assert!(figure.to_pdf().unwrap().len() > 1000);
    }
}
