//! Plots in a line or two, on plotters.
//!
//! Every builder ends in `draw()?`, which gives a [`Figure`]; a cell whose last expression is a figure
//! shows it. For all that is not here, [`Figure::with`] hands a plotters drawing area to a closure.

#[doc(hidden)]
pub mod axes;
mod bars;
mod confusion;
mod export;
mod figure;
mod heat_map;
mod histogram;
mod lines;
mod matplotlib;
mod numbers;
mod raster;
mod scatter;

pub use bars::{Bars, bars};
pub use confusion::{ConfusionMatrix, confusion_matrix};
pub use figure::Figure;
#[doc(hidden)]
pub use figure::drawing_error;
pub use heat_map::{HeatMap, heat_map};
pub use histogram::{Histogram, histogram};
pub use lines::{Lines, lines};
pub use matplotlib::{bar, errorbar, fill_between, hist, imshow, line, plot, subplots};
pub use numbers::Numbers;
pub use scatter::{Scatter, scatter};

/// Okabe and Ito's colors, which people with any color vision can tell apart.
pub const PALETTE: [plotters::style::RGBColor; 7] = [
    plotters::style::RGBColor(0, 114, 178),
    plotters::style::RGBColor(213, 94, 0),
    plotters::style::RGBColor(0, 158, 115),
    plotters::style::RGBColor(204, 121, 167),
    plotters::style::RGBColor(230, 159, 0),
    plotters::style::RGBColor(86, 180, 233),
    plotters::style::RGBColor(70, 70, 70),
];

#[doc(hidden)]
pub fn color(index: usize) -> plotters::style::RGBColor {
    PALETTE[index % PALETTE.len()]
}
