//! Series that are split, scaled and ready for windows.

use candle_core::bail;

use super::{
    Frame, Frequency, Scaler, Split, Zone,
    covariates::{Covariates, Source, aligned, pooled},
    scaler::scaled,
};
use patchbay_show::Result;

/// Series with their split, their scale and their covariates.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) times: Vec<i64>,
    pub(super) zone: Zone,
    pub(super) frequency: Frequency,
    pub(super) names: Vec<String>,
    pub(super) split: Split,
    pub(super) scaler: Scaler,
    /// Values of each series as in the file.
    pub(super) raw: Vec<Vec<f64>>,
    /// Standard scores of each series.
    pub(super) values: Vec<Vec<f32>>,
    /// For each series which rows were measured; none: all.
    pub(super) measured: Vec<Option<Vec<bool>>>,
    pub(super) known: Covariates,
    pub(super) observed: Covariates,
    /// Of each series.
    pub(super) attributes: Vec<Vec<f32>>,
    /// The index by which a forecaster knows each series.
    pub(super) indices: Vec<u32>,
}

impl Dataset {
    /// All columns of a frame as series, scaled by mean and deviation of what was measured in the training part.
    ///
    /// # Errors
    ///
    /// Fails where the split reaches beyond the frame or its parts overlap, a series is constant over the training
    /// part or was not measured there, or its scale is not finite.
    pub fn new(frame: &Frame, split: Split) -> Result<Dataset> {
        split.check(frame.rows())?;
        let mut train: Vec<(&str, Vec<f64>)> = Vec::new();
        let (mut raw, mut measured) = (Vec::new(), Vec::new());
        for name in frame.names() {
            let column = frame.find(name)?;
            let rows = split.train.clone();
            let values = &column.values[rows.clone()];
            train.push((
                name,
                match &column.measured {
                    None => values.to_vec(),
                    Some(measured) => values
                        .iter()
                        .zip(&measured[rows])
                        .filter_map(|(&value, &measured)| measured.then_some(value))
                        .collect(),
                },
            ));
            if train.last().is_some_and(|(_, values)| values.is_empty()) {
                bail!(
                    "the series {name} has no measured value in the training rows {:?}: a scale needs some; make the \
                     training part longer, or leave it out with frame.without(&[\"{name}\"])",
                    split.train
                );
            }
            raw.push(column.values.clone());
            measured.push(column.measured.clone());
        }
        let train: Vec<(&str, &[f64])> = train
            .iter()
            .map(|(name, values)| (*name, &values[..]))
            .collect();
        let scaler = Scaler::fit(&train)?;
        let names = frame.names().to_vec();
        Ok(Dataset {
            times: frame.times().to_vec(),
            zone: frame.zone().clone(),
            frequency: frame.frequency(),
            split,
            values: scores(&scaler, &names, &raw)?,
            scaler,
            raw,
            measured,
            known: Covariates::default(),
            observed: Covariates::default(),
            attributes: Vec::new(),
            indices: (0..names.len() as u32).collect(),
            names,
        })
    }

    /// With the seven [`super::time_features`] by the frame's clock as covariates that are known for the future, any future.
    pub fn with_time_features(mut self) -> Dataset {
        let mut sources = self.known.sources.clone();
        sources.push(Source::Calendar);
        // Calendar features are finite and the sources before have been looked at.
        if let Ok(known) = self.covariates(sources) {
            self.known = known;
        }
        self
    }

    /// With all columns of another frame as covariates that are known for the future. It has the times of the series and
    /// may have more: forecasts of the future need them up to their last step.
    ///
    /// # Errors
    ///
    /// Fails where it lacks times of the series or has another step, or a column is constant over the training part.
    pub fn with_known(mut self, frame: &Frame) -> Result<Dataset> {
        self.known = self.with_columns(&self.known, frame)?;
        Ok(self)
    }

