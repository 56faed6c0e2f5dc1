//! Trained weights from files into components.
//!
//! ```no_run
//! use patchbay::prelude::*;
//! use patchbay::weights::{self, KeyMap, LoadOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let encoder = create::<dyn Encoder>("encoder/vit", json!({"preset": "small", "image_size": 224}))?;
//! let report = weights::load(&encoder, "vit_small.safetensors", &LoadOptions::new(KeyMap::Timm))?;
//! println!("{report}");
//! # Ok(()) }
//! ```
//!
//! A file is a `.pth` (zip or legacy; its pickle is read and never run), `.safetensors`, or `.onnx`. A
//! [`KeyMap`] gives its keys the names that the encoders have; [`presets`] pairs it with the settings of
//! the encoder and the normalization of its images. Of a checkpoint with several state dicts the moving average (EMA) is
//! read, as in timm, and the report says so; [`LoadOptions::container`] chooses another. What all names begin with
//! (`module.`, `model.`, `_orig_mod.`) is taken off where the rest fits. Position embeddings of another grid are
//! interpolated in the way of the program that wrote the file ([`KeyMap::position_resampling`]), and bands are adapted where [`Bands`] allows it. Loading is strict: unless `partial` is asked for, every
//! tensor of the component must be filled and every tensor of the file used, or nothing is changed. What is left out all
//! the same is in the report with its reason: heads, decoders, other networks; integers are never read.

mod fit;
mod key_map;
mod names;
mod normalization;
mod options;
mod preset;
mod report;

use std::path::Path;

use candle_core::{Result, bail};
pub use patchbay_weights::{Checkpoint, Source, Tensor as PlainTensor, Tensors};
use serde_json::{Value, json};

pub use key_map::KeyMap;
pub use normalization::Normalization;
pub use options::{Bands, LoadOptions};
pub use preset::{Preset, preset, presets};
pub use report::{Report, State};

use patchbay_nn::PositionResampling;
use patchbay_plugin::{Kind, NamedVar, Slot};

/// Fills the tensors of a component from a file. The report says what became of each tensor.
///
/// # Errors
///
/// Fails, changing nothing, where the file cannot be read, and, unless `partial` is asked for, where a
/// tensor of the component is not in the file, one of the file has no place, or shapes differ.
pub fn load<K: ?Sized + Kind>(
    slot: &Slot<K>,
    path: impl AsRef<Path>,
    options: &LoadOptions,
) -> Result<Report> {
    let config = slot.provenance().config;
    load_from(&slot.variables(), path.as_ref(), options, Some(&config))
}

/// [`load`] for tensors that are no slot's.
///
/// # Errors
///
/// As [`load`].
pub fn load_file(variables: &[NamedVar], path: &Path, options: &LoadOptions) -> Result<Report> {
    load_from(variables, path, options, None)
}

fn load_from(
    variables: &[NamedVar],
    path: &Path,
    options: &LoadOptions,
    config: Option<&Value>,
) -> Result<Report> {
    let checkpoint = patchbay_weights::read_checkpoint(path, options.container.as_deref())
        .map_err(candle_core::Error::Msg)?;
    let report = Report {
        notes: notes(&checkpoint),
        ..Report::default()
    };
    fill(variables, checkpoint.tensors, options, report, config)
        .map_err(|error| error.context(format!("{}", path.display())))
}

/// [`load`] for tensors that are in memory.
///
/// # Errors
///
/// As [`load`].
pub fn load_tensors(
    variables: &[NamedVar],
    tensors: Tensors,
    options: &LoadOptions,
) -> Result<Report> {
    fill(variables, tensors, options, Report::default(), None)
}

