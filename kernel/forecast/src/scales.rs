//! What a forecaster must find again in other data: scales, covariates, conventions and the step.

use std::{any::Any, borrow::Cow, sync::Arc};

use candle_core::{DType, Device, Error, Tensor, bail};
use serde_json::{Value, json};

use super::{
    Dataset, Frequency, Scaler,
    covariates::{Covariates, SourceScale},
    dataset::scores,
};
use patchbay_plugin::{Forecaster, Note, NoteRecord, Slot};
use patchbay_show::Result;

/// The convention of calendar features that this program has: those of TiDE's authors, in their order.
const CALENDAR: &str = "tide-7";

/// A kind of covariates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Known,
    Observed,
}

impl Kind {
    pub(super) const ALL: [Kind; 2] = [Kind::Known, Kind::Observed];

    fn name(self) -> &'static str {
        match self {
            Kind::Known => "known",
            Kind::Observed => "observed",
        }
    }

    fn of(self, scales: &DataScales) -> &[SourceScale] {
        match self {
            Kind::Known => &scales.known,
            Kind::Observed => &scales.observed,
        }
    }

    /// The kinds that a forecaster takes, by its settings `known` and `observed`.
    pub(super) fn needed_by(model: &Slot<dyn Forecaster>) -> Vec<Kind> {
        let settings = model.provenance().config;
        let takes = |kind: &Kind| {
            settings[kind.name()]
                .as_u64()
                .is_some_and(|count| count > 0)
        };
        Kind::ALL.into_iter().filter(takes).collect()
    }
}

/// What a forecaster was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DataScales {
    pub frequency: Frequency,
    pub zone: String,
    pub names: Vec<String>,
    pub scaler: Scaler,
    pub known: Vec<SourceScale>,
    pub observed: Vec<SourceScale>,
    pub attributes: usize,
}

impl DataScales {
    pub(super) fn of(data: &Dataset) -> DataScales {
        let scales =
            |sources: &[super::covariates::Source]| sources.iter().map(|one| one.scale()).collect();
        DataScales {
            frequency: data.frequency,
            zone: data.zone.name(),
            names: data.names.clone(),
            scaler: data.scaler.clone(),
            known: scales(&data.known.sources),
            observed: scales(&data.observed.sources),
            attributes: data.attributes.first().map_or(0, Vec::len),
        }
    }

    /// Those that a forecaster was fitted or saved with.
    ///
    /// # Errors
    ///
    /// Fails where those of a checkpoint are damaged.
    pub(super) fn of_model(model: &Slot<dyn Forecaster>) -> Result<Option<Arc<DataScales>>> {
        model.note(|record| {
            DataScales::from_parts(&record.value, &mut |name| record.tensors.get(name).cloned())
        })
    }

    /// Notes them with a forecaster, in place of earlier ones.
    pub(super) fn note(self, model: &Slot<dyn Forecaster>) {
        model.set_note(Arc::new(self));
    }

    /// Whether the data have the same covariates of a kind in the same order.
    pub(super) fn has_like(&self, kind: Kind, data: &Dataset) -> bool {
        let theirs = DataScales::of(data);
        let (own, theirs) = (kind.of(self), kind.of(&theirs));
        own.len() == theirs.len()
            && own
                .iter()
                .zip(theirs)
                .all(|(own, theirs)| own.kind == theirs.kind && own.names == theirs.names)
    }

