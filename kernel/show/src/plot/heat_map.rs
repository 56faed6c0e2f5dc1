//! Matrices as colors.

use std::ops::Range;

use candle_core::{DType, Tensor};
use plotters::{
    chart::ChartBuilder,
    prelude::{BlackWhite, Bone, Copper, ViridisRGB},
    style::{Color, RGBColor, colors::colormaps::ColorMap},
};

use super::{
    Figure,
    axes::{Axes, axes_setters, range_of},
    figure::{Area, drawing_error},
    raster::Raster,
};
use crate::{Result, tensor::number};
use patchbay_cell::interrupt;

/// A heat map that is being put together.
#[derive(Debug)]
pub struct HeatMap {
    axes: Axes,
    matrix: Result<Vec<Vec<f64>>>,
    range: Option<(f64, f64)>,
    has_colorbar: bool,
    colors: String,
}

/// A matrix `[rows, columns]` as a heat map with a color bar: `plot::heat_map(&attention).draw()?`.
pub fn heat_map(matrix: &Tensor) -> HeatMap {
    HeatMap {
        axes: Axes::default(),
        matrix: matrix
            .detach()
            .to_dtype(DType::F64)
            .and_then(|matrix| matrix.to_vec2()),
        range: None,
        has_colorbar: true,
        colors: "viridis".to_owned(),
    }
}

axes_setters!(HeatMap);

/// The width of the color bar with its labels.
const BAR: u32 = 78;

impl HeatMap {
    /// The values at the two ends of the colors; without it, the smallest and the largest.
    pub fn range(mut self, low: f64, high: f64) -> HeatMap {
        self.range = Some((low, high));
        self
    }

    /// The colors, by matplotlib's names: `"viridis"`, `"gray"`, `"bone"`, `"copper"` or `"coolwarm"`, whose middle is white; with
    /// `_r` behind them from the other end.
    pub fn cmap(mut self, name: impl Into<String>) -> HeatMap {
        self.colors = name.into();
        self
    }

    /// The value of the first color, by matplotlib's name; the other end is that of [`HeatMap::range`].
    pub fn vmin(mut self, low: f64) -> HeatMap {
        let high = self.range.map_or(f64::NAN, |(_, high)| high);
        self.range = Some((low, high));
        self
    }

    /// The value of the last color, by matplotlib's name.
    pub fn vmax(mut self, high: f64) -> HeatMap {
        let low = self.range.map_or(f64::NAN, |(low, _)| low);
        self.range = Some((low, high));
        self
    }

    /// Whether a bar beside the matrix says which color is which value, as without this.
    pub fn colorbar(mut self, visible: bool) -> HeatMap {
        self.has_colorbar = visible;
        self
    }

    /// Draws the plot, row 0 on top. Values that are not finite are transparent.
    ///
    /// # Errors
    ///
    /// Fails for a tensor that is not a matrix `[rows, columns]`.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let matrix = self.matrix?;
        let (rows, columns) = (matrix.len(), matrix.first().map_or(0, Vec::len));
        if rows == 0 || columns == 0 {
            candle_core::bail!(
                "a heat map needs a matrix with at least one value, not [{rows}, {columns}]"
            );
        }
        let found = range_of(matrix.iter().flatten().copied(), 0.0);
        let (low, high) = self.range.unwrap_or((f64::NAN, f64::NAN));
        let low = if low.is_nan() { found.start } else { low };
        let high = if high.is_nan() { found.end } else { high };
        let color_of = colors(&self.colors)?;
        let axes = self.axes;
        let (mut frame, mut bar_frame) = ((0..0, 0..0), (0..0, 0..0));
        let size = axes.size_or_default();
        let figure = Figure::with(size, |area| {
            let (main, bar) = if self.has_colorbar {
                let (main, bar) = area.split_horizontally(size.0.saturating_sub(BAR));
                (main, Some(bar))
            } else {
                (area.clone(), None)
            };
            // Rows count from the top.
            let chart = axes.draw(&main, -0.5..columns as f64 - 0.5, rows as f64 - 0.5..-0.5)?;
            frame = chart.plotting_area().get_pixel_range();
            let top = if axes.title.is_empty() { 0 } else { 22 };
            if let Some(bar) = bar {
                let below = if axes.x_label.is_empty() { 36 } else { 52 };
                bar_frame = draw_scale(&bar.margin(10 + top, below, 4, 0), low..high)?;
            }
            Ok::<(), candle_core::Error>(())
        })?;
        let mut picture = Raster::new(columns as u32, rows as u32);
        for (y, row) in matrix.iter().enumerate() {
            for (x, value) in row
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_finite())
            {
                picture.set(x, y, color_of((value - low) / (high - low)));
            }
        }
        let place = |frame: &(Range<i32>, Range<i32>)| {
            let size = (
                (frame.0.end - frame.0.start) as u32,
                (frame.1.end - frame.1.start) as u32,
            );
            ((frame.0.start, frame.1.start), size)
        };
        let (at, extent) = place(&frame);
        let mut figure = figure.with_picture(at, extent, picture.into_image())?;
        if self.has_colorbar {
            let mut gradient = Raster::new(1, 256);
            for step in 0..256 {
                gradient.set(0, step, color_of(1.0 - step as f64 / 255.0));
            }
            let (at, extent) = place(&bar_frame);
            figure = figure.with_picture(at, extent, gradient.into_image())?;
        }
        Ok(figure.described(format!("a heat map of {rows} x {columns} values")))
    }
}

