//! Forecasts of all windows of a part against what came.

use std::time::Instant;

use candle_core::{DType, Tensor};
use patchbay_protocol::MimeBundle;

use super::{Dataset, Part, options::BATCH, predict::sorted, scales::in_scales_of};
use patchbay_plugin::{Forecaster, Slot};
use patchbay_show::{Result, Show, Table, show, tensor::number};

/// Errors over all windows of a part, in the scale that the forecaster was fitted in. Only values that were measured count.
#[derive(Clone, Debug)]
pub struct Backtest {
    /// The number of windows.
    pub windows: usize,
    /// How many values of all windows' futures were interpolated in the data, and are therefore in no error.
    pub interpolated: usize,
    /// Mean squared error over windows and steps; of a probabilistic forecast, that of the level nearest to 0.5.
    pub mse: f64,
    /// Mean absolute error of the same.
    pub mae: f64,
    /// Mean squared error of each step of the horizon.
    pub mse_by_step: Vec<f64>,
    /// Mean absolute error of each step.
    pub mae_by_step: Vec<f64>,
    /// Name and mean squared error of each series.
    pub mse_by_series: Vec<(String, f64)>,
    /// For each level of a probabilistic forecast: the level, the share of values at or below it, and its mean
    /// pinball loss.
    pub calibration: Vec<(f64, f64, f64)>,
    /// What repeating the last value and, where the lookback holds one, the last season ([`Dataset::season`]) gives on
    /// the same windows.
    pub baselines: Vec<Baseline>,
    /// How long it took.
    pub seconds: f64,
}

/// Errors of a forecast that needs no fitting.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The baseline's name.
    pub name: String,
    /// Its mean squared error, scaled like the model's.
    pub mse: f64,
    /// Its mean absolute error, scaled like the model's.
    pub mae: f64,
}

/// Repeats a window's last `season` values; the last value with a season of 1.
struct Naive {
    season: usize,
    squared: f64,
    absolute: f64,
}

impl Naive {
    fn add(&mut self, past: &[f32], future: &[f32], measured: impl Fn(usize) -> bool) {
        let last = &past[past.len() - self.season..];
        let steps = future.iter().zip(last.iter().cycle()).enumerate();
        for (_, (&future, &forecast)) in steps.filter(|&(step, _)| measured(step)) {
            let error = f64::from(future) - f64::from(forecast);
            self.squared += error * error;
            self.absolute += error.abs();
        }
    }
}

