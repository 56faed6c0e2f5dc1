//! Standard scores.

use candle_core::bail;

use super::Moments;
use patchbay_show::Result;

/// Mean and population standard deviation of each series.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    /// The mean of each column's training part.
    pub means: Vec<f64>,
    /// The deviation of each column's training part.
    pub deviations: Vec<f64>,
}

impl Scaler {
    /// Of named columns, each the training rows of a series.
    ///
    /// # Errors
    ///
    /// Fails where a column is constant or too large for a finite mean and deviation, naming it.
    pub fn fit(columns: &[(&str, &[f64])]) -> Result<Scaler> {
        let mut scaler = Scaler {
            means: Vec::new(),
            deviations: Vec::new(),
        };
        for (name, column) in columns {
            let Moments { mean, deviation } = Moments::of(column);
            if !mean.is_finite() || !deviation.is_finite() {
                bail!(
                    "the column {name} has the mean {mean:e} and the deviation {deviation:e} over {} training rows, \
                     which must be finite: its values reach {:e}; correct them, or divide the column",
                    column.len(),
                    column.iter().fold(0f64, |most, x| most.max(x.abs()))
                );
            }
            if deviation == 0.0 {
                bail!(
                    "the column {name} is {mean} in all {} training rows: a constant has no scale and says nothing; \
                     leave it out with frame.without(&[\"{name}\"])",
                    column.len()
                );
            }
            scaler.means.push(mean);
            scaler.deviations.push(deviation);
        }
        Ok(scaler)
    }

    /// The standard score of a value of this series.
    pub fn scale(&self, series: usize, value: f64) -> f64 {
        (value - self.means[series]) / self.deviations[series]
    }

    /// The value of a standard score.
    pub fn unscale(&self, series: usize, score: f64) -> f64 {
        score * self.deviations[series] + self.means[series]
    }
}

/// The standard scores of a column, the `series`-th of the scaler's.
pub(super) fn scaled(
    scaler: &Scaler,
    series: usize,
    name: &str,
    column: &[f64],
) -> Result<Vec<f32>> {
    let values: Vec<f32> = column
        .iter()
        .map(|&value| scaler.scale(series, value) as f32)
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => bail!(
            "the column {name} has {} in row {row}, which is too far from its mean {} over the training rows for a \
             standard score: correct it",
            column[row],
            scaler.means[series]
        ),
        None => Ok(values),
    }
}
