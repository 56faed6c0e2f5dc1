//! Axes that the kinds of plots share.

use std::ops::Range;

use plotters::{
    chart::{ChartBuilder, ChartContext, SeriesLabelPosition},
    coord::{cartesian::Cartesian2d, types::RangedCoordf64},
    prelude::SVGBackend,
    style::{BLACK, Color, RGBAColor, RGBColor, WHITE},
};

use super::figure::{Area, drawing_error};
use crate::{Result, tensor::number};

/// A chart on two number axes.
pub type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Titles and scales.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    /// The x axis has powers of ten.
    pub x_log: bool,
    /// The y axis has powers of ten.
    pub y_log: bool,
    /// What the x axis shows at its ends, instead of what there is.
    pub x_limits: Option<(f64, f64)>,
    /// What the y axis shows at its ends, instead of what there is.
    pub y_limits: Option<(f64, f64)>,
    /// A setting that cannot be.
    pub fault: Option<String>,
    pub size: Option<(u32, u32)>,
    /// Where the legend is, in matplotlib's words.
    pub legend: Option<String>,
    /// There are no lines behind what is drawn.
    pub no_grid: bool,
}

/// The setters that all builders on number axes have.
macro_rules! axes_setters {
    ($builder:ty) => {
        impl $builder {
            /// The line above the plot.
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.axes.title = title.into();
                self
            }

            /// Sets the label of the x axis.
            pub fn x_label(mut self, label: impl Into<String>) -> Self {
                self.axes.x_label = label.into();
                self
            }

            /// Sets the label of the y axis.
            pub fn y_label(mut self, label: impl Into<String>) -> Self {
                self.axes.y_label = label.into();
                self
            }

            /// Sets the label of the x axis, by matplotlib's name.
            pub fn xlabel(self, label: impl Into<String>) -> Self {
                self.x_label(label)
            }

            /// Sets the label of the y axis, by matplotlib's name.
            pub fn ylabel(self, label: impl Into<String>) -> Self {
                self.y_label(label)
            }

            /// Whether there are lines at the numbers of the axes, as there are without this.
            pub fn grid(mut self, visible: bool) -> Self {
                self.axes.no_grid = !visible;
                self
            }

            /// Width and height in pixels.
            pub fn size(mut self, width: u32, height: u32) -> Self {
                self.axes.size = Some((width, height));
                self
            }
        }
    };
}
pub(crate) use axes_setters;

/// The setters of builders whose axes can be cut.
macro_rules! limits_setters {
    ($builder:ty) => {
        impl $builder {
            /// The ends of the x axis; what lies outside is cut off: matplotlib's `xlim`.
            pub fn xlim(mut self, low: f64, high: f64) -> Self {
                self.axes.x_limits = Some((low, high));
                self
            }

            /// The ends of the y axis; what lies outside is cut off: matplotlib's `ylim`.
            pub fn ylim(mut self, low: f64, high: f64) -> Self {
                self.axes.y_limits = Some((low, high));
                self
            }
        }
    };
}
pub(crate) use limits_setters;

/// The setters of builders that have axes of powers of ten.
macro_rules! scale_setters {
    ($builder:ty) => {
        impl $builder {
            /// A logarithmic x axis; values that are not positive are left out.
            pub fn x_log(mut self) -> Self {
                self.axes.x_log = true;
                self
            }

            /// A logarithmic y axis; values that are not positive are left out.
            pub fn y_log(mut self) -> Self {
                self.axes.y_log = true;
                self
            }

            /// The scale of the x axis, `"linear"` or `"log"`: matplotlib's `xscale`.
            pub fn xscale(mut self, scale: &str) -> Self {
                self.axes.x_log = self.axes.is_log("xscale", scale);
                self
            }

            /// The scale of the y axis, `"linear"` or `"log"`: matplotlib's `yscale`.
            pub fn yscale(mut self, scale: &str) -> Self {
                self.axes.y_log = self.axes.is_log("yscale", scale);
                self
            }
        }
    };
}
pub(crate) use scale_setters;

/// The setter that builders with a legend have.
macro_rules! legend_setter {
    ($builder:ty) => {
        impl $builder {
            /// Where the legend is, in matplotlib's words: `"upper left"`, `"lower right"`, `"best"`.
            pub fn legend(mut self, position: impl Into<String>) -> Self {
                self.axes.legend = Some(position.into());
                self
            }
        }
    };
}
pub(crate) use legend_setter;

const GRID: RGBColor = RGBColor(232, 232, 232);