/// Where in a file the tensors were, where there was something to choose.
fn notes(checkpoint: &Checkpoint) -> Vec<String> {
    let mut notes = Vec::new();
    let others: Vec<String> = checkpoint
        .others
        .iter()
        .take(4)
        .map(|other| format!("LoadOptions::container({other:?})"))
        .collect();
    let what = match (checkpoint.source, checkpoint.is_average) {
        (Source::Script, _) => "TorchScript, a network",
        (Source::Network, true) => "a pickled network, the moving average (EMA) of the weights",
        (Source::Network, false) => "a pickled network",
        (Source::Dict, true) => "the moving average (EMA) of the weights",
        (Source::Dict, false) => "",
    };
    let place = match (checkpoint.container.as_str(), what, others.is_empty()) {
        ("", "", true) => None,
        ("", "", false) => Some("read from the top of the file".to_owned()),
        ("", what, _) => Some(format!("read from {what}")),
        (name, "", _) => Some(format!("read from `{name}`")),
        (name, what, _) => Some(format!("read from `{name}`, {what}")),
    };
    if let Some(place) = place {
        notes.push(match others.is_empty() {
            true => place,
            false => format!("{place}; what else the file has: {}", others.join(", ")),
        });
    }
    if let Some(name) = &checkpoint.unnamed_average {
        notes.push(format!(
            "`{name}` has a moving average without names, which was not read: in Python, copy it into the network \
             (`ema.copy_to(model.parameters())`) and save its state_dict()"
        ));
    }
    notes
}

/// Gives the variables the values of the tensors; `report` is what there is to say so far, `config` the component's settings.
fn fill(
    variables: &[NamedVar],
    tensors: Tensors,
    options: &LoadOptions,
    mut report: Report,
    config: Option<&Value>,
) -> Result<Report> {
    let shapes = names::shapes_of(&tensors);
    let hint = || names::hint(&shapes, variables, options);
    let tensors = names::without_prefix(tensors, variables, options, &mut report)?;
    let recognized = || KeyMap::recognize_for(&tensors, variables);
    let Some(keys) = options.keys.or_else(recognized) else {
        let some: Vec<&str> = tensors.keys().take(6).map(String::as_str).collect();
        bail!(
            "the keys ({}, ...) are of no known implementation: give LoadOptions a `keys` of {:?}, or a `prefix`. {}",
            some.join(", "),
            KeyMap::ALL,
            hint()
        )
    };
    let found = key_map::rename(tensors, keys, &mut report);
    let values = fit::fit(found, variables, keys, options, &mut report)?;
    report.sort();
    if !options.partial && !report.is_complete() {
        let better = hint();
        let better = match better.is_empty() {
            true => format!("Another `keys` ({keys:?} was used) or `prefix` may fit"),
            false => better,
        };
        bail!(
            "the weights do not fit, and nothing was changed. {report}\n{better}; LoadOptions::partial loads what does"
        )
    }
    if report.count(State::Loaded) + report.count(State::Converted) == 0 {
        bail!(
            "no tensor of the file has a place in the component. {report}\n{}",
            hint()
        )
    }
    let program = options.positions.unwrap_or_else(|| {
        let has_registers = variables
            .iter()
            .any(|named| named.name.ends_with("reg_token"));
        keys.position_resampling(has_registers)
    });
    report.notes.extend(config.and_then(|config| {
        let own = config.get("position_resampling")?;
        let own: PositionResampling = serde_json::from_value(own.clone()).ok()?;
        let is_dynamic = config.get("dynamic_size") == Some(&Value::Bool(true));
        let told = serde_json::to_string(&program).ok()?;
        (is_dynamic && own != program && config.get("position") != Some(&json!("sin_cos"))).then(|| {
            format!(
                "images of other sizes: this encoder resizes its positions as PositionResampling::{own:?}, the program of \
                 these weights as {program:?}: make it with {{\"position_resampling\": {told}}}"
            )
        })
    }));
    for (variable, value) in values {
        variable.set(&value)?;
    }
    Ok(report)
}

/// Reads the tensors of a file with the names that they have there: to look into it.
///
/// # Errors
///
/// Says what is wrong with the file.
pub fn read(path: impl AsRef<Path>) -> Result<Tensors> {
    patchbay_weights::read(path.as_ref()).map_err(candle_core::Error::Msg)
}

/// As [`read`], with where in the file they are: the state dict of this name ("" is the top), or the one that [`load`] takes
/// by itself; the names of the others are in the result.
///
/// # Errors
///
/// Says what is wrong with the file, or which containers it has.
pub fn read_checkpoint(path: impl AsRef<Path>, container: Option<&str>) -> Result<Checkpoint> {
    patchbay_weights::read_checkpoint(path.as_ref(), container).map_err(candle_core::Error::Msg)
}
