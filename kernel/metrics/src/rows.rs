//! Means over rows: each row, an entry along the first axis, is one draw.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::Result;

use crate::{input::numbers, interval::Estimate};

/// What a mean over values with its variance over rows needs: sums of each row's total and of its number of values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowMoments {
    rows: usize,
    /// Whether every row had one value.
    several: bool,
    total: f64,
    count: f64,
    squares: f64,
    products: f64,
    counts_squared: f64,
}

impl RowMoments {
    /// A row with this sum over so many values; one without values says nothing.
    pub(crate) fn add(&mut self, total: f64, count: usize) {
        if count == 0 {
            return;
        }
        self.several |= count > 1;
        let count = count as f64;
        self.rows += 1;
        self.total += total;
        self.count += count;
        self.squares += total * total;
        self.products += total * count;
        self.counts_squared += count * count;
    }

    pub(crate) fn merge(&mut self, other: &RowMoments) {
        self.rows += other.rows;
        self.several |= other.several;
        self.total += other.total;
        self.count += other.count;
        self.squares += other.squares;
        self.products += other.products;
        self.counts_squared += other.counts_squared;
    }

    /// The mean over the values; its variance is that of a ratio of two sums over the rows (Cochran 1977, Sampling Techniques,
    /// section 2.11).
    ///
    /// # Errors
    ///
    /// Fails where there is no value.
    pub(crate) fn estimate(&self, metric: &str) -> Result<Estimate> {
        if self.rows == 0 {
            bail!(
                "{metric} has seen no value that counts: call `update(&prediction, &target)?` before"
            );
        }
        let value = self.total / self.count;
        let sum = self.squares - 2.0 * value * self.products + value * value * self.counts_squared;
        let rows = self.rows as f64;
        let factor = if rows > 1.0 { rows / (rows - 1.0) } else { 1.0 };
        Ok(Estimate {
            value,
            variance: sum.max(0.0) * factor / (self.count * self.count),
            trials: rows,
            units: Some(self.rows),
        })
    }

    /// The share of values that are 1, where all are 0 or 1.
    pub(crate) fn share(&self, metric: &str) -> Result<Interval> {
        let estimate = self.estimate(metric)?;
        if self.several {
            return Ok(estimate.share());
        }
        let p = estimate.value;
        Ok(Estimate {
            variance: p * (1.0 - p) / self.count,
            units: None,
            ..estimate
        }
        .share())
    }
}

/// Whether targets that are NaN are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Skipped,
    Refused,
}

/// Values of a prediction `[..., width]` and a target `[...]`, row by row.
pub(crate) struct Rows {
    prediction: Vec<f64>,
    target: Vec<f64>,
    /// How many targets a row has.
    per_row: usize,
    /// How many predicted values a target has.
    width: usize,
}

impl Rows {
    /// Of a prediction of the target's shape.
    ///
    /// # Errors
    ///
    /// Names the shapes where they differ, and a value that is not finite.
    pub(crate) fn alike(prediction: &Tensor, target: &Tensor, missing: Missing) -> Result<Rows> {
        if prediction.dims() != target.dims() {
            bail!(
                "prediction and target have one shape; got a prediction {:?} and a target {:?}",
                prediction.dims(),
                target.dims()
            );
        }
        Self::of(prediction, target, 1, missing)
    }

    /// Of several values for each target: `[..., width]` and `[...]`.
    ///
    /// # Errors
    ///
    /// Names the shapes where they do not fit, and a value that is not finite.
    pub(crate) fn several(
        prediction: &Tensor,
        target: &Tensor,
        width: Option<usize>,
        what: &str,
        missing: Missing,
    ) -> Result<Rows> {
        let dims = prediction.dims();
        let fits = dims.split_last().is_some_and(|(&last, rest)| {
            rest == target.dims() && last > 0 && width.is_none_or(|width| width == last)
        });
        if !fits {
            let width = width.map_or_else(|| what.to_owned(), |width| format!("{width} {what}"));
            bail!(
                "expected a prediction [..., {width}] with a target [...]; got a prediction {dims:?} and a target {:?}",
                target.dims()
            );
        }
        Self::of(prediction, target, dims[dims.len() - 1], missing)
    }

    fn of(prediction: &Tensor, target: &Tensor, width: usize, missing: Missing) -> Result<Rows> {
        let rows = Rows {
            prediction: numbers(prediction)?,
            target: numbers(target)?,
            per_row: target.dims().iter().skip(1).product::<usize>().max(1),
            width,
        };
        for (at, target_value) in rows.target.iter().enumerate() {
            let skipped = target_value.is_nan() && missing == Missing::Skipped;
            if !target_value.is_finite() && !skipped {
                bail!(
                    "the target {:?} has {target_value} at position {at}: `.skip_missing(true)` leaves out targets that are NaN",
                    target.dims()
                );
            }
            let own = &rows.prediction[at * width..][..width];
            if let (false, Some(bad)) = (skipped, own.iter().find(|value| !value.is_finite())) {
                bail!(
                    "the prediction {:?} has {bad} for the target at position {at}: the model diverged",
                    prediction.dims()
                );
            }
        }
        Ok(rows)
    }

    /// How many targets there are.
    pub(crate) fn len(&self) -> usize {
        self.target.len()
    }

    /// Calls `each` with each row's targets that are there: their position, predicted values, and value.
    pub(crate) fn each(&self, mut each: impl FnMut(&[(usize, &[f64], f64)])) {
        let mut row = Vec::with_capacity(self.per_row);
        for (index, targets) in self.target.chunks(self.per_row).enumerate() {
            row.clear();
            for (at, &target) in targets.iter().enumerate() {
                if !target.is_nan() {
                    let position = index * self.per_row + at;
                    let own = &self.prediction[position * self.width..][..self.width];
                    row.push((position, own, target));
                }
            }
            each(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_evaluation::stats::mean_interval;

    #[test]
    fn the_mean_of_equal_rows_has_students_interval() {
        let values = [0.3, 1.7, 2.2, 0.9, 1.1];
        let mut moments = RowMoments::default();
        for value in values {
            // Three values a row.
            moments.add(3.0 * value, 3);
        }
        let (found, expected) = (
            moments.estimate("x").unwrap().around(),
            mean_interval(&values),
        );
        assert!((found.estimate - expected.estimate).abs() < 1e-14);
        assert!(
            (found.low - expected.low).abs() < 1e-12,
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn rows_without_values_say_nothing() {
        let mut moments = RowMoments::default();
        moments.add(0.0, 0);
        assert!(
            moments
                .estimate("MAE")
                .unwrap_err()
                .to_string()
                .contains("MAE")
        );
        moments.add(2.0, 1);
        assert!(moments.estimate("MAE").unwrap().around().high.is_infinite());
    }
}
