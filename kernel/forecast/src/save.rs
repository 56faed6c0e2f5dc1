//! A fitted forecaster in a file: its tensors, what makes it, and the data that it is for.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Error, Tensor, bail};
use serde_json::{Value, json};

use super::{Dataset, scales::DataScales};
use patchbay_plugin::{Forecaster, Slot, create};
use patchbay_show::Result;

/// The entry with the component's id and settings and the scales' names, as JSON in bytes.
const COMPONENT: &str = "patchbay.component";

/// What the names of the scales' tensors begin with.
const SCALES: &str = "patchbay.scales.";

/// The version of the file: 1 had no scales.
const VERSION: u64 = 2;

/// Writes a safetensors file with all tensors of the forecaster, its id, its settings, and what it was fitted on: the step,
/// the series' and covariates' names, order and scales, and the convention and clock of calendar features.
///
/// # Errors
///
/// Fails where the forecaster was never fitted by [`super::fit`] ([`save_with`] says on what it was), or the file cannot be
/// written.
pub fn save(model: &Slot<dyn Forecaster>, path: impl AsRef<Path>) -> Result<()> {
    save_file(model, None, path.as_ref())
}

/// As [`save`], for a forecaster that was fitted on these data by other means than [`super::fit`], or needs no fit.
///
/// # Errors
///
/// Fails where the file cannot be written.
pub fn save_with(
    model: &Slot<dyn Forecaster>,
    data: &Dataset,
    path: impl AsRef<Path>,
) -> Result<()> {
    save_file(model, Some(DataScales::of(data)), path.as_ref())
}

fn save_file(model: &Slot<dyn Forecaster>, scales: Option<DataScales>, path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Msg(format!("{} cannot be written: {error}", path.display()))
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        return Err(failed(&format!(
            "there is no folder {}; std::fs::create_dir_all makes it",
            folder.display()
        )));
    }
    let origin = model.provenance();
    let (scales, of_scales) = match (scales, DataScales::of_model(model)?) {
        (Some(scales), _) => scales.to_parts()?,
        (None, Some(scales)) => scales.to_parts()?,
        (None, None) => {
            return Err(failed(&format!(
                "{} was never fitted by forecast::fit, so the scales of its data are unknown; \
                 forecast::save_with(&model, &data, path) takes those of the data that it was fitted on",
                origin.id
            )));
        }
    };
    let text =
        json!({"version": VERSION, "id": origin.id, "config": origin.config, "data": scales});
    let mut tensors: HashMap<String, Tensor> = model
        .variables()
        .into_iter()
        .map(|named| (named.name, named.var.as_detached_tensor()))
        .collect();
    for (name, tensor) in of_scales {
        tensors.insert(format!("{SCALES}{name}"), tensor);
    }
    let bytes = text.to_string().into_bytes();
    let count = bytes.len();
    tensors.insert(
        COMPONENT.to_owned(),
        Tensor::from_vec(bytes, count, &Device::Cpu)?,
    );
    // A crash in the middle leaves the old file whole.
    let unfinished = path.with_extension("unfinished");
    candle_core::safetensors::save(&tensors, &unfinished)
        .and_then(|()| std::fs::rename(&unfinished, path).map_err(Error::wrap))
        .map_err(|error| failed(&error))
}

/// Makes the forecaster that [`save`] wrote, from its plugin, with its tensors and the scales of the data that it was fitted on.
/// [`super::predict`] and [`super::backtest`] see data in those scales, and refuse data of another step, other series or other
/// covariates.
///
/// # Errors
///
/// Fails where the file cannot be read or is none of [`save`]'s, has no scales (files of earlier versions: [`load_with`] takes
/// them from data), its plugin is missing, or the plugin's component has other tensors by now.
pub fn load(path: impl AsRef<Path>) -> Result<Slot<dyn Forecaster>> {
    load_file(path.as_ref(), None)
}

/// As [`load`], for a file of a version that had no scales: they are those of the data that the forecaster was fitted on.
///
/// # Errors
///
/// As [`load`], and where the file has scales of its own.
pub fn load_with(path: impl AsRef<Path>, data: &Dataset) -> Result<Slot<dyn Forecaster>> {
    load_file(path.as_ref(), Some(data))
}

fn load_file(path: &Path, data: Option<&Dataset>) -> Result<Slot<dyn Forecaster>> {
    let name = path.display();
    let mut tensors = candle_core::safetensors::load(path, &patchbay_show::device())
        .map_err(|error| Error::Msg(format!("{name} cannot be read: {error}")))?;
    let Some(bytes) = tensors.remove(COMPONENT) else {
        bail!(
            "{name} has no entry {COMPONENT}: forecast::save did not write it; weights::load reads other files"
        );
    };
    let component: Value = serde_json::from_slice(&bytes.to_vec1::<u8>()?).map_err(|error| {
        Error::Msg(format!(
            "the entry {COMPONENT} of {name} is damaged: {error}"
        ))
    })?;
    let scales = match (component["version"].as_u64(), data) {
        (None, Some(data)) => DataScales::of(data),
        (None, None) => bail!(
            "{name} was saved by a version that did not keep the scales of the data, without which its forecasts are wrong: \
             forecast::load_with(path, &data) takes them from the data set that it was fitted on, made of the same file and \
             split; then save it again"
        ),
        (Some(VERSION), Some(_)) => {
            bail!("{name} has scales of its own: forecast::load(path) reads it")
        }
        (Some(VERSION), None) => {
            let mut find = |name: &str| tensors.remove(&format!("{SCALES}{name}"));
            DataScales::from_parts(&component["data"], &mut find)
                .map_err(|error| Error::Msg(format!("{name}: {error}")))?
        }
        (Some(version), _) => bail!(
            "{name} has version {version} of the format, this program reads {VERSION}: it was saved by a newer one"
        ),
    };
    let id = component["id"].as_str().unwrap_or_default();
    let model = create::<dyn Forecaster>(id, component["config"].clone())
        .map_err(|error| Error::Msg(error.to_string()))?;
    let variables = model.variables();
    for named in &variables {
        match tensors.get(&named.name) {
            Some(tensor) if tensor.dims() == named.var.dims() => {}
            other => bail!(
                "{name} has {} for {} of {id}, expected {:?}: the component has changed since it was saved",
                other.map_or_else(
                    || "nothing".to_owned(),
                    |tensor| format!("{:?}", tensor.dims())
                ),
                named.name,
                named.var.dims()
            ),
        }
    }
    for named in &variables {
        named
            .var
            .set(&tensors[&named.name].to_dtype(named.var.dtype())?)?;
    }
    scales.note(&model);
    Ok(model)
}