/// Forecasts all windows of a part, in the scales that the forecaster was fitted or saved in.
///
/// # Errors
///
/// Fails where the part is too short for a window, the data have another step, other series or other covariates than
/// those that the forecaster was fitted on, or a component fails.
pub fn backtest(model: &Slot<dyn Forecaster>, data: &Dataset, part: Part) -> Result<Backtest> {
    let start = Instant::now();
    let scaled = in_scales_of(model, data)?;
    let data = &*scaled;
    let horizon = model.horizon();
    let windows = data.windows(part, model.lookback(), horizon)?;
    let levels = model.quantiles();
    let middle = middle(&levels);
    let outputs = levels.len().max(1);
    let series = data.names().len();
    let (mut squared, mut absolute) = (vec![0f64; horizon], vec![0f64; horizon]);
    let mut of_series = vec![(0f64, 0usize); series];
    let mut calibration = vec![(0usize, 0f64); levels.len()];
    let lookback = model.lookback();
    let mut naive: Vec<Naive> = [Some(1), data.season().filter(|&season| season <= lookback)]
        .into_iter()
        .flatten()
        .map(|season| Naive {
            season,
            squared: 0.0,
            absolute: 0.0,
        })
        .collect();
    let mut first = 0;
    let (mut counts, mut interpolated) = (vec![0usize; horizon], 0);
    for batch in windows.masked_batches(BATCH) {
        let (window, future, mask) = batch?;
        let mask = mask
            .map(|mask| mask.flatten_all()?.to_vec1::<u8>())
            .transpose()?;
        let measured = |place: usize| mask.as_ref().is_none_or(|mask| mask[place] == 1);
        let forecast = plain(&sorted(&model.forward(&window, false)?)?)?;
        let (past, future) = (plain(&window.past)?, plain(&future)?);
        for naive in &mut naive {
            for (row, (past, future)) in past
                .chunks_exact(lookback)
                .zip(future.chunks_exact(horizon))
                .enumerate()
            {
                naive.add(past, future, |step| measured(row * horizon + step));
            }
        }
        for (row, (forecast, future)) in forecast
            .chunks_exact(horizon * outputs)
            .zip(future.chunks_exact(horizon))
            .enumerate()
        {
            let (mut sum, mut count) = (0.0, 0);
            for (step, (forecast, &future)) in
                forecast.chunks_exact(outputs).zip(future).enumerate()
            {
                if !measured(row * horizon + step) {
                    interpolated += 1;
                    continue;
                }
                counts[step] += 1;
                count += 1;
                let error = f64::from(future) - f64::from(forecast[middle]);
                squared[step] += error * error;
                absolute[step] += error.abs();
                sum += error * error;
                for ((level, count), &value) in levels.iter().zip(&mut calibration).zip(forecast) {
                    let error = f64::from(future) - f64::from(value);
                    count.0 += usize::from(error <= 0.0);
                    count.1 += (level * error).max((level - 1.0) * error);
                }
            }
            let of = &mut of_series[windows.place(first + row).1];
            of.0 += sum;
            of.1 += count;
        }
        first += future.len() / horizon;
    }
    let total = counts.iter().sum::<usize>() as f64;
    let by_step = |sums: &[f64]| -> Vec<f64> {
        let pairs = sums.iter().zip(&counts);
        pairs.map(|(sum, &count)| sum / count as f64).collect()
    };
    Ok(Backtest {
        windows: windows.len(),
        interpolated,
        mse: squared.iter().sum::<f64>() / total,
        mae: absolute.iter().sum::<f64>() / total,
        mse_by_step: by_step(&squared),
        mae_by_step: by_step(&absolute),
        mse_by_series: data
            .names()
            .iter()
            .zip(of_series)
            .map(|(name, (sum, count))| (name.clone(), sum / count.max(1) as f64))
            .collect(),
        calibration: levels
            .iter()
            .zip(calibration)
            .map(|(&level, (below, loss))| (level, below as f64 / total, loss / total))
            .collect(),
        baselines: naive
            .into_iter()
            .map(|naive| Baseline {
                name: match naive.season {
                    1 => "last value".to_owned(),
                    season => format!("seasonal naive ({season} steps)"),
                },
                mse: naive.squared / total,
                mae: naive.absolute / total,
            })
            .collect(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The index of the output that stands for the forecast.
pub(super) fn middle(levels: &[f64]) -> usize {
    (0..levels.len())
        .min_by(|&a, &b| (levels[a] - 0.5).abs().total_cmp(&(levels[b] - 0.5).abs()))
        .unwrap_or(0)
}

pub(super) fn plain(x: &Tensor) -> Result<Vec<f32>> {
    x.detach().flatten_all()?.to_dtype(DType::F32)?.to_vec1()
}

/// Backtests side by side, best first, with the last value and the last season: a result is worth something beside
/// others. [`super::beside`] fits ridge regression and DLinear, too.
pub fn compare(backtests: &[(&str, &Backtest)]) -> Table {
    let mut rows: Vec<(f64, [String; 5])> = Vec::new();
    for (name, backtest) in backtests {
        rows.push((
            backtest.mse,
            [
                (*name).to_owned(),
                format!("{:.4}", backtest.mse),
                format!("{:.4}", backtest.mae),
                backtest.windows.to_string(),
                format!("{:.2} s", backtest.seconds),
            ],
        ));
        for baseline in &backtest.baselines {
            let row = [
                baseline.name.clone(),
                format!("{:.4}", baseline.mse),
                format!("{:.4}", baseline.mae),
                backtest.windows.to_string(),
                String::new(),
            ];
            // Backtests of the same windows have the same baselines.
            if rows.iter().all(|(_, known)| known[..] != row[..]) {
                rows.push((baseline.mse, row));
            }
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut table = Table::new(["forecaster", "MSE", "MAE", "windows", "time"]);
    for (_, row) in rows {
        table.push(row);
    }
    table
}

impl Backtest {
    fn table(&self) -> Table {
        let mut table = Table::new(["series", "MSE"]);
        for (name, mse) in &self.mse_by_series {
            table.push([name.clone(), number(*mse)]);
        }
        table
    }

    /// This forecast beside those that need no fitting.
    fn beside(&self) -> Table {
        let mut table = Table::new(["forecast", "MSE", "MAE"]);
        let mut row = |name: &str, mse: f64, mae: f64| {
            table.push([name.to_owned(), format!("{mse:.4}"), format!("{mae:.4}")]);
        };
        row("this", self.mse, self.mae);
        for baseline in &self.baselines {
            row(&baseline.name, baseline.mse, baseline.mae);
        }
        table
    }

    fn levels(&self) -> Option<Table> {
        let mut table = Table::new(["level", "share at or below", "pinball loss"]);
        for (level, share, loss) in &self.calibration {
            table.push([number(*level), format!("{share:.3}"), format!("{loss:.4}")]);
        }
        (!self.calibration.is_empty()).then_some(table)
    }

    fn summary(&self) -> String {
        let interpolated = match self.interpolated {
            0 => String::new(),
            count => format!("; {count} interpolated values do not count"),
        };
        format!(
            "MSE {:.4}, MAE {:.4} over {} windows in {:.2} s{interpolated}",
            self.mse, self.mae, self.windows, self.seconds
        )
    }
}

impl Show for Backtest {
    fn show(&self) -> MimeBundle {
        let (levels, table, beside) = (self.levels(), self.table(), self.beside());
        let text = levels
            .as_ref()
            .map_or_else(String::new, |levels| format!("\n{levels}"));
        let html = levels.map_or_else(String::new, |levels| levels.to_html());
        show::bundle(
            format!("{}\n{beside}\n{table}{text}", self.summary()),
            "text/html",
            format!(
                "<div>{}</div>{}{}{html}",
                self.summary(),
                beside.to_html(),
                table.to_html()
            ),
        )
    }
}
