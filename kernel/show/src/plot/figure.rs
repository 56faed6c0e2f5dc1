//! A drawn plot.

use candle_core::Error;
use patchbay_protocol::MimeBundle;
use plotters::{
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    prelude::{SVGBackend, WHITE},
};

use crate::{
    Result,
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
        png_base64: &str,
    ) -> Figure {
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
        self
    }

    /// The figure as an SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Writes the figure to a file, as SVG.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be written, and for a name of another format (`.png`, `.pdf`): it would have the wrong contents.
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        let path = path.as_ref();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if let Some(format @ ("png" | "pdf" | "jpg" | "jpeg" | "eps" | "webp")) =
            extension.as_deref()
        {
            candle_core::bail!(
                "save: figures are written as SVG, not as {format}: figure.save({:?})? writes one, which browsers and LaTeX's \
                 svg package read, and of which `!rsvg-convert -o {} {}` makes a PNG, with `-f pdf` a PDF",
                path.with_extension("svg"),
                path.with_extension("png").display(),
                path.with_extension("svg").display()
            )
        }
        std::fs::write(path, &self.svg).map_err(Error::wrap)
    }

    /// Figures beside and below each other.
    pub(super) fn grid(columns: usize, figures: &[Figure]) -> Figure {
        let rows: Vec<&[Figure]> = figures.chunks(columns).collect();
        let (mut y, mut wide, mut inner) = (0, 0, String::new());
        for row in rows {
            let mut x = 0;
            for figure in row {
                let place = format!("<svg x=\"{x}\" y=\"{y}\" ");
                inner += &figure.svg.replacen("<svg ", &place, 1);
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