    /// The scale of each of the data's series, once all that the forecaster needs is found to fit.
    pub(super) fn of_series(&self, data: &Dataset, needs: &[Kind]) -> Result<Scaler> {
        let advice = "give it such data, or fit a forecaster on these";
        if !self.frequency.is_like(&data.frequency) {
            bail!(
                "the forecaster was fitted on data with a step of {}, these have a step of {}: {advice}",
                self.frequency,
                data.frequency
            );
        }
        let mut scaler = Scaler {
            means: Vec::new(),
            deviations: Vec::new(),
        };
        for index in self.indices(data)? {
            scaler.means.push(self.scaler.means[index as usize]);
            scaler
                .deviations
                .push(self.scaler.deviations[index as usize]);
        }
        for kind in Kind::ALL.into_iter().filter(|&kind| needs.contains(&kind)) {
            if !self.has_like(kind, data) {
                bail!(
                    "the forecaster was fitted with the {} covariates {}, these data have {}: add them in the same order, with \
                     with_time_features, with_known and their like",
                    kind.name(),
                    listed(kind.of(self)),
                    listed(kind.of(&DataScales::of(data)))
                );
            }
        }
        let has_calendar = self.known.iter().any(|source| source.kind == "calendar");
        if has_calendar && needs.contains(&Kind::Known) && self.zone != data.zone.name() {
            bail!(
                "the forecaster was fitted with calendar features by the clock of {}, these data have that of {}: read them \
                 with CsvOptions {{ zone: Some(\"{}\".into()), .. }}, or use frame.in_zone",
                self.zone,
                data.zone.name(),
                self.zone
            );
        }
        Ok(scaler)
    }

    /// The index that each of the data's series has here.
    pub(super) fn indices(&self, data: &Dataset) -> Result<Vec<u32>> {
        data.names
            .iter()
            .map(|name| match self.names.iter().position(|own| own == name) {
                Some(index) => Ok(index as u32),
                None => bail!(
                    "the forecaster was fitted on the series {}, and has no scale for {name}: take only those with \
                     frame.select, or fit a forecaster on these data",
                    self.names.join(", ")
                ),
            })
            .collect()
    }

    /// As JSON, and the numbers as tensors of `f64`, which keep every bit.
    pub(super) fn to_parts(&self) -> Result<(Value, Vec<(String, Tensor)>)> {
        let mut tensors = vec![("series".to_owned(), tensor(&self.scaler)?)];
        let mut sources = |kind: &str, scales: &[SourceScale]| -> Result<Value> {
            let mut all = Vec::new();
            for (index, source) in scales.iter().enumerate() {
                if !source.names.is_empty() {
                    tensors.push((format!("{kind}.{index}"), tensor(&source.scaler)?));
                }
                all.push(json!({"kind": source.kind, "names": source.names}));
            }
            Ok(Value::Array(all))
        };
        let (known, observed) = (
            sources("known", &self.known)?,
            sources("observed", &self.observed)?,
        );
        let (count, day) = match self.frequency {
            Frequency::Seconds(count) | Frequency::Days(count) => (count, 0),
            Frequency::BusinessDays => (1, 0),
            Frequency::Months { count, day } => (count, day),
        };
        let unit = match self.frequency {
            Frequency::Seconds(_) => "seconds",
            Frequency::Days(_) => "days",
            Frequency::BusinessDays => "business days",
            Frequency::Months { .. } => "months",
        };
        let value = json!({
            "frequency": {"unit": unit, "count": count, "day": day},
            "calendar": CALENDAR,
            "zone": self.zone,
            "series": self.names,
            "known": known,
            "observed": observed,
            "attributes": self.attributes,
        });
        Ok((value, tensors))
    }

