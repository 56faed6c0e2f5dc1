//! Lines with a legend.

use candle_core::bail;
use plotters::{
    chart::SeriesLabelPosition,
    element::{PathElement, Polygon},
    series::LineSeries,
    style::Color,
};

use super::{
    Figure, Numbers,
    axes::{
        Axes, axes_setters, clipped, legend, legend_setter, limits_setters, range_of, scale_setters,
    },
    color,
    figure::drawing_error,
};
use crate::Result;
use patchbay_cell::interrupt;

/// The most points of a line that are drawn; of more, each stretch shows its lowest and highest.
const MOST_POINTS: usize = 1200;

/// A line plot that is being put together.
#[derive(Debug, Default)]
pub struct Lines {
    axes: Axes,
    series: Vec<Series>,
    spans: Vec<Span>,
    error: Option<candle_core::Error>,
    most_points: Option<usize>,
}

#[derive(Debug)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

/// From a low to a high value at each x: error bars, or a filled band.
#[derive(Debug)]
struct Span {
    /// Whose color it has.
    series: usize,
    is_band: bool,
    points: Vec<(f64, f64, f64)>,
}

/// A line plot: `plot::lines().series("train", &losses).y_log().draw()?`.
pub fn lines() -> Lines {
    Lines::default()
}

axes_setters!(Lines);
legend_setter!(Lines);
limits_setters!(Lines);
scale_setters!(Lines);

impl Lines {
    /// Adds a line over 0, 1, 2, ...
    pub fn series(self, name: impl Into<String>, values: impl Numbers) -> Lines {
        match values.numbers() {
            Ok(values) => {
                let points = values
                    .into_iter()
                    .enumerate()
                    .map(|(x, y)| (x as f64, y))
                    .collect();
                self.points(name, points)
            }
            Err(error) => self.failed(error),
        }
    }

    /// Adds a line through points with these coordinates.
    pub fn series_xy(self, name: impl Into<String>, x: impl Numbers, y: impl Numbers) -> Lines {
        match x.numbers().and_then(|x| Ok((x, y.numbers()?))) {
            Ok((x, y)) if x.len() == y.len() => self.points(name, x.into_iter().zip(y).collect()),
            Ok((x, y)) => self.failed(candle_core::Error::Msg(format!(
                "a line needs as many x as y, not {} and {}",
                x.len(),
                y.len()
            ))),
            Err(error) => self.failed(error),
        }
    }

    /// Adds a line without a name through points with these coordinates: matplotlib's `plot`. [`Lines::label`] names it.
    pub fn plot(self, x: impl Numbers, y: impl Numbers) -> Lines {
        self.series_xy("", x, y)
    }

