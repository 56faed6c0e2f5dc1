//! One forecast of all series, in the units of the file.

use candle_core::{Tensor, bail};
use patchbay_protocol::MimeBundle;

use super::{
    Dataset, Frame, Frequency, Windows, Zone,
    backtest::{middle, plain},
    scales::in_scales_of,
};
use patchbay_plugin::{Forecaster, Slot};
use patchbay_show::{Result, Show, Table, show, tensor::number};

/// A forecast of all series from one row on.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The series' names.
    pub names: Vec<String>,
    /// Seconds since 1970 of the steps that are forecast.
    pub times: Vec<i64>,
    /// The levels of a probabilistic forecast; empty for a point forecast.
    pub quantiles: Vec<f64>,
    pub(super) zone: Zone,
    frequency: Frequency,
    pub(super) series: Vec<SeriesForecast>,
}

#[derive(Clone, Debug)]
pub(super) struct SeriesForecast {
    /// What came before, as much of it as the model saw.
    pub past: Vec<f64>,
    /// What came, NaN where it was not measured; shorter than the forecast where the data end.
    pub truth: Vec<f64>,
    /// For each output, the steps.
    pub outputs: Vec<Vec<f64>>,
    /// Named parts of the output whose level is nearest to 0.5, in standard scores.
    pub parts: Vec<(String, Vec<f64>)>,
}

/// Forecasts all series from row `row` on, which is one of the data or the first after them: `data.times().len()` is the
/// future. Calendar features go on by themselves; what [`Dataset::with_known`] was given must reach as far as the forecast.
///
/// The forecaster sees the data in the scales that it was fitted or saved in. Quantiles are put in order at each step (Chernozhukov et al. 2010), as they are for a [`super::backtest`].
///
/// # Errors
///
/// Fails where the past is too short, covariates of the future are not known, or the data have another step, other series
/// or other covariates than those that the forecaster was fitted on.
pub fn predict(model: &Slot<dyn Forecaster>, data: &Dataset, row: usize) -> Result<Forecast> {
    let (lookback, horizon) = (model.lookback(), model.horizon());
    let scaled = in_scales_of(model, data)?;
    let data = &*scaled;
    let rows = data.times.len();
    if row < lookback || row > rows {
        bail!(
            "a forecast from row {row} needs the {lookback} rows before it; there are rows 0 to {rows}"
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
    let last = data.times[row - 1];
    let times: Option<Vec<i64>> = (1..=horizon as i64)
        .map(|steps| data.frequency.advance(last, steps, &data.zone))
        .collect();
    let Some(times) = times else {
        bail!(
            "{horizon} steps of {} after {} are beyond the years that calendars have",
            data.frequency,
            data.zone.format(last)
        );
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
                truth: (row..(row + horizon).min(rows))
                    .map(|row| match &data.measured[series] {
                        Some(measured) if !measured[row] => f64::NAN,
                        _ => data.scaler.unscale(series, f64::from(values[row])),
                    })
                    .collect(),
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
        times,
        quantiles,
        zone: data.zone.clone(),
        frequency: data.frequency,
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

    /// The forecast of a level of a series: `[horizon]`. (GluonTS' `quantile`.)
    ///
    /// # Errors
    ///
    /// Fails where there is no such series or the forecaster has no such level.
    pub fn quantile(&self, name: &str, level: f64) -> Result<&[f64]> {
        let series = self.of(name)?;
        let found = self
            .quantiles
            .iter()
            .position(|known| (known - level).abs() < 1e-9);
        match found {
            Some(index) => Ok(&series.outputs[index]),
            None if self.quantiles.is_empty() => bail!(
                "this is a point forecast, it has no level {level}: create the forecaster with \"quantiles\": [0.1, 0.5, 0.9]"
            ),
            None => bail!(
                "the forecast has the levels {:?}, not {level}",
                self.quantiles
            ),
        }
    }

    /// The lower and the upper end, each `[horizon]`, of the interval that holds a share `coverage` of what comes: 0.8 is from
    /// level 0.1 to 0.9.
    ///
    /// # Errors
    ///
    /// As [`Forecast::quantile`].
    pub fn interval(&self, name: &str, coverage: f64) -> Result<(&[f64], &[f64])> {
        let tail = (1.0 - coverage) / 2.0;
        Ok((self.quantile(name, tail)?, self.quantile(name, 1.0 - tail)?))
    }

    /// The forecast as columns of numbers at its times: `name` for a point forecast, `name_q0.1` and so on for levels.
    ///
    /// # Errors
    ///
    /// Fails where a value is not finite.
    pub fn to_frame(&self) -> Result<Frame> {
        let mut columns = Vec::new();
        for (name, series) in self.names.iter().zip(&self.series) {
            if self.quantiles.is_empty() {
                columns.push((name.clone(), series.outputs[0].clone()));
            }
            for (level, values) in self.quantiles.iter().zip(&series.outputs) {
                columns.push((format!("{name}_q{level}"), values.clone()));
            }
        }
        for (name, values) in &columns {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                bail!("the forecast {name} has {value}, which is no number");
            }
        }
        Frame::in_steps(
            self.times.clone(),
            columns,
            self.zone.clone(),
            Some(self.frequency),
        )
    }

    /// What came, NaN where it was not measured; shorter where the data end.
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
            let errors = values.iter().zip(&series.truth);
            let squares: Vec<f64> = errors
                .filter(|(_, truth)| !truth.is_nan())
                .map(|(value, truth)| (value - truth).powi(2))
                .collect();
            let mse = squares.iter().sum::<f64>() / squares.len() as f64;
            table.push([
                name.clone(),
                at(series.past.last()),
                at(values.first()),
                at(values.last()),
                number(values.iter().sum::<f64>() / values.len().max(1) as f64),
                match squares.is_empty() {
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
            ends.map(|time| time.map_or_else(String::new, |&time| self.zone.format(time)));
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
