//! Series that are split, scaled and ready for windows.

use candle_core::bail;

use super::{Frame, Part, Scaler, Split, Windows, time_features};
use crate::Result;

/// Covariates of all rows, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Covariates {
    pub count: usize,
    pub values: Vec<f32>,
}

impl Covariates {
    fn add(&mut self, columns: &[Vec<f32>], rows: usize) {
        let count = self.count + columns.len();
        let mut values = Vec::with_capacity(rows * count);
        for row in 0..rows {
            values.extend_from_slice(&self.values[row * self.count..(row + 1) * self.count]);
            values.extend(columns.iter().map(|column| column[row]));
        }
        *self = Covariates { count, values };
    }
}

/// Series with their split, their scale and their covariates.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) times: Vec<i64>,
    pub(super) names: Vec<String>,
    pub(super) split: Split,
    pub(super) scaler: Scaler,
    /// Standard scores of each series.
    pub(super) values: Vec<Vec<f32>>,
    pub(super) known: Covariates,
    pub(super) observed: Covariates,
    /// Of each series.
    pub(super) attributes: Vec<Vec<f32>>,
}

impl Dataset {
    /// All columns of a frame as series, scaled by mean and deviation of the training part.
    ///
    /// # Errors
    ///
    /// Fails where the split reaches beyond the frame or its parts overlap, a series is constant over the training
    /// part, or its scale is not finite.
    pub fn new(frame: &Frame, split: Split) -> Result<Dataset> {
        split.check(frame.rows())?;
        let mut columns = Vec::new();
        for name in frame.names() {
            columns.push((name.as_str(), &frame.column(name)?[split.train.clone()]));
        }
        let scaler = Scaler::fit(&columns)?;
        let values = frame
            .names()
            .iter()
            .enumerate()
            .map(|(series, name)| scaled(&scaler, series, name, frame.column(name)?))
            .collect::<Result<_>>()?;
        Ok(Dataset {
            times: frame.times().to_vec(),
            names: frame.names().to_vec(),
            split,
            scaler,
            values,
            known: Covariates::default(),
            observed: Covariates::default(),
            attributes: Vec::new(),
        })
    }

    /// With the seven [`time_features`] as covariates that are known for the future.
    pub fn with_time_features(mut self) -> Dataset {
        let features: Vec<[f32; 7]> = self.times.iter().map(|&time| time_features(time)).collect();
        let columns: Vec<Vec<f32>> = (0..7)
            .map(|index| features.iter().map(|row| row[index]).collect())
            .collect();
        self.known.add(&columns, self.times.len());
        self
    }

    /// With all columns of another frame of the same times as covariates that are known for the future.
    ///
    /// # Errors
    ///
    /// Fails where its times are others or a column is constant over the training part.
    pub fn with_known(mut self, frame: &Frame) -> Result<Dataset> {
        let columns = self.covariates(frame)?;
        self.known.add(&columns, self.times.len());
        Ok(self)
    }

    /// The same for covariates that are known for the past only.
    ///
    /// # Errors
    ///
    /// As [`Dataset::with_known`].
    pub fn with_observed(mut self, frame: &Frame) -> Result<Dataset> {
        let columns = self.covariates(frame)?;
        self.observed.add(&columns, self.times.len());
        Ok(self)
    }

    /// With attributes of each series, as many for each.
    ///
    /// # Errors
    ///
    /// Fails where there are not as many lists as series, their lengths differ, or a value is not finite.
    pub fn with_attributes(mut self, attributes: Vec<Vec<f32>>) -> Result<Dataset> {
        let count = attributes.first().map_or(0, Vec::len);
        if attributes.len() != self.names.len() || attributes.iter().any(|one| one.len() != count) {
            bail!(
                "expected attributes of {} series, as many for each; got lists of {:?}",
                self.names.len(),
                attributes.iter().map(Vec::len).collect::<Vec<_>>()
            );
        }
        for (name, values) in self.names.iter().zip(&attributes) {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                bail!(
                    "attribute {index} of the series {name} is {}; attributes must be finite",
                    values[index]
                );
            }
        }
        self.attributes = attributes;
        Ok(self)
    }

    fn covariates(&self, frame: &Frame) -> Result<Vec<Vec<f32>>> {
        if frame.times() != self.times {
            bail!(
                "covariates must have the {} times of the series; the frame has {} rows{}",
                self.times.len(),
                frame.rows(),
                if frame.rows() == self.times.len() {
                    " at other times"
                } else {
                    ""
                }
            );
        }
        let train = self.split.train.clone();
        let mut columns = Vec::new();
        for name in frame.names() {
            let column = frame.column(name)?;
            let scaler = Scaler::fit(&[(name, &column[train.clone()])])?;
            columns.push(scaled(&scaler, 0, name, column)?);
        }
        Ok(columns)
    }

    /// The windows of a part.
    ///
    /// # Errors
    ///
    /// Fails where the part is too short for one.
    pub fn windows(&self, part: Part, lookback: usize, horizon: usize) -> Result<Windows<'_>> {
        Windows::new(self, part, lookback, horizon)
    }

    /// Steps after which a rhythm returns: those of a day, or of a week where a step is a day. None where a step
    /// does not divide a day or is longer.
    pub fn season(&self) -> Option<usize> {
        const DAY: i64 = 86_400;
        let step = match self.times[..] {
            [first, second, ..] => second - first,
            _ => return None,
        };
        match step {
            DAY => Some(7),
            1..DAY if DAY % step == 0 => Some((DAY / step) as usize),
            _ => None,
        }
    }

    /// The series' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Seconds since 1970 of each row.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The rows of the parts.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Mean and deviation of each series.
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// How many covariates are known for the future: a forecaster's `known`.
    pub fn known(&self) -> usize {
        self.known.count
    }

    /// How many covariates are known for the past only: a forecaster's `observed`.
    pub fn observed(&self) -> usize {
        self.observed.count
    }
}

fn scaled(scaler: &Scaler, series: usize, name: &str, column: &[f64]) -> Result<Vec<f32>> {
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
