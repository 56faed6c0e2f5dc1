//! One forecast of all series, in the units of the file.

use candle_core::{Tensor, bail};
use patchbay_protocol::MimeBundle;

use super::{
    Dataset, Windows,
    backtest::{middle, plain},
    format_time,
};
use crate::{
    Result, Show, Table,
    plugin::{Forecaster, Slot},
    show,
    tensor::number,
};

/// A forecast of all series from one row on.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The series' names.
    pub names: Vec<String>,
    /// Seconds since 1970 of the steps that are forecast.
    pub times: Vec<i64>,
    /// The levels of a probabilistic forecast; empty for a point forecast.
    pub quantiles: Vec<f64>,
    pub(super) series: Vec<SeriesForecast>,
}

#[derive(Clone, Debug)]
pub(super) struct SeriesForecast {
    /// What came before, as much of it as the model saw.
    pub past: Vec<f64>,
    /// What came; shorter than the forecast where the data end.
    pub truth: Vec<f64>,
    /// For each output, the steps.
    pub outputs: Vec<Vec<f64>>,
    /// Named parts of the output whose level is nearest to 0.5, in standard scores.
    pub parts: Vec<(String, Vec<f64>)>,
}

/// Forecasts all series from row `row` on, which is one of the data or the first after them.
///
/// Quantiles are put in order at each step (Chernozhukov et al. 2010), as they are for a [`super::backtest`].
///
/// # Errors
///
/// Fails where the past is too short, or covariates of the future are not known.
pub fn predict(model: &Slot<dyn Forecaster>, data: &Dataset, row: usize) -> Result<Forecast> {
    let (lookback, horizon) = (model.lookback(), model.horizon());
    let rows = data.times.len();
    if row < lookback || row > rows {
        bail!(
            "a forecast from row {row} needs the {lookback} rows before it; there are rows 0 to {rows}"
        );
    }
    if data.known.count > 0 && row + horizon > rows {
        bail!(
            "a forecast of rows {row} to {} needs known covariates up to there; they end with row {}",
            row + horizon,
            rows
        );
    }
    let places: Vec<(usize, usize)> = (0..data.names.len()).map(|series| (row, series)).collect();
    let window = Windows::anywhere(data, lookback, horizon).window(&places)?;
    let forecast = plain(&sorted(&model.forward(&window, false)?)?)?;
    let mut parts = Vec::new();
    for (name, values) in model.parts(&window)? {
        parts.push((name, plain(&values)?));
    }
    let quantiles = model.quantiles();
    let outputs = quantiles.len().max(1);
    let step = match data.times[..] {
        [first, second, ..] => second - first,
        _ => 1,
    };
    let series = (0..data.names.len())
        .map(|series| {
            let unscaled = |values: &[f32]| -> Vec<f64> {
                values
                    .iter()
                    .map(|&value| data.scaler.unscale(series, f64::from(value)))
                    .collect()
            };
            let of = |values: &[f32], output: usize| -> Vec<f32> {
                (0..horizon)
                    .map(|step| values[(series * horizon + step) * outputs + output])
                    .collect()
            };
            let values = &data.values[series];
            SeriesForecast {
                past: unscaled(&values[row - lookback..row]),
                truth: unscaled(&values[row..(row + horizon).min(rows)]),
                outputs: (0..outputs)
                    .map(|output| unscaled(&of(&forecast, output)))
                    .collect(),
                parts: parts
                    .iter()
                    .map(|(name, values)| {
                        let part = of(values, middle(&quantiles));
                        (name.clone(), part.into_iter().map(f64::from).collect())
                    })
                    .collect(),
            }
        })
        .collect();
    Ok(Forecast {
        names: data.names.clone(),
        times: (0..horizon as i64)
            .map(|index| data.times[row - 1] + (index + 1) * step)
            .collect(),
        quantiles,
        series,
    })
}

impl Forecast {
    /// The forecast of a series: `[horizon]` of the level nearest to 0.5.
    ///
    /// # Errors
    ///
    /// Fails where there is no such series.
    pub fn values(&self, name: &str) -> Result<&[f64]> {
        Ok(&self.of(name)?.outputs[middle(&self.quantiles)])
    }

    /// What came; shorter where the data end.
    ///
    /// # Errors
    ///
    /// Fails where there is no such series.
    pub fn truth(&self, name: &str) -> Result<&[f64]> {
        Ok(&self.of(name)?.truth)
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "series",
            "last value",
            "first step",
            "last step",
            "mean",
            "MSE",
        ]);
        for (name, series) in self.names.iter().zip(&self.series) {
            let values = &series.outputs[middle(&self.quantiles)];
            let at = |value: Option<&f64>| value.map_or_else(String::new, |&value| number(value));
            let known = series.truth.len().max(1) as f64;
            let errors = values.iter().zip(&series.truth);
            let mse = errors
                .map(|(value, truth)| (value - truth).powi(2))
                .sum::<f64>()
                / known;
            table.push([
                name.clone(),
                at(series.past.last()),
                at(values.first()),
                at(values.last()),
                number(values.iter().sum::<f64>() / values.len().max(1) as f64),
                match series.truth.is_empty() {
                    true => String::new(),
                    false => number(mse),
                },
            ]);
        }
        table
    }

    fn summary(&self) -> String {
        let ends = [self.times.first(), self.times.last()];
        let [first, last] =
            ends.map(|time| time.map_or_else(String::new, |&time| format_time(time)));
        format!("{} steps, {first} to {last}", self.times.len())
    }

    pub(super) fn of(&self, name: &str) -> Result<&SeriesForecast> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(&self.series[index]),
            None => bail!(
                "there is no series {name}; the series are {}",
                self.names.join(", ")
            ),
        }
    }
}

/// A table of all series and, in a notebook, the plot of the first; `plot(name)` is that of another.
impl Show for Forecast {
    fn show(&self) -> MimeBundle {
        let figure = self.names.first().and_then(|name| self.plot(name).ok());
        let figure = figure.map_or_else(String::new, |figure| figure.svg().to_owned());
        show::bundle(
            format!("{}\n{}", self.summary(), self.table()),
            "text/html",
            format!(
                "<div>{}</div>{figure}{}",
                self.summary(),
                self.table().to_html()
            ),
        )
    }
}

/// Outputs `[batch, horizon, outputs]` in ascending order.
pub(super) fn sorted(forecast: &Tensor) -> Result<Tensor> {
    let forecast = forecast.detach();
    if forecast.dim(2)? == 1 {
        return Ok(forecast);
    }
    Ok(forecast.contiguous()?.sort_last_dim(true)?.0)
}