impl Axes {
    /// The style of the lines at the numbers of the axes.
    pub fn grid_style(&self) -> RGBAColor {
        GRID.mix(if self.no_grid { 0.0 } else { 1.0 })
    }

    /// Whether a scale is logarithmic; another name is an error of the drawing.
    pub fn is_log(&mut self, setter: &str, scale: &str) -> bool {
        if !matches!(scale, "linear" | "log") {
            self.fault.get_or_insert_with(|| {
                format!("{setter} is {scale:?}: must be \"linear\" or \"log\": .{setter}(\"log\")")
            });
        }
        scale == "log"
    }

    /// Checks what the setters could not tell.
    pub fn check(&self) -> Result<()> {
        if let Some(fault) = &self.fault {
            candle_core::bail!("{fault}")
        }
        for (name, limits, is_log) in [
            ("xlim", self.x_limits, self.x_log),
            ("ylim", self.y_limits, self.y_log),
        ] {
            let Some((low, high)) = limits else { continue };
            if !(low < high && low.is_finite() && high.is_finite()) || (is_log && low <= 0.0) {
                candle_core::bail!(
                    "{name} is {low} to {high}: must be two numbers, the lower first, of a logarithmic axis above 0: .{name}(0.1, 1.0)"
                )
            }
        }
        Ok(())
    }

    /// The range of the x axis, in what is drawn: the limits that were set, or what there is.
    pub fn x_range(&self, there: Range<f64>) -> Range<f64> {
        match self.x_limits {
            Some((low, high)) => self.x_value(low)..self.x_value(high),
            None => there,
        }
    }

    /// As [`Axes::x_range`], of the y axis.
    pub fn y_range(&self, there: Range<f64>) -> Range<f64> {
        match self.y_limits {
            Some((low, high)) => self.y_value(low)..self.y_value(high),
            None => there,
        }
    }

    /// A value on the x axis: its logarithm if the axis is logarithmic. What has none is a gap.
    pub fn x_value(&self, value: f64) -> f64 {
        if self.x_log { value.log10() } else { value }
    }

    pub fn size_or_default(&self) -> (u32, u32) {
        self.size.unwrap_or(super::Figure::SIZE)
    }

    /// Where the legend is: where the builder's user has put it, else in its usual place.
    pub fn legend_or(&self, usual: SeriesLabelPosition) -> Result<SeriesLabelPosition> {
        let Some(position) = &self.legend else {
            return Ok(usual);
        };
        Ok(match position.as_str() {
            "best" => usual,
            "upper left" => SeriesLabelPosition::UpperLeft,
            "upper center" => SeriesLabelPosition::UpperMiddle,
            "upper right" => SeriesLabelPosition::UpperRight,
            "center left" => SeriesLabelPosition::MiddleLeft,
            "center" => SeriesLabelPosition::MiddleMiddle,
            "center right" | "right" => SeriesLabelPosition::MiddleRight,
            "lower left" => SeriesLabelPosition::LowerLeft,
            "lower center" => SeriesLabelPosition::LowerMiddle,
            "lower right" => SeriesLabelPosition::LowerRight,
            other => candle_core::bail!(
                "the legend is at {other:?}: must be \"best\", \"center\", or \"upper\", \"center\" or \"lower\" with \
                 \"left\", \"center\" or \"right\": .legend(\"upper left\")"
            ),
        })
    }

    /// A value on the y axis: its logarithm if the axis is logarithmic. What has none is a gap.
    pub fn y_value(&self, value: f64) -> f64 {
        if self.y_log { value.log10() } else { value }
    }

    /// Draws the axes and returns the chart to draw on.
    pub fn draw<'a, 'b>(
        &self,
        area: &'a Area<'b>,
        x: Range<f64>,
        y: Range<f64>,
    ) -> Result<Chart<'a, 'b>> {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(10)
            .margin_right(18)
            .x_label_area_size(if self.x_label.is_empty() { 26 } else { 42 })
            .y_label_area_size(if self.y_label.is_empty() { 52 } else { 66 });
        if !self.title.is_empty() {
            builder.caption(&self.title, ("sans-serif", 17));
        }
        let (wide, high) = (x.end - x.start, y.end - y.start);
        let mut chart = builder.build_cartesian_2d(x, y).map_err(drawing_error)?;
        let y_text = |value: &f64| {
            if self.y_log {
                power_of_ten(*value)
            } else {
                number(without_rounding_error(*value, high))
            }
        };
        let x_text = |value: &f64| {
            if self.x_log {
                power_of_ten(*value)
            } else {
                number(without_rounding_error(*value, wide))
            }
        };
        chart
            .configure_mesh()
            .bold_line_style(self.grid_style())
            .light_line_style(WHITE.mix(0.0))
            .axis_style(BLACK.mix(0.6))
            .x_labels(8)
            .y_labels(7)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&x_text)
            .y_label_formatter(&y_text)
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 14))
            .draw()
            .map_err(drawing_error)?;
        Ok(chart)
    }
}