    /// Names the line that was added last, for the legend: matplotlib's `label`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = [0.0, 1.0, 2.0];
    /// plot::plot(x, [0.9, 0.5, 0.3]).label("train").plot(x, [1.0, 0.7, 0.6]).label("test").draw()?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn label(mut self, name: impl Into<String>) -> Lines {
        match self.series.last_mut() {
            Some(series) => series.name = name.into(),
            None => {
                return self.failed(candle_core::Error::Msg(
                    "label: there is no line that it could name: plot::plot(&x, &y).label(\"train\")"
                        .to_owned(),
                ));
            }
        }
        self
    }

    /// Adds a line through points with a bar of `error` up and down at each: matplotlib's `errorbar`.
    pub fn errorbar(
        self,
        name: impl Into<String>,
        x: impl Numbers,
        y: impl Numbers,
        error: impl Numbers,
    ) -> Lines {
        match three("error bars need", "error", x, y, error) {
            Ok(all) => {
                let points = all.iter().map(|&(x, y, _)| (x, y)).collect();
                let spans = all.iter().map(|&(x, y, e)| (x, y - e.abs(), y + e.abs()));
                let spans = spans.collect();
                let mut lines = self.points(name, points);
                lines.spans.push(Span {
                    series: lines.series.len() - 1,
                    is_band: false,
                    points: spans,
                });
                lines
            }
            Err(error) => self.failed(error),
        }
    }

    /// Fills what lies between two lines, in the color of the line that was added last: matplotlib's `fill_between`.
    pub fn fill_between(mut self, x: impl Numbers, low: impl Numbers, high: impl Numbers) -> Lines {
        match three("a band needs", "high", x, low, high) {
            Ok(points) => {
                self.spans.push(Span {
                    series: self.series.len().saturating_sub(1),
                    is_band: true,
                    points,
                });
                self
            }
            Err(error) => self.failed(error),
        }
    }

    pub(crate) fn points(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Lines {
        self.series.push(Series {
            name: name.into(),
            points,
        });
        self
    }

    fn failed(mut self, error: candle_core::Error) -> Lines {
        self.error.get_or_insert(error);
        self
    }

    /// The most points of a line that are drawn.
    pub(crate) fn most_points(mut self, count: usize) -> Lines {
        self.most_points = Some(count);
        self
    }

    /// Draws the plot. NaN and infinite values are gaps.
    ///
    /// # Errors
    ///
    /// Fails where there is no series, or the coordinates of one do not fit.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        self.draw_always()
    }

    /// [`Lines::draw`] for what is drawn while an interrupted cell ends.
    pub(crate) fn draw_always(self) -> Result<Figure> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.series.is_empty() && self.spans.is_empty() {
            bail!("a line plot needs at least one series: plot::lines().series(\"name\", &values)");
        }
        let axes = self.axes;
        axes.check()?;
        let spans: Vec<Span> = self
            .spans
            .into_iter()
            .map(|mut span| {
                for (x, low, high) in &mut span.points {
                    *x = axes.x_value(*x);
                    (*low, *high) = (axes.y_value(*low), axes.y_value(*high));
                }
                // Nothing is filled up to where there is no number.
                span.points
                    .retain(|(x, low, high)| (x + low + high).is_finite());
                span
            })
            .collect();
        let lines: Vec<(String, Vec<(f64, f64)>)> = self
            .series
            .into_iter()
            .map(|series| {
                let points: Vec<_> = series
                    .points
                    .into_iter()
                    .map(|(x, y)| (axes.x_value(x), axes.y_value(y)))
                    .collect();
                (
                    series.name,
                    thin_out(points, self.most_points.unwrap_or(MOST_POINTS)),
                )
            })
            .collect();
        let x = range_of(
            lines
                .iter()
                .flat_map(|(_, points)| points.iter().map(|point| point.0))
                .chain(
                    spans
                        .iter()
                        .flat_map(|span| span.points.iter().map(|p| p.0)),
                ),
            0.02,
        );
        let x = axes.x_range(x);
        let y = range_of(
            lines
                .iter()
                .flat_map(|(_, points)| points.iter().map(|point| point.1))
                .chain(
                    spans
                        .iter()
                        .flat_map(|span| span.points.iter().flat_map(|p| [p.1, p.2])),
                ),
            0.06,
        );
        let y = axes.y_range(y);
        let middle = (y.start + y.end) / 2.0;
        // The legend goes to the right, above or below the ends of most lines.
        let ends_high = lines
            .iter()
            .filter_map(|(_, points)| points.last())
            .filter(|point| point.1 > middle)
            .count();
        let position = axes.legend_or(if ends_high * 2 > lines.len() {
            SeriesLabelPosition::LowerRight
        } else {
            SeriesLabelPosition::UpperRight
        })?;
        let description = format!(
            "a line plot{} of {}",
            if axes.title.is_empty() {
                String::new()
            } else {
                format!(" \"{}\"", axes.title)
            },
            lines
                .iter()
                .map(|(name, points)| {
                    let name = if name.is_empty() { "a line" } else { name };
                    format!("{name} ({} points)", points.len())
                })
                .collect::<Vec<_>>()
                .join(", ")
        );
        let figure = Figure::with(axes.size_or_default(), |area| {
            let mut chart = axes.draw(area, x.clone(), y.clone())?;
            for span in &spans {
                let color = color(span.series);
                let points: Vec<(f64, f64, f64)> = span
                    .points
                    .iter()
                    .filter(|(at, low, high)| {
                        (x.start..=x.end).contains(at)
                            && high.max(*low) >= y.start
                            && low.min(*high) <= y.end
                    })
                    .map(|&(at, low, high)| {
                        (at, low.clamp(y.start, y.end), high.clamp(y.start, y.end))
                    })
                    .collect();
                if span.is_band {
                    let below = points.iter().map(|&(x, low, _)| (x, low));
                    let above = points.iter().rev().map(|&(x, _, high)| (x, high));
                    let outline: Vec<(f64, f64)> = below.chain(above).collect();
                    if !outline.is_empty() {
                        let band = Polygon::new(outline, color.mix(0.25).filled());
                        chart.draw_series([band]).map_err(drawing_error)?;
                    }
                    continue;
                }
                let cap = (x.end - x.start) * 0.006;
                let bars = points.iter().flat_map(|&(x, low, high)| {
                    [
                        vec![(x, low), (x, high)],
                        vec![(x - cap, low), (x + cap, low)],
                        vec![(x - cap, high), (x + cap, high)],
                    ]
                });
                let bars = bars.map(|points| PathElement::new(points, color.stroke_width(1)));
                chart.draw_series(bars).map_err(drawing_error)?;
            }
            for (index, (name, points)) in lines.iter().enumerate() {
                let style = color(index).stroke_width(2);
                let mut named = false;
                for run in clipped(points, &x, &y) {
                    let drawn = if run.len() == 1 {
                        // A single point between gaps is a short dash, or it would not be seen.
                        let dash = (x.end - x.start) * 0.004;
                        vec![(run[0].0 - dash, run[0].1), (run[0].0 + dash, run[0].1)]
                    } else {
                        run
                    };
                    let series = chart
                        .draw_series(LineSeries::new(drawn, style))
                        .map_err(drawing_error)?;
                    if !named && !name.is_empty() {
                        series
                            .label(name)
                            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
                        named = true;
                    }
                }
            }
            if lines.iter().any(|(name, _)| !name.is_empty()) {
                legend(&mut chart, position)?;
            }
            Ok::<(), candle_core::Error>(())
        })?;
        Ok(figure.described(description))
    }
}

