//! Bars for categories.

use candle_core::bail;
use plotters::{
    element::{Rectangle, Text},
    style::{
        BLACK, Color, IntoFont,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Figure, Numbers,
    axes::{Axes, axes_setters, range_of},
    color,
    figure::drawing_error,
};
use crate::{Result, tensor::number};
use patchbay_cell::interrupt;

/// A bar plot that is being put together.
#[derive(Debug)]
pub struct Bars {
    axes: Axes,
    names: Vec<String>,
    values: Result<Vec<f64>>,
}

/// A bar plot: `plot::bars(["ridge", "TiDE"], &errors).draw()?`.
pub fn bars<T: ToString>(names: impl IntoIterator<Item = T>, values: impl Numbers) -> Bars {
    Bars {
        axes: Axes::default(),
        names: names.into_iter().map(|name| name.to_string()).collect(),
        values: values.numbers(),
    }
}

axes_setters!(Bars);

impl Bars {
    /// The ends of the y axis; what lies outside is cut off: matplotlib's `ylim`.
    pub fn ylim(mut self, low: f64, high: f64) -> Bars {
        self.axes.y_limits = Some((low, high));
        self
    }
}

impl Bars {
    /// Draws the plot, with each bar's value at its end. Values that are not finite have no bar.
    ///
    /// # Errors
    ///
    /// Fails where there are not as many names as values, or none.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let values = self.values?;
        if values.is_empty() || values.len() != self.names.len() {
            bail!(
                "a bar plot needs a name for every value, not {} for {}",
                self.names.len(),
                values.len()
            );
        }
        let y = range_of(values.iter().copied().chain([0.0]), 0.08);
        let y = if y.start > -1e-300 || values.iter().all(|value| *value >= 0.0) {
            0.0..y.end
        } else {
            y
        };
        let axes = self.axes;
        axes.check()?;
        let y = axes.y_range(y);
        let names = self.names;
        let count = values.len();
        let figure = Figure::with(axes.size_or_default(), |area| {
            let mut builder = plotters::chart::ChartBuilder::on(area);
            builder
                .margin(10)
                .margin_right(18)
                .x_label_area_size(42)
                .y_label_area_size(62);
            if !axes.title.is_empty() {
                builder.caption(&axes.title, ("sans-serif", 17));
            }
            let mut chart = builder
                .build_cartesian_2d(-0.5..count as f64 - 0.5, y.clone())
                .map_err(drawing_error)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .bold_line_style(axes.grid_style())
                .light_line_style(plotters::style::WHITE.mix(0.0))
                .x_labels(0)
                .x_desc(&axes.x_label)
                .y_desc(&axes.y_label)
                .y_label_formatter(&|value| number(*value))
                .label_style(("sans-serif", 13))
                .draw()
                .map_err(drawing_error)?;
            let shapes = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_finite())
                .map(|(index, &value)| {
                    let middle = index as f64;
                    let within = |value: f64| value.clamp(y.start, y.end);
                    Rectangle::new(
                        [(middle - 0.38, within(0.0)), (middle + 0.38, within(value))],
                        color(index).mix(0.9).filled(),
                    )
                });
            chart.draw_series(shapes).map_err(drawing_error)?;
            let centered = |vertical| {
                ("sans-serif", 13)
                    .into_font()
                    .color(&BLACK)
                    .pos(Pos::new(HPos::Center, vertical))
            };
            let at_ends = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_finite())
                .map(|(index, &value)| {
                    let end = value.clamp(y.start, y.end);
                    Text::new(number(value), (index as f64, end), centered(VPos::Bottom))
                });
            chart.draw_series(at_ends).map_err(drawing_error)?;
            // Names stand under the axis, where the mesh would only put numbers.
            for (index, name) in names.iter().enumerate() {
                let (x, y) = chart.backend_coord(&(index as f64, y.start));
                area.draw(&Text::new(name.clone(), (x, y + 8), centered(VPos::Top)))
                    .map_err(drawing_error)?;
            }
            Ok::<(), candle_core::Error>(())
        })?;
        Ok(figure.described(format!("a bar plot of {count} values")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_names_and_values() {
        let figure = bars(["ridge", "TiDE"], [0.374, 0.402])
            .title("MSE")
            .draw()
            .unwrap();
        for part in ["ridge", "TiDE", "0.374", "MSE"] {
            assert!(figure.svg().contains(part), "{part}");
        }
        assert!(bars(["a"], [1.0, 2.0]).draw().is_err());
    }
}