/// 0 for what is only the error of counting up to 0 in steps.
fn without_rounding_error(value: f64, range: f64) -> f64 {
    if value.abs() < 1e-9 * range {
        0.0
    } else {
        value
    }
}

/// A power of ten with two significant digits.
fn power_of_ten(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    let step = 10f64.powf(value.log10().floor() - 1.0);
    number((value / step).round() * step)
}

/// Draws the legend where it covers least: on the side of the plot away from the last points.
pub fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>, position: SeriesLabelPosition) -> Result<()> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.15))
        .label_font(("sans-serif", 13))
        .draw()
        .map_err(drawing_error)
}

/// The range of the finite values, a little wider, and never empty.
pub fn range_of(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return 0.0..1.0;
    }
    let width = if high > low {
        (high - low) * margin
    } else {
        low.abs().max(1.0) * 0.5
    };
    low - width..high + width
}

/// The parts of a line within a range, each a run of points; a point that is not finite ends one.
pub fn clipped(points: &[(f64, f64)], x: &Range<f64>, y: &Range<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let is_in = |point: &(f64, f64)| {
        (x.start..=x.end).contains(&point.0) && (y.start..=y.end).contains(&point.1)
    };
    let mut open = false;
    for (index, &point) in points.iter().enumerate() {
        if !point.0.is_finite() || !point.1.is_finite() {
            open = false;
            continue;
        }
        let before = index.checked_sub(1).map(|before| points[before]);
        let before = before.filter(|before| before.0.is_finite() && before.1.is_finite());
        match before {
            None => {
                open = is_in(&point);
                if open {
                    runs.push(vec![point]);
                }
            }
            Some(before) => match segment(before, point, x, y) {
                Some((from, to)) => {
                    match runs.last_mut().filter(|_| open) {
                        Some(run) => run.push(to),
                        None => runs.push(vec![from, to]),
                    }
                    open = is_in(&point);
                }
                None => open = false,
            },
        }
    }
    runs
}

/// The part of a segment within a range (Liang and Barsky 1984).
fn segment(
    from: (f64, f64),
    to: (f64, f64),
    x: &Range<f64>,
    y: &Range<f64>,
) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut first, mut last) = (0.0f64, 1.0f64);
    for (step, room) in [
        (-dx, from.0 - x.start),
        (dx, x.end - from.0),
        (-dy, from.1 - y.start),
        (dy, y.end - from.1),
    ] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
            continue;
        }
        let at = room / step;
        if step < 0.0 {
            first = first.max(at);
        } else {
            last = last.min(at);
        }
    }
    let point = |at: f64| (from.0 + at * dx, from.1 + at * dy);
    (first <= last).then(|| (point(first), point(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_leave_the_range() {
        let (x, y) = (0.0..10.0, 0.0..1.0);
        let runs = clipped(&[(0.0, 0.0), (2.0, 2.0), (4.0, 0.0), (5.0, 0.5)], &x, &y);
        assert_eq!(
            runs,
            [
                vec![(0.0, 0.0), (1.0, 1.0)],
                vec![(3.0, 1.0), (4.0, 0.0), (5.0, 0.5)]
            ]
        );
        // Through the range without a point in it, and past it.
        let runs = clipped(&[(-1.0, 0.5), (11.0, 0.5), (12.0, 3.0)], &x, &y);
        assert_eq!(runs, [vec![(0.0, 0.5), (10.0, 0.5)]]);
        let gap = clipped(&[(1.0, 0.1), (f64::NAN, 0.2), (3.0, 0.3)], &x, &y);
        assert_eq!(gap, [vec![(1.0, 0.1)], vec![(3.0, 0.3)]]);
        assert!(clipped(&[(1.0, 5.0), (2.0, 6.0)], &x, &y).is_empty());
    }

    #[test]
    fn ranges_cover_what_is_finite_and_are_never_empty() {
        assert_eq!(
            range_of([1.0, 3.0, f64::NAN, f64::INFINITY].into_iter(), 0.0),
            1.0..3.0
        );
        assert_eq!(range_of([f64::NAN].into_iter(), 0.1), 0.0..1.0);
        let single = range_of([5.0].into_iter(), 0.1);
        assert!(single.start < 5.0 && single.end > 5.0);
    }
}