/// Three lists of one length, as triples.
fn three(
    needs: &str,
    last: &str,
    x: impl Numbers,
    y: impl Numbers,
    z: impl Numbers,
) -> Result<Vec<(f64, f64, f64)>> {
    let (x, y, z) = (x.numbers()?, y.numbers()?, z.numbers()?);
    if x.len() != y.len() || x.len() != z.len() {
        bail!(
            "{needs} as many x, y and {last} values, not {}, {} and {}",
            x.len(),
            y.len(),
            z.len()
        )
    }
    let all = x.into_iter().zip(y).zip(z);
    Ok(all.map(|((x, y), z)| (x, y, z)).collect())
}

/// Keeps of every stretch of a long line its lowest and its highest point, in order, and all gaps.
fn thin_out(points: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points;
    }
    let stretch = points.len().div_ceil(most / 2);
    let mut kept = Vec::with_capacity(most + 2);
    for chunk in points.chunks(stretch) {
        let extreme = |better: fn(f64, f64) -> bool| {
            (0..chunk.len())
                .filter(|&index| chunk[index].1.is_finite())
                .reduce(|best, index| {
                    if better(chunk[index].1, chunk[best].1) {
                        index
                    } else {
                        best
                    }
                })
        };
        match (extreme(|a, b| a < b), extreme(|a, b| a > b)) {
            (Some(low), Some(high)) => {
                kept.push(chunk[low.min(high)]);
                if low != high {
                    kept.push(chunk[low.max(high)]);
                }
            }
            _ => kept.push(chunk[0]),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_series_and_labels() {
        let svg = lines()
            .series("train", [3.0, 2.0, 1.0])
            .series_xy("test", [0.0, 1.0, 2.0], vec![3.5f32, 2.5, f32::NAN])
            .title("loss")
            .x_label("epoch")
            .draw()
            .unwrap();
        for part in ["train", "test", "loss", "epoch", "#0072B2", "#D55E00"] {
            assert!(svg.svg().contains(part), "{part} is missing");
        }
        assert_eq!(
            svg.show().data["text/plain"],
            "a line plot \"loss\" of train (3 points), test (3 points)"
        );
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(
            lines()
                .draw()
                .unwrap_err()
                .to_string()
                .contains("at least one series")
        );
        let error = lines()
            .series_xy("a", [1.0], [1.0, 2.0])
            .draw()
            .unwrap_err();
        assert!(error.to_string().contains("not 1 and 2"), "{error}");
        let error = lines().label("train").draw().unwrap_err().to_string();
        assert!(error.contains("plot::plot(&x, &y).label"), "{error}");
        let named = lines().plot([1.0], [2.0]).label("train").draw().unwrap();
        assert!(named.svg().contains("train"));
        assert!(lines().series("empty", Vec::<f64>::new()).draw().is_ok());
        assert!(lines().series("zeros", [0.0, -1.0]).y_log().draw().is_ok());
        let error = lines().series("a", [1.0]).yscale("ln").draw().unwrap_err();
        assert!(error.to_string().contains("yscale(\"log\")"), "{error}");
        let error = lines()
            .series("a", [1.0])
            .ylim(1.0, 0.0)
            .draw()
            .unwrap_err();
        assert!(error.to_string().contains("the lower first"), "{error}");
        let error = lines().series("a", [1.0]).xlim(0.0, 2.0).x_log().draw();
        assert!(error.unwrap_err().to_string().contains("above 0"));
    }

    #[test]
    fn axes_are_cut_and_logarithmic() {
        let cut = lines()
            .series("a", [0.0, 100.0, 0.5])
            .ylim(0.0, 1.0)
            .xlim(0.0, 4.0)
            .draw()
            .unwrap();
        assert!(!cut.svg().contains("\n100\n") && cut.svg().contains("\n0.8\n"));
        let x = [1.0, 10.0, 1000.0];
        let log = lines()
            .plot(x, x)
            .xscale("log")
            .yscale("log")
            .draw()
            .unwrap();
        assert_eq!(log.svg().matches("\n100\n").count(), 2, "{}", log.svg());
    }

    #[test]
    fn error_bars_and_bands_are_drawn_within_the_axes() {
        let plain = lines().series("a", [1.0, 2.0]).draw().unwrap();
        let bars = lines()
            .errorbar("a", [0.0, 1.0], [1.0, 2.0], [0.5, 9.0])
            .legend("upper left")
            .draw()
            .unwrap();
        let count = |figure: &Figure| figure.svg().matches("<polyline").count();
        // A bar and two caps at each of two points.
        assert!(count(&bars) >= count(&plain) + 6 - 4, "{}", bars.svg());
        assert!(bars.svg().contains("\n10\n"), "{}", bars.svg());
        let band = lines()
            .fill_between([0.0, 1.0, 2.0], [0.0, f64::NAN, 0.0], [1.0, 1.0, 2.0])
            .draw()
            .unwrap();
        assert!(band.svg().contains("<polygon"), "{}", band.svg());
        let error = lines().fill_between([0.0], [0.0], [1.0, 2.0]).draw();
        assert!(error.unwrap_err().to_string().contains("not 1, 1 and 2"));
        let error = lines().series("a", [1.0]).legend("top").draw();
        assert!(error.unwrap_err().to_string().contains("upper left"));
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|x| (f64::from(x), 0.0)).collect();
        points[54_321].1 = 9.0;
        points[54_322].1 = -9.0;
        let kept = thin_out(points, 1000);
        assert!(kept.len() <= 1002);
        assert!(kept.contains(&(54_321.0, 9.0)) && kept.contains(&(54_322.0, -9.0)));
    }

    use crate::show::Show;
}
