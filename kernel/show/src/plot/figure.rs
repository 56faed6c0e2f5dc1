//! A drawn plot.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use candle_core::Error;
use patchbay_protocol::MimeBundle;
use plotters::{
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    prelude::{SVGBackend, WHITE},
};

use super::export;
use crate::{
    Result,
    image::Image,
    show::{self, Show},
};

/// The drawing area that plotters draws on.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A plot as SVG, on a white card so that it can be read on light and dark pages.
#[derive(Clone, Debug)]
pub struct Figure {
    svg: String,
    size: (u32, u32),
    description: String,
    /// Images in the SVG, for formats in which they are put over it.
    pictures: Vec<Picture>,
}

/// A picture in a figure.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Left and top, in the figure's pixels.
    pub at: (i32, i32),
    /// Width and height, in the figure's pixels.
    pub size: (u32, u32),
    pub image: Arc<Image>,
}

impl Picture {
    /// The figure's pixels to one of the picture's, in width and height.
    pub fn stretch(&self) -> (f32, f32) {
        (
            self.size.0 as f32 / self.image.width as f32,
            self.size.1 as f32 / self.image.height as f32,
        )
    }
}

impl Figure {
    /// Width and height of a figure unless a builder is told otherwise, in pixels.
    pub const SIZE: (u32, u32) = (640, 400);

    /// A figure from any plotters code. `size` is width and height in pixels.
    ///
    /// # Errors
    ///
    /// Returns the error of `draw`, or plotters' own.
    pub fn with<E: std::fmt::Display>(
        size: (u32, u32),
        draw: impl FnOnce(&Area<'_>) -> std::result::Result<(), E>,
    ) -> Result<Figure> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            area.fill(&WHITE).map_err(drawing_error)?;
            draw(&area).map_err(drawing_error)?;
            area.present().map_err(drawing_error)?;
        }
        Ok(Figure {
            svg,
            size,
            description: format!("a plot of {} x {} pixels", size.0, size.1),
            pictures: Vec::new(),
        })
    }

    /// Says in the plain text what is plotted.
    #[doc(hidden)]
    pub fn described(mut self, description: String) -> Figure {
        self.description = description;
        self
    }

    /// Marks the figure as one of a plot that is drawn again and again, for tools that compare outputs.
    pub(crate) fn live(mut self) -> Figure {
        self.svg = self.svg.replacen("<svg ", "<svg class=\"live\" ", 1);
        self
    }

    /// Puts a picture over the part of the figure at `left`, `top` (in pixels).
    pub(crate) fn with_picture(
        mut self,
        at: (i32, i32),
        size: (u32, u32),
        image: Image,
    ) -> Result<Figure> {
        let png_base64 = STANDARD.encode(image.to_png()?);
        if let Some(end) = self.svg.rfind("</svg>") {
            self.svg.insert_str(
                end,
                &format!(
                    "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                     style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{png_base64}\"/>\n",
                    at.0, at.1, size.0, size.1
                ),
            );
        }
        let image = Arc::new(image);
        self.pictures.push(Picture { at, size, image });
        Ok(self)
    }

    /// The figure as an SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The figure as a PNG file, twice as many pixels wide and high as the figure.
    ///
    /// # Errors
    ///
    /// Fails where there is no memory for the pixels.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        export::png(&self.svg, self.size, &self.pictures)
    }

    /// The figure as a PDF file of one page, for LaTeX's `\includegraphics`; 96 pixels are an inch, texts are outlines.
    ///
    /// # Errors
    ///
    /// Fails where the figure cannot be converted.
    pub fn to_pdf(&self) -> Result<Vec<u8>> {
        export::pdf(&self.svg, self.size, &self.pictures)
    }

    /// Writes the figure to a file, as SVG, PNG or PDF by the end of its name: matplotlib's `savefig`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("figure-of-the-docs-{}.png", std::process::id()));
    /// plot::line([1.0, 3.0, 2.0]).draw()?.save(&path)?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be written, and for a name of another format: it would have the wrong contents. Characters that
    /// no font of this machine has are left out of PNG and PDF; a line says which.
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        let path = path.as_ref();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if matches!(extension.as_deref(), Some("png" | "pdf")) {
            let missing = export::missing_characters(&self.svg);
            if !missing.is_empty() {
                eprintln!(
                    "{}: no font of this machine has {}, which are left out; install one (for Chinese fonts-noto-cjk), or save SVG, \
                     which is drawn with the reader's fonts",
                    path.display(),
                    missing.iter().collect::<String>()
                );
            }
        }
        let contents = match extension.as_deref() {
            None | Some("svg") => self.svg.clone().into_bytes(),
            Some("png") => self.to_png()?,
            Some("pdf") => self.to_pdf()?,
            Some(format) => candle_core::bail!(
                "save: {} has the name of a {format} file: must end in .svg, .png or .pdf: figure.save({:?})?",
                path.display(),
                path.with_extension("png")
            ),
        };
        std::fs::write(path, contents).map_err(|error| {
            Error::Msg(format!(
                "save: {} cannot be written: {error}",
                path.display()
            ))
        })
    }

    /// Figures beside and below each other.
    pub(super) fn grid(columns: usize, figures: &[Figure]) -> Figure {
        let rows: Vec<&[Figure]> = figures.chunks(columns).collect();
        let (mut y, mut wide, mut inner) = (0, 0, String::new());
        let mut pictures = Vec::new();
        for row in rows {
            let mut x = 0;
            for figure in row {
                let place = format!("<svg x=\"{x}\" y=\"{y}\" ");
                inner += &figure.svg.replacen("<svg ", &place, 1);
                pictures.extend(figure.pictures.iter().map(|picture| Picture {
                    at: (picture.at.0 + x as i32, picture.at.1 + y as i32),
                    ..picture.clone()
                }));
                x += figure.size.0;
            }
            wide = wide.max(x);
            y += row.iter().map(|figure| figure.size.1).max().unwrap_or(0);
        }
        let descriptions: Vec<&str> = figures.iter().map(|f| f.description.as_str()).collect();
        Figure {
            svg: format!(
                "<svg width=\"{wide}\" height=\"{y}\" viewBox=\"0 0 {wide} {y}\" \
                 xmlns=\"http://www.w3.org/2000/svg\">\n{inner}</svg>\n"
            ),
            size: (wide, y),
            description: descriptions.join("; "),
            pictures,
        }
    }
}

impl Show for Figure {
    fn show(&self) -> MimeBundle {
        show::bundle(self.description.clone(), "image/svg+xml", self.svg.clone())
    }
}

/// An error of plotters as one of candle, which is what cells return.
pub fn drawing_error(error: impl std::fmt::Display) -> Error {
    Error::Msg(format!("the plot cannot be drawn: {error}"))
}