    /// The reverse of [`DataScales::to_parts`]; `tensor` finds a tensor by its name.
    pub(super) fn from_parts(
        value: &Value,
        tensor: &mut dyn FnMut(&str) -> Option<Tensor>,
    ) -> Result<DataScales> {
        let damaged = |what: &str| Error::Msg(format!("its scales are damaged: {what}"));
        let calendar = value["calendar"].as_str().unwrap_or_default();
        if calendar != CALENDAR {
            bail!(
                "its calendar features follow the convention \"{calendar}\", this program has \"{CALENDAR}\": fit it again"
            );
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let names =
            |value: &Value| -> Option<Vec<String>> { value.as_array()?.iter().map(text).collect() };
        let series = names(&value["series"]).ok_or_else(|| damaged("the series' names"))?;
        let mut scaler = |name: &str, count: usize| -> Result<Scaler> {
            match tensor(name) {
                Some(tensor) if tensor.dims() == [2, count] && tensor.dtype() == DType::F64 => {
                    let rows = tensor.to_device(&Device::Cpu)?.to_vec2::<f64>()?;
                    Ok(Scaler {
                        means: rows[0].clone(),
                        deviations: rows[1].clone(),
                    })
                }
                _ => Err(damaged(name)),
            }
        };
        let own = scaler("series", series.len())?;
        let mut sources = |kind: &str| -> Result<Vec<SourceScale>> {
            let all = value[kind].as_array().ok_or_else(|| damaged(kind))?;
            all.iter()
                .enumerate()
                .map(|(index, source)| {
                    let names = names(&source["names"]).ok_or_else(|| damaged(kind))?;
                    let (kind_of, count) = match source["kind"].as_str() {
                        Some("calendar") => ("calendar", 0),
                        Some("columns") => ("columns", names.len()),
                        Some("by_series") => ("by_series", 1),
                        _ => return Err(damaged(kind)),
                    };
                    let scaler = match count {
                        0 => Scaler {
                            means: Vec::new(),
                            deviations: Vec::new(),
                        },
                        _ => scaler(&format!("{kind}.{index}"), count)?,
                    };
                    Ok(SourceScale {
                        kind: kind_of,
                        names,
                        scaler,
                    })
                })
                .collect()
        };
        let (known, observed) = (sources("known")?, sources("observed")?);
        let step = &value["frequency"];
        let count = step["count"].as_i64().filter(|&count| count > 0);
        let count = count.ok_or_else(|| damaged("the step"))?;
        let frequency = match step["unit"].as_str() {
            Some("seconds") => Frequency::Seconds(count),
            Some("days") => Frequency::Days(count),
            Some("business days") => Frequency::BusinessDays,
            Some("months") => Frequency::Months {
                count,
                day: step["day"]
                    .as_i64()
                    .and_then(|day| i8::try_from(day).ok())
                    .filter(|day| (1..=31).contains(day))
                    .ok_or_else(|| damaged("the step"))?,
            },
            _ => return Err(damaged("the step")),
        };
        Ok(DataScales {
            frequency,
            zone: text(&value["zone"]).ok_or_else(|| damaged("the zone"))?,
            names: series,
            scaler: own,
            known,
            observed,
            attributes: value["attributes"].as_u64().unwrap_or(0) as usize,
        })
    }
}

impl Note for DataScales {
    fn record(&self) -> Result<NoteRecord> {
        let (value, tensors) = self.to_parts()?;
        Ok(NoteRecord {
            value,
            tensors: tensors.into_iter().collect(),
        })
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Dataset {
    /// The same data in the scales that a fitted or loaded forecaster was fitted in, to go on training it. ([`super::predict`] and
    /// [`super::backtest`] do this by themselves.)
    ///
    /// # Errors
    ///
    /// Fails where the forecaster was never fitted, or on data of another step, other series or other covariates.
    pub fn with_scales_of(&self, model: &Slot<dyn Forecaster>) -> Result<Dataset> {
        match DataScales::of_model(model)? {
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
}

/// Data in the scales that a forecaster was fitted or saved in; as they are where it has none.
///
/// # Errors
///
/// Fails where the data have another step, other series or other covariates.
pub(super) fn in_scales_of<'a>(
    model: &Slot<dyn Forecaster>,
    data: &'a Dataset,
) -> Result<Cow<'a, Dataset>> {
    match DataScales::of_model(model)? {
        Some(scales) if *scales != DataScales::of(data) => {
            let needs = Kind::needed_by(model);
            data.in_scales(&scales, &needs).map(Cow::Owned)
        }
        _ => Ok(Cow::Borrowed(data)),
    }
}

fn tensor(scaler: &Scaler) -> Result<Tensor> {
    let values = [&scaler.means[..], &scaler.deviations[..]].concat();
    Tensor::from_vec(values, (2, scaler.means.len()), &Device::Cpu)
}

fn listed(sources: &[SourceScale]) -> String {
    let all: Vec<String> = sources
        .iter()
        .map(|source| match source.kind {
            "calendar" => "of the calendar".to_owned(),
            "by_series" => format!("{} of each series", source.names.join(", ")),
            _ => source.names.join(", "),
        })
        .collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join("; "),
    }
}
