//! Means and deviations of the training part.

use candle_core::bail;
use patchbay_show::Result;
use serde::{Deserialize, Serialize};

use super::{Column, Frame};

/// Takes the mean of each column off and divides by its standard deviation, both of the training part: scikit-learn's `StandardScaler`. It is kept with a
/// model by serde.
///
/// ```
/// use patchbay::prelude::*;
/// let train = data::Frame::new(vec![data::Column::floats("x", vec![1.0, 3.0])])?;
/// let scaler = data::StandardScaler::fit(&train, &["x"])?;
/// let kept = serde_json::to_string(&scaler).map_err(candle::Error::wrap)?;      // travels with the model
/// let scaler: data::StandardScaler = serde_json::from_str(&kept).map_err(candle::Error::wrap)?;
/// assert_eq!(scaler.transform(&train)?.column("x")?.numbers()?, [-1.0, 1.0]);
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardScaler {
    columns: Vec<Scale>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    name: String,
    mean: f64,
    deviation: f64,
}

impl StandardScaler {
    /// Of these columns of the training part. Missing values do not count; a column that is constant is divided by 1.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, where it has texts, and where it has no finite values.
    pub fn fit(train: &Frame, names: &[&str]) -> Result<StandardScaler> {
        let columns = names.iter().map(|name| {
            let mut numbers = train.column(name)?.numbers()?;
            numbers.retain(|number| !number.is_nan());
            if numbers.is_empty() || numbers.iter().any(|number| number.is_infinite()) {
                bail!(
                    "the column {name} has {} values, not all finite: a mean needs some",
                    numbers.len()
                );
            }
            let count = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            let variance = numbers
                .iter()
                .map(|number| (number - mean).powi(2))
                .sum::<f64>()
                / count;
            // What rounding makes of equal values is no deviation.
            let is_constant = variance.sqrt() <= 1e-12 * mean.abs() || variance == 0.0;
            Ok(Scale {
                name: String::from(*name),
                mean,
                deviation: if is_constant { 1.0 } else { variance.sqrt() },
            })
        });
        Ok(StandardScaler {
            columns: columns.collect::<Result<_>>()?,
        })
    }

    /// The frame with these columns scaled.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, or it has texts.
    pub fn transform(&self, frame: &Frame) -> Result<Frame> {
        self.with(frame, |scale, number| {
            (number - scale.mean) / scale.deviation
        })
    }

    /// The frame with these columns in their units again.
    ///
    /// # Errors
    ///
    /// As [`StandardScaler::transform`].
    pub fn inverse_transform(&self, frame: &Frame) -> Result<Frame> {
        self.with(frame, |scale, number| number * scale.deviation + scale.mean)
    }

    fn with(&self, frame: &Frame, change: impl Fn(&Scale, f64) -> f64) -> Result<Frame> {
        let mut frame = frame.clone();
        for scale in &self.columns {
            let numbers = frame.column(&scale.name)?.numbers()?;
            let changed = numbers
                .into_iter()
                .map(|number| change(scale, number))
                .collect();
            frame = frame.with(Column::floats(&scale.name, changed))?;
        }
        Ok(frame)
    }

    /// The columns' names, means and standard deviations.
    pub fn columns(&self) -> Vec<(&str, f64, f64)> {
        let columns = self.columns.iter();
        columns
            .map(|scale| (scale.name.as_str(), scale.mean, scale.deviation))
            .collect()
    }
}
