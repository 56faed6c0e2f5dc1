//! Published weights: settings of the encoder, names of the tensors, normalization of the images.

use std::path::Path;

use candle_core::bail;
use serde_json::{Value, json};

use super::{KeyMap, LoadOptions, Normalization, Report, load};
use patchbay_plugin::{Encoder, Slot, create};
use patchbay_show::{Result, table::Table};

/// One kind of published weights.
#[derive(Clone, Debug)]
pub struct Preset {
    /// The name, as in timm or transformers.
    pub name: &'static str,
    /// Id and settings of the encoder.
    pub encoder: &'static str,
    /// The settings of the encoder.
    pub config: Value,
    /// The names of tensors in the published file.
    pub keys: KeyMap,
    /// Of the images; none for text.
    pub normalization: Option<Normalization>,
    /// Where the weights come from.
    pub source: &'static str,
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
        let slot = create::<dyn Encoder>(self.encoder, config)
            .map_err(|error| candle_core::Error::Msg(error.to_string()))?;
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
/// Fails where there is none, naming those that there are.
pub fn preset(name: &str) -> Result<Preset> {
    let all = all();
    let names: Vec<&str> = all.iter().map(|preset| preset.name).collect();
    match all.iter().find(|preset| preset.name == name) {
        Some(preset) => Ok(preset.clone()),
        None => bail!(
            "there is no preset {name:?}; there are {}",
            names.join(", ")
        ),
    }
}

/// All presets.
///
/// Not every checkpoint of these families fits. `rvsa_base` is the plain ViT that MAE trained; the networks with rotated
/// window attention after it have `rel_pos_*` and `sampling_*`, which are unexpected here. `satmae_large` is the model of
/// RGB images; those of groups of channels and of times have several patch embeddings, and do not fit.
/// `scale_mae_large` takes the ground sample distance over the reference one as `position_scale`; its loss of several
/// scales and its decoder are left out. `dinov2_*` are the published backbones, in one piece or in chunks; those with
/// `w12` and `w3` in their feed-forward parts (giant) are unexpected.
pub fn presets() -> Table {
    let mut table = Table::new(["preset", "encoder", "keys", "source"]);
    for preset in all() {
        let keys = format!("{:?}", preset.keys);
        table.push([preset.name, preset.encoder, &keys, preset.source]);
    }
    table
}

fn all() -> Vec<Preset> {
    let vit = |name, keys, normalization, source, config| Preset {
        name,
        encoder: "encoder/vit",
        config,
        keys,
        normalization: Some(normalization),
        source,
    };
    let bert = |name, keys, source, config| Preset {
        name,
        encoder: "encoder/bert",
        config,
        keys,
        normalization: None,
        source,
    };
    let plain = |mut config: Value| {
        config["position_resampling"] = json!("plain");
        config
    };
    let (imagenet, clip) = (Normalization::imagenet, Normalization::clip);
    let dinov2 = |preset: &str| json!({"preset": preset, "patch_size": 14, "image_size": 518, "layer_scale": 1e-5, "position_resampling": "dinov2"});
    let dinov2_registers = |preset: &str| {
        let mut config = dinov2(preset);
        config["registers"] = json!(4);
        config["position"] = json!("learned_patches");
        config["position_resampling"] = json!("timm");
        config
    };
    let open_clip = |preset: &str, patch: usize| json!({"preset": preset, "patch_size": patch, "pre_norm": true, "patch_bias": false, "eps": 1e-5});
    let dino = "facebookresearch/dinov2";
    vec![
        vit(
            "deit_base",
            KeyMap::Timm,
            imagenet(),
            "facebookresearch/deit",
            json!({"preset": "base"}),
        ),
        vit(
            "mae_base",
            KeyMap::Mae,
            imagenet(),
            "facebookresearch/mae",
            plain(json!({"preset": "base"})),
        ),
        vit(
            "mae_large",
            KeyMap::Mae,
            imagenet(),
            "facebookresearch/mae",
            plain(json!({"preset": "large"})),
        ),
        vit(
            "rvsa_base",
            KeyMap::Rvsa,
            imagenet(),
            "ViTAE-Transformer/Remote-Sensing-RVSA, MAE on MillionAID",
            plain(json!({"preset": "base"})),
        ),
        vit(
            "satmae_large",
            KeyMap::SatMae,
            Normalization::fmow_rgb(),
            "SatMAE, fMoW RGB",
            plain(json!({"preset": "large"})),
        ),
        vit(
            "scale_mae_large",
            KeyMap::ScaleMae,
            imagenet(),
            "Scale-MAE",
            plain(json!({"preset": "large", "position": "sin_cos"})),
        ),
        vit(
            "remoteclip_b_32",
            KeyMap::OpenClip,
            clip(),
            "RemoteCLIP, OpenCLIP ViT-B-32",
            open_clip("base", 32),
        ),
        vit(
            "remoteclip_l_14",
            KeyMap::OpenClip,
            clip(),
            "RemoteCLIP, OpenCLIP ViT-L-14",
            open_clip("large", 14),
        ),
        vit(
            "dinov2_small",
            KeyMap::DinoV2,
            imagenet(),
            dino,
            dinov2("small"),
        ),
        vit(
            "dinov2_base",
            KeyMap::DinoV2,
            imagenet(),
            dino,
            dinov2("base"),
        ),
        vit(
            "dinov2_large",
            KeyMap::DinoV2,
            imagenet(),
            dino,
            dinov2("large"),
        ),
        vit(
            "dinov2_small_registers",
            KeyMap::DinoV2,
            imagenet(),
            dino,
            dinov2_registers("small"),
        ),
        vit(
            "dinov2_base_registers",
            KeyMap::DinoV2,
            imagenet(),
            dino,
            dinov2_registers("base"),
        ),
        vit(
            "dinov2_small_transformers",
            KeyMap::HuggingFaceVit,
            imagenet(),
            "transformers' Dinov2Model, also as ONNX",
            plain(dinov2("small")),
        ),
        vit(
            "albef_image",
            KeyMap::AlbefImage,
            clip(),
            "salesforce/ALBEF",
            plain(json!({"preset": "base", "image_size": 256})),
        ),
        bert(
            "albef_text",
            KeyMap::AlbefText,
            "salesforce/ALBEF",
            json!({"fusion_layer": 6}),
        ),
        bert(
            "bert_base",
            KeyMap::HuggingFaceBert,
            "transformers' BertModel",
            json!({}),
        ),
        bert(
            "minilm_l6",
            KeyMap::HuggingFaceBert,
            "sentence-transformers/all-MiniLM-L6-v2",
            json!({"width": 384, "layers": 6, "heads": 12, "pool": "mean"}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_nn::PositionResampling;

    /// A preset's encoder resizes its positions, when images of other sizes come, as they were resized on loading.
    #[test]
    fn positions_are_resized_alike_on_loading_and_later() {
        let mut ways = Vec::new();
        for preset in all() {
            if preset.encoder != "encoder/vit" {
                continue;
            }
            let own = match preset.config.get("position_resampling") {
                Some(own) => serde_json::from_value(own.clone()).unwrap(),
                None => PositionResampling::default(),
            };
            let has_registers = preset.config.get("registers").is_some();
            assert_eq!(
                own,
                preset.keys.position_resampling(has_registers),
                "{}",
                preset.name
            );
            ways.push(own);
        }
        for way in [
            PositionResampling::Timm,
            PositionResampling::Plain,
            PositionResampling::DinoV2,
        ] {
            assert!(ways.contains(&way), "{way:?}");
        }
    }
}
