//! Published weights: settings of the encoder, names of the tensors, normalization of the images.

use std::path::Path;

use candle_core::{Error, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KeyMap, LoadOptions, Normalization, Report, load};
use patchbay_plugin::{Encoder, Kind, Slot, Spec, components_of, create};
use patchbay_show::{Result, table::Table};

/// One kind of published weights. Encoders list those that fit them in [`Define::presets`](patchbay_plugin::Define::presets).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// The name, as in timm or transformers.
    pub name: String,
    /// The id of the encoder. In an encoder's own list it is left out.
    #[serde(default)]
    pub encoder: String,
    /// The settings of the encoder.
    pub config: Value,
    /// The names of tensors in the published file.
    pub keys: KeyMap,
    /// Of the images; none for text.
    pub normalization: Option<Normalization>,
    /// Where the weights come from.
    pub source: String,
}

impl Preset {
    /// Makes the encoder, with `changes` to its settings (a JSON object), and fills it from the file.
    ///
    /// # Errors
    ///
    /// Fails where the encoders' plugin is not there, or as [`load`].
    pub fn load(
        &self,
        path: impl AsRef<Path>,
        changes: Value,
    ) -> Result<(Slot<dyn Encoder>, Report)> {
        self.load_with(path, changes, &LoadOptions::new(self.keys))
    }

    /// As [`Preset::load`], with options; `keys` of the preset where they have none.
    ///
    /// # Errors
    ///
    /// As [`Preset::load`].
    pub fn load_with(
        &self,
        path: impl AsRef<Path>,
        changes: Value,
        options: &LoadOptions,
    ) -> Result<(Slot<dyn Encoder>, Report)> {
        let mut config = self.config.clone();
        if let (Some(config), Value::Object(changes)) = (config.as_object_mut(), changes) {
            config.extend(changes);
        }
        let slot = create::<dyn Encoder>(&self.encoder, config)
            .map_err(|error| Error::Msg(error.to_string()))?;
        let options = LoadOptions {
            keys: options.keys.or(Some(self.keys)),
            ..options.clone()
        };
        let report = load(&slot, path, &options)?;
        Ok((slot, report))
    }
}

/// The preset of this name.
///
/// # Errors
///
/// Fails where there is none, naming those that there are, and where an encoder's list of presets cannot be read.
pub fn preset(name: &str) -> Result<Preset> {
    let (specs, refused) = components_of(<dyn Encoder as Kind>::NAME);
    let all = presets_of(&specs)?;
    let names: Vec<&str> = all.iter().map(|preset| preset.name.as_str()).collect();
    match all.iter().find(|preset| preset.name == name) {
        Some(preset) => Ok(preset.clone()),
        None => {
            let refused: String = refused
                .iter()
                .map(|error| format!("\na plugin with encoders could not be loaded: {error}"))
                .collect();
            bail!(
                "there is no preset {name:?}; there are {}{refused}",
                names.join(", ")
            )
        }
    }
}

/// The presets of all encoders. Plugins that cannot be loaded are left out.
///
/// Not every checkpoint of these families fits. `rvsa_base` is the plain ViT that MAE trained; the networks with rotated
/// window attention after it have `rel_pos_*` and `sampling_*`, which are unexpected here. `satmae_large` is the model of
/// RGB images; those of groups of channels and of times have several patch embeddings, and do not fit.
/// `scale_mae_large` takes the ground sample distance over the reference one as `position_scale`; its loss of several
/// scales and its decoder are left out. `dinov2_*` are the published backbones, in one piece or in chunks; those with
/// `w12` and `w3` in their feed-forward parts (giant) are unexpected.
///
/// # Errors
///
/// Fails where an encoder's list of presets cannot be read.
pub fn presets() -> Result<Table> {
    let mut table = Table::new(["preset", "encoder", "keys", "source"]);
    for preset in presets_of(&components_of(<dyn Encoder as Kind>::NAME).0)? {
        let keys = format!("{:?}", preset.keys);
        table.push([&preset.name, &preset.encoder, &keys, &preset.source]);
    }
    Ok(table)
}

fn presets_of(specs: &[Spec]) -> Result<Vec<Preset>> {
    let mut all = Vec::new();
    for spec in specs {
        let listed: Vec<Preset> = serde_json::from_value((spec.presets)())
            .map_err(|error| Error::Msg(format!("the presets of {}: {error}", spec.id)))?;
        all.extend(listed.into_iter().map(|preset| Preset {
            encoder: spec.id.clone(),
            ..preset
        }));
    }
    Ok(all)
}