/// Draws the numbers beside the color bar; returns where the bar itself goes, in pixels.
fn draw_scale(area: &Area<'_>, range: Range<f64>) -> Result<(Range<i32>, Range<i32>)> {
    let mut chart = ChartBuilder::on(area)
        .right_y_label_area_size(56)
        .build_cartesian_2d(0.0..1.0, range)
        .map_err(drawing_error)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|value| number(*value))
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(drawing_error)?;
    Ok(chart.plotting_area().get_pixel_range())
}

/// The function from a value between 0 and 1 to a color.
fn colors(name: &str) -> Result<Box<dyn Fn(f64) -> RGBColor>> {
    let (name, is_reversed) = match name.strip_suffix("_r") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let map: fn(f64) -> RGBColor = match name {
        "viridis" => color_of,
        "gray" | "grey" => |value| of_map(&BlackWhite, value),
        "bone" => |value| of_map(&Bone, value),
        "copper" => |value| of_map(&Copper, value),
        "coolwarm" => cool_to_warm,
        other => candle_core::bail!(
            "the color map is {other:?}: must be \"viridis\", \"gray\", \"bone\", \"copper\" or \"coolwarm\", or one of them with _r: \
             .cmap(\"gray\")"
        ),
    };
    Ok(Box::new(move |value| {
        map(if is_reversed { 1.0 - value } else { value })
    }))
}

fn of_map(map: &dyn ColorMap<RGBColor>, value: f64) -> RGBColor {
    map.get_color_normalized(value.clamp(0.0, 1.0) as f32, 0.0, 1.0)
}

/// From blue over white to red, for values of both signs.
fn cool_to_warm(value: f64) -> RGBColor {
    let value = value.clamp(0.0, 1.0);
    let (end, share) = match value < 0.5 {
        true => ([59.0, 76.0, 192.0], 1.0 - 2.0 * value),
        false => ([180.0, 4.0, 38.0], 2.0 * value - 1.0),
    };
    let [red, green, blue] = end.map(|end: f64| (245.0 + (end - 245.0) * share).round() as u8);
    RGBColor(red, green, blue)
}

/// The color of a value between 0 and 1.
pub fn color_of(value: f64) -> RGBColor {
    let color = ViridisRGB
        .get_color_normalized(value.clamp(0.0, 1.0) as f32, 0.0, 1.0)
        .to_backend_color();
    RGBColor(color.rgb.0, color.rgb.1, color.rgb.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_heat_map_is_two_pictures_and_their_axes() {
        let matrix = Tensor::new(&[[0f32, 1., f32::NAN], [2., 3., 4.]], &Device::Cpu).unwrap();
        let figure = heat_map(&matrix).title("attention").draw().unwrap();
        assert_eq!(figure.svg().matches("<image").count(), 2);
        assert!(figure.svg().contains("attention"));
        let bare = heat_map(&matrix).colorbar(false).grid(false).draw();
        assert_eq!(bare.unwrap().svg().matches("<image").count(), 1);
        let vector = Tensor::new(&[1f32], &Device::Cpu).unwrap();
        assert!(heat_map(&vector).draw().is_err());
    }

    #[test]
    fn color_maps_have_matplotlibs_names() {
        for name in ["viridis", "gray", "bone", "copper", "coolwarm"] {
            let (map, reversed) = (colors(name).unwrap(), colors(&format!("{name}_r")).unwrap());
            assert_eq!(map(0.25), reversed(0.75), "{name}");
        }
        assert_eq!(colors("gray").unwrap()(1.0), RGBColor(255, 255, 255));
        assert_eq!(colors("coolwarm").unwrap()(0.5), RGBColor(245, 245, 245));
        let matrix = Tensor::new(&[[0f32, 1.0]], &Device::Cpu).unwrap();
        let error = heat_map(&matrix).cmap("jet").draw().unwrap_err();
        assert!(error.to_string().contains(".cmap(\"gray\")"), "{error}");
        let figure = heat_map(&matrix).vmin(-1.0).cmap("coolwarm").draw();
        assert!(figure.unwrap().svg().contains("\n-1\n"));
    }

    #[test]
    fn colors_go_from_dark_to_light() {
        let RGBColor(red, _, _) = color_of(0.0);
        let RGBColor(bright, ..) = color_of(1.0);
        assert!(red < 80 && bright > 200);
    }
}
