//! Pictures of forecasts: against the truth, by step, and by part.

use candle_core::bail;
use plotters::{
    chart::SeriesLabelPosition,
    element::{PathElement, Polygon},
    series::LineSeries,
    style::{BLACK, Color},
};

use super::{Backtest, Forecast, backtest::middle};
use patchbay_show::{
    Result,
    plot::{
        self, Figure,
        axes::{Axes, legend, range_of},
        color, drawing_error,
    },
};

/// Steps of the past that are shown for each step of the forecast.
const PAST: f64 = 1.0;

impl Forecast {
    /// The forecast of a series with the end of its past and, where there are data, what came. A probabilistic
    /// forecast has a band for each pair of levels.
    ///
    /// # Errors
    ///
    /// Fails where there is no such series.
    pub fn plot(&self, name: &str) -> Result<Figure> {
        let series = self.of(name)?;
        let steps = self.times.len();
        let shown = ((steps as f64 * PAST) as usize).clamp(1, series.past.len());
        let past = &series.past[series.past.len() - shown..];
        let before = |index: usize| index as f64 - shown as f64;
        let mut actual: Vec<(f64, f64)> = past
            .iter()
            .enumerate()
            .map(|(i, &y)| (before(i), y))
            .collect();
        // What was not measured is not drawn.
        let measured = series.truth.iter().enumerate().filter(|(_, y)| !y.is_nan());
        actual.extend(measured.map(|(i, &y)| (i as f64, y)));
        let at = |values: &[f64]| -> Vec<(f64, f64)> {
            values
                .iter()
                .enumerate()
                .map(|(i, &y)| (i as f64, y))
                .collect()
        };
        let all = actual.iter().map(|point| point.1);
        let outputs = series.outputs.iter().flatten().copied();
        let y = range_of(all.chain(outputs), 0.06);
        let axes = Axes {
            title: format!("{name} from {}", self.zone.format(self.times[0])),
            x_label: "step (the forecast begins at 0)".to_owned(),
            ..Axes::default()
        };
        let description = format!("a plot \"{}\" of {steps} steps", axes.title);
        let figure = Figure::with((760, 380), |area| {
            let mut chart = axes.draw(area, before(0)..steps as f64, y.clone())?;
            let pairs = self.quantiles.len() / 2;
            for pair in 0..pairs {
                let (low, high) = (pair, self.quantiles.len() - 1 - pair);
                let mut outline = at(&series.outputs[low]);
                outline.extend(at(&series.outputs[high]).into_iter().rev());
                let style = color(0).mix(0.18);
                let label = format!("{} to {}", self.quantiles[low], self.quantiles[high]);
                chart
                    .draw_series([Polygon::new(outline, style)])
                    .map_err(drawing_error)?
                    .label(label)
                    .legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 18, y)], color(0).mix(0.4).stroke_width(7))
                    });
            }
            let lines = [
                ("actual", actual.clone(), BLACK.mix(0.75)),
                (
                    "forecast",
                    at(&series.outputs[middle(&self.quantiles)]),
                    color(0).mix(1.0),
                ),
            ];
            for (label, points, style) in lines {
                let style = style.stroke_width(2);
                chart
                    .draw_series(LineSeries::new(points, style))
                    .map_err(drawing_error)?
                    .label(label)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
            legend(&mut chart, SeriesLabelPosition::UpperLeft)
        })?;
        Ok(figure.described(description))
    }

    /// The parts of the forecast of a series, in standard scores: for TiDE the linear skip and the network.
    ///
    /// # Errors
    ///
    /// Fails where there is no such series or the forecaster has no parts.
    pub fn plot_parts(&self, name: &str) -> Result<Figure> {
        let series = self.of(name)?;
        if series.parts.is_empty() {
            bail!(
                "this forecaster does not say what its forecast is made of; forecaster/tide does"
            );
        }
        let mut lines = plot::lines()
            .title(format!(
                "{name}: parts of the forecast from {}",
                self.zone.format(self.times[0])
            ))
            .x_label("step")
            .y_label("standard scores")
            .size(760, 380);
        for (part, values) in &series.parts {
            lines = lines.series(part, values);
        }
        let steps = self.times.len();
        let sum: Vec<f64> = (0..steps)
            .map(|step| series.parts.iter().map(|(_, values)| values[step]).sum())
            .collect();
        lines.series("sum", sum).draw()
    }
}

/// Mean squared error at each step of the horizon.
///
/// # Errors
///
/// Fails where there is no backtest.
pub fn error_by_horizon(backtests: &[(&str, &Backtest)]) -> Result<Figure> {
    let mut lines = plot::lines()
        .title("error by step of the horizon")
        .x_label("step")
        .y_label("mean squared error")
        .size(760, 380);
    for (name, backtest) in backtests {
        let steps: Vec<usize> = (1..=backtest.mse_by_step.len()).collect();
        lines = lines.series_xy(*name, &steps, &backtest.mse_by_step);
    }
    lines.draw()
}
