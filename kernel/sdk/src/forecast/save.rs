//! A fitted forecaster in a file: its tensors, and what makes it.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Error, Tensor, bail};
use serde_json::{Value, json};

use crate::{
    Result,
    plugin::{Forecaster, Slot, create},
};

/// The entry with the component's id and settings, as JSON in bytes.
const COMPONENT: &str = "patchbay.component";

/// Writes a safetensors file with all tensors of the forecaster, its id and its settings.
///
/// # Errors
///
/// Fails where the file cannot be written.
pub fn save(model: &Slot<dyn Forecaster>, path: impl AsRef<Path>) -> Result<()> {
    save_file(model, path.as_ref())
}

fn save_file(model: &Slot<dyn Forecaster>, path: &Path) -> Result<()> {
    let origin = model.provenance();
    let text = json!({"id": origin.id, "config": origin.config}).to_string();
    let mut tensors: HashMap<String, Tensor> = model
        .variables()
        .into_iter()
        .map(|named| (named.name, named.var.as_detached_tensor()))
        .collect();
    let bytes = text.into_bytes();
    let count = bytes.len();
    tensors.insert(
        COMPONENT.to_owned(),
        Tensor::from_vec(bytes, count, &Device::Cpu)?,
    );
    // A crash in the middle leaves the old file whole.
    let unfinished = path.with_extension("unfinished");
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
    candle_core::safetensors::save(&tensors, &unfinished)
        .and_then(|()| std::fs::rename(&unfinished, path).map_err(Error::wrap))
        .map_err(|error| failed(&error))
}

/// Makes the forecaster that [`save`] wrote, from its plugin, with its tensors.
///
/// # Errors
///
/// Fails where the file cannot be read or is none of [`save`]'s, its plugin is missing, or the plugin's component
/// has other tensors by now.
pub fn load(path: impl AsRef<Path>) -> Result<Slot<dyn Forecaster>> {
    load_file(path.as_ref())
}

fn load_file(path: &Path) -> Result<Slot<dyn Forecaster>> {
    let name = path.display();
    let mut tensors = candle_core::safetensors::load(path, &crate::device())
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
    Ok(model)
}
