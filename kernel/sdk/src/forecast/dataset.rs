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
    /// Fails where the split reaches beyond the frame or a series is constant over the training part.
    pub fn new(frame: &Frame, split: Split) -> Result<Dataset> {
        if split.test.end > frame.rows() || split.train.is_empty() {
            bail!(
                "the split has rows {:?}, {:?} and {:?}, the frame has {} rows: Split::shares(rows, 0.7, 0.1) fits any",
                split.train,
                split.validation,
                split.test,
                frame.rows()
            );
        }
        let mut columns = Vec::new();
        for name in frame.names() {
            columns.push((name.as_str(), &frame.column(name)?[split.train.clone()]));
        }
        let scaler = Scaler::fit(&columns)?;
        let values = frame
            .names()
            .iter()
            .enumerate()
            .map(|(series, name)| Ok(scaled(&scaler, series, frame.column(name)?)))
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
    /// Fails where there are not as many lists as series, or their lengths differ.
    pub fn with_attributes(mut self, attributes: Vec<Vec<f32>>) -> Result<Dataset> {
        let count = attributes.first().map_or(0, Vec::len);
        if attributes.len() != self.names.len() || attributes.iter().any(|one| one.len() != count) {
            bail!(
                "expected attributes of {} series, as many for each; got lists of {:?}",
                self.names.len(),
                attributes.iter().map(Vec::len).collect::<Vec<_>>()
            );
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
            columns.push(scaled(&scaler, 0, column));
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

fn scaled(scaler: &Scaler, series: usize, column: &[f64]) -> Vec<f32> {
    column
        .iter()
        .map(|&value| scaler.scale(series, value) as f32)
        .collect()
}
