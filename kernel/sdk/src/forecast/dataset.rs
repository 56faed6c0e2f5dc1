//! Series that are split, scaled and ready for windows.

use candle_core::bail;

use super::{
    Frame, Frequency, Part, Scaler, Split, Windows, Zone,
    covariates::{Covariates, Source, aligned, pooled},
    scales::{DataScales, Kind},
};
use crate::{
    Result,
    plugin::{Forecaster, Slot},
};

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
    raw: Vec<Vec<f64>>,
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

    /// The same data in the scales that a fitted or loaded forecaster was fitted in, to go on training it. ([`super::predict`] and
    /// [`super::backtest`] do this by themselves.)
    ///
    /// # Errors
    ///
    /// Fails where the forecaster was never fitted, or on data of another step, other series or other covariates.
    pub fn with_scales_of(&self, model: &Slot<dyn Forecaster>) -> Result<Dataset> {
        match DataScales::of_model(model) {
            Some(scales) => self.in_scales(&scales, &Kind::needed_by(model)),
            None => bail!(
                "{} was never fitted, so it has no scales: forecast::fit(&model, &data, &options) gives it those of the \
                 data",
                model.provenance().id
            ),
        }
    }

    /// In these scales; covariates that the forecaster does not take and that are others than there keep their own.
    pub(super) fn in_scales(&self, scales: &DataScales, needs: &[Kind]) -> Result<Dataset> {
        let scaler = scales.of_series(self, needs)?;
        let count = self.names.len();
        let covariates = |kind, own: &Covariates, theirs: &[_]| match scales.has_like(kind, self) {
            true => own.in_scale(theirs, &self.times, &self.zone, count),
            false => Ok(own.clone()),
        };
        Ok(Dataset {
            values: scores(&scaler, &self.names, &self.raw)?,
            known: covariates(Kind::Known, &self.known, &scales.known)?,
            observed: covariates(Kind::Observed, &self.observed, &scales.observed)?,
            indices: scales.indices(self)?,
            scaler,
            ..self.clone()
        })
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

    /// The windows of a part whose future has a measured value, and whose past has one.
    ///
    /// # Errors
    ///
    /// Fails where there is none.
    pub fn windows(&self, part: Part, lookback: usize, horizon: usize) -> Result<Windows<'_>> {
        Windows::new(self, part, lookback, horizon)
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

fn scores(scaler: &Scaler, names: &[String], columns: &[Vec<f64>]) -> Result<Vec<Vec<f32>>> {
    let named = names.iter().zip(columns).enumerate();
    named
        .map(|(series, (name, column))| scaled(scaler, series, name, column))
        .collect()
}

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