    /// The same for covariates that are known for the past only.
    ///
    /// # Errors
    ///
    /// As [`Dataset::with_known`].
    pub fn with_observed(mut self, frame: &Frame) -> Result<Dataset> {
        self.observed = self.with_columns(&self.observed, frame)?;
        Ok(self)
    }

    /// With one covariate that is known for the future and differs from series to series (a price in each shop): a frame with
    /// a column for each series, of its name. Its scale is that of all columns together.
    ///
    /// # Errors
    ///
    /// As [`Dataset::with_known`], and where a series has no column.
    pub fn with_known_by_series(mut self, name: &str, frame: &Frame) -> Result<Dataset> {
        self.known = self.with_covariate_of_each(&self.known, name, frame)?;
        Ok(self)
    }

    /// The same for a covariate that is known for the past only.
    ///
    /// # Errors
    ///
    /// As [`Dataset::with_known_by_series`].
    pub fn with_observed_by_series(mut self, name: &str, frame: &Frame) -> Result<Dataset> {
        self.observed = self.with_covariate_of_each(&self.observed, name, frame)?;
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

    /// The same data without covariates and attributes, for a forecaster that takes none.
    pub fn without_covariates(&self) -> Dataset {
        Dataset {
            known: Covariates::default(),
            observed: Covariates::default(),
            attributes: Vec::new(),
            ..self.clone()
        }
    }

    fn covariates(&self, sources: Vec<Source>) -> Result<Covariates> {
        Covariates::new(sources, &self.times, &self.zone, self.names.len())
    }

    fn with_columns(&self, covariates: &Covariates, frame: &Frame) -> Result<Covariates> {
        let columns = aligned(frame, &self.times, self.frequency, &self.zone)?;
        let train = self.split.train.clone();
        let named: Vec<(&str, &[f64])> = frame
            .names()
            .iter()
            .zip(&columns)
            .map(|(name, column)| (name.as_str(), &column[train.clone()]))
            .collect();
        let mut sources = covariates.sources.clone();
        sources.push(Source::Columns {
            names: frame.names().to_vec(),
            scaler: Scaler::fit(&named)?,
            columns,
        });
        self.covariates(sources)
    }

    fn with_covariate_of_each(
        &self,
        covariates: &Covariates,
        name: &str,
        frame: &Frame,
    ) -> Result<Covariates> {
        if let Some(series) = self
            .names
            .iter()
            .find(|series| !frame.names().contains(series))
        {
            bail!(
                "the covariate {name} has no column {series}: it needs one for each series, and has {}",
                frame.names().join(", ")
            );
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let columns = aligned(
            &frame.select(&names)?,
            &self.times,
            self.frequency,
            &self.zone,
        )?;
        let mut sources = covariates.sources.clone();
        sources.push(Source::BySeries {
            name: name.to_owned(),
            scaler: pooled(name, &columns, self.split.train.clone())?,
            columns,
        });
        self.covariates(sources)
    }

    /// Steps after which a rhythm returns ([`Frequency::season`]): those of a day below a day, 7 days, 5 business days, 52
    /// weeks, 12 months, 4 quarters. None where there is no such number.
    pub fn season(&self) -> Option<usize> {
        match self.times.len() {
            0 | 1 => None,
            _ => self.frequency.season(),
        }
    }

    /// How many values of all series were interpolated: they are inputs, and count in no loss and no error.
    pub fn interpolated(&self) -> usize {
        let measured = self.measured.iter().flatten().flatten();
        measured.filter(|&&measured| !measured).count()
    }

    /// The series' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Seconds since 1970 of each row.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The step from one row to the next.
    pub fn frequency(&self) -> Frequency {
        self.frequency
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

pub(super) fn scores(
    scaler: &Scaler,
    names: &[String],
    columns: &[Vec<f64>],
) -> Result<Vec<Vec<f32>>> {
    let named = names.iter().zip(columns).enumerate();
    named
        .map(|(series, (name, column))| scaled(scaler, series, name, column))
        .collect()
}
