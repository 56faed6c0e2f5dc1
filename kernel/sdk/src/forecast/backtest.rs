//! Forecasts of all windows of a part against what came.

use std::time::Instant;

use candle_core::{DType, Tensor};
use patchbay_protocol::MimeBundle;

use super::{Dataset, Part, fit::BATCH, predict::sorted};
use crate::{
    Result, Show, Table,
    plugin::{Forecaster, Slot},
    show,
    tensor::number,
};

/// Errors over all windows of a part, in the scale of the data set.
#[derive(Clone, Debug)]
pub struct Backtest {
    pub windows: usize,
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
    pub seconds: f64,
}

/// Forecasts all windows of a part.
///
/// # Errors
///
/// Fails where the part is too short for a window or a component fails.
pub fn backtest(model: &Slot<dyn Forecaster>, data: &Dataset, part: Part) -> Result<Backtest> {
    let start = Instant::now();
    let horizon = model.horizon();
    let windows = data.windows(part, model.lookback(), horizon)?;
    let levels = model.quantiles();
    let middle = middle(&levels);
    let outputs = levels.len().max(1);
    let series = data.names().len();
    let (mut squared, mut absolute) = (vec![0f64; horizon], vec![0f64; horizon]);
    let mut of_series = vec![(0f64, 0usize); series];
    let mut calibration = vec![(0usize, 0f64); levels.len()];
    let mut first = 0;
    for batch in windows.batches(BATCH) {
        let (window, future) = batch?;
        let forecast = plain(&sorted(&model.forward(&window, false)?)?)?;
        let future = plain(&future)?;
        for (row, (forecast, future)) in forecast
            .chunks_exact(horizon * outputs)
            .zip(future.chunks_exact(horizon))
            .enumerate()
        {
            let mut sum = 0.0;
            for (step, (forecast, &future)) in
                forecast.chunks_exact(outputs).zip(future).enumerate()
            {
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
            of.1 += horizon;
        }
        first += future.len() / horizon;
    }
    let count = windows.len() as f64;
    let total = count * horizon as f64;
    Ok(Backtest {
        windows: windows.len(),
        mse: squared.iter().sum::<f64>() / total,
        mae: absolute.iter().sum::<f64>() / total,
        mse_by_step: squared.iter().map(|sum| sum / count).collect(),
        mae_by_step: absolute.iter().map(|sum| sum / count).collect(),
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

/// Backtests side by side, best first: a result is worth something beside others.
pub fn compare(backtests: &[(&str, &Backtest)]) -> Table {
    let mut sorted: Vec<_> = backtests.iter().collect();
    sorted.sort_by(|a, b| a.1.mse.total_cmp(&b.1.mse));
    let mut table = Table::new(["forecaster", "MSE", "MAE", "windows", "seconds"]);
    for (name, backtest) in sorted {
        table.push([
            (*name).to_owned(),
            format!("{:.4}", backtest.mse),
            format!("{:.4}", backtest.mae),
            backtest.windows.to_string(),
            format!("{:.2}", backtest.seconds),
        ]);
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

    fn levels(&self) -> Option<Table> {
        let mut table = Table::new(["level", "share at or below", "pinball loss"]);
        for (level, share, loss) in &self.calibration {
            table.push([number(*level), format!("{share:.3}"), format!("{loss:.4}")]);
        }
        (!self.calibration.is_empty()).then_some(table)
    }

    fn summary(&self) -> String {
        format!(
            "MSE {:.4}, MAE {:.4} over {} windows in {:.2} s",
            self.mse, self.mae, self.windows, self.seconds
        )
    }
}

impl Show for Backtest {
    fn show(&self) -> MimeBundle {
        let (levels, table) = (self.levels(), self.table());
        let text = levels
            .as_ref()
            .map_or_else(String::new, |levels| format!("\n{levels}"));
        let html = levels.map_or_else(String::new, |levels| levels.to_html());
        show::bundle(
            format!("{}\n{table}{text}", self.summary()),
            "text/html",
            format!("<div>{}</div>{}{html}", self.summary(), table.to_html()),
        )
    }
}
