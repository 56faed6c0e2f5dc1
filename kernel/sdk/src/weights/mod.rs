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
//! the encoder and the normalisation of its images. Position embeddings of another grid are interpolated,
//! and bands are adapted where [`Bands`] allows it. Loading is strict: unless `partial` is asked for, every
//! tensor of the component must be filled and every tensor of the file used, or nothing is changed. What is left out all
//! the same is in the report with its reason: heads, decoders, other networks; integers are never read.

mod fit;
mod key_map;
mod normalisation;
mod preset;
mod report;

use std::path::Path;

use candle_core::{Result, bail};
pub use patchbay_weights::{Tensor as PlainTensor, Tensors};

pub use fit::Bands;
pub use key_map::KeyMap;
pub use normalisation::Normalisation;
pub use preset::{Preset, preset, presets};
pub use report::{Report, State};

use crate::plugin::{Kind, NamedVar, Slot};

/// How [`load`] reads a file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Whose names the file has; none: recognised by its keys.
    pub keys: Option<KeyMap>,
    /// Only keys that begin with this are read, and it is taken off them.
    pub prefix: String,
    /// Whether to load what fits where not everything does.
    pub partial: bool,
    /// What to do where the images have other bands.
    pub bands: Bands,
}

impl LoadOptions {
    /// Strict, with the names of `keys`.
    pub fn new(keys: KeyMap) -> LoadOptions {
        LoadOptions {
            keys: Some(keys),
            ..LoadOptions::default()
        }
    }

    /// Loads what fits.
    pub fn partial(self) -> LoadOptions {
        LoadOptions {
            partial: true,
            ..self
        }
    }

    /// Reads the keys that begin with `prefix` only.
    pub fn prefix(self, prefix: &str) -> LoadOptions {
        LoadOptions {
            prefix: prefix.to_owned(),
            ..self
        }
    }

    /// Adapts the bands of the patch embedding.
    pub fn bands(self, bands: Bands) -> LoadOptions {
        LoadOptions { bands, ..self }
    }
}

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
    load_file(&slot.variables(), path.as_ref(), options)
}

/// [`load`] for tensors that are no slot's.
///
/// # Errors
///
/// As [`load`].
pub fn load_file(variables: &[NamedVar], path: &Path, options: &LoadOptions) -> Result<Report> {
    let tensors = patchbay_weights::read(path).map_err(candle_core::Error::Msg)?;
    let report = load_tensors(variables, tensors, options)
        .map_err(|error| error.context(format!("{}", path.display())))?;
    Ok(report)
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
    let tensors = fit::with_prefix(tensors, &options.prefix)?;
    let recognised = || KeyMap::recognise_for(&tensors, variables);
    let Some(keys) = options.keys.or_else(recognised) else {
        let some: Vec<&str> = tensors.keys().take(6).map(String::as_str).collect();
        bail!(
            "the keys ({}, ...) are of no known implementation: give LoadOptions a `keys` of {:?}, or a `prefix`",
            some.join(", "),
            KeyMap::ALL
        )
    };
    let (found, mut report) = key_map::rename(tensors, keys);
    let values = fit::fit(found, variables, keys, options, &mut report)?;
    report.sort();
    if !options.partial && !report.is_complete() {
        bail!(
            "the weights do not fit, and nothing was changed. {report}\nAnother `keys` ({keys:?} was used) or `prefix` may \
             fit; LoadOptions::partial loads what does"
        )
    }
    if report.count(State::Loaded) + report.count(State::Converted) == 0 {
        bail!("no tensor of the file has a place in the component. {report}")
    }
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
