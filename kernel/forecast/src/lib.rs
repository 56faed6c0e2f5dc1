//! Forecasting: series from a CSV file, windows, and fitting and testing of any [`Forecaster`].
//!
//! ```no_run
//! use patchbay::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let frame = forecast::Frame::read_csv("ETTh1.csv")?;
//! let data = forecast::Dataset::new(&frame, forecast::Split::ett_hourly())?;
//! let model = create::<dyn Forecaster>("forecaster/tide", json!({"horizon": 96}))?;
//! forecast::fit(&model, &data, &forecast::FitOptions::default())?;
//! // Beside ridge regression, DLinear, the last value and the last day.
//! forecast::beside(&[("TiDE", &model)], &data, forecast::Part::Test)?.show();
//! # Ok(()) }
//! ```
//!
//! A series is a column. Forecasters see scaled values: each series less its mean, divided by its deviation,
//! both of the training part. A fitted forecaster keeps these scales, in its file, too, and sees other data in them. Errors
//! of a [`Backtest`] are in that scale, as in the literature; a [`Forecast`] is in the units of the file. Values that
//! were missing in a file are inputs only: no loss and no error is taken on them. Windows are places in the series, and values are copied only when
//! a batch is made.
//!
//! [`Forecaster`]: patchbay_plugin::Forecaster

mod audit;
mod backtest;
mod beside;
mod covariates;
mod csv_file;
mod csv_options;
mod csv_times;
mod dataset;
mod fit;
mod frame;
mod frequency;
mod loss;
mod moments;
mod options;
mod plots;
mod predict;
mod problems;
mod save;
mod scaler;
mod scales;
mod split;
mod trainer;
mod windows;

pub use audit::audit;
pub use backtest::{Backtest, Baseline, backtest, compare};
pub use beside::{Comparison, beside};
use patchbay_data::time;

pub use csv_options::{CsvOptions, Missing};
pub use dataset::Dataset;
pub use fit::fit;
pub use frame::Frame;
pub use frequency::Frequency;
pub use moments::Moments;
pub use options::{FitOptions, Fitted, Schedule};
pub use plots::error_by_horizon;
pub use predict::{Forecast, predict};
pub use save::{load, load_with, save, save_with};
pub use scaler::Scaler;
pub use split::{Part, Split};
pub use time::{Zone, format_time, parse_time, time_features};
pub use windows::Windows;
