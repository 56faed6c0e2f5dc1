//! Published weights of vision transformers.

use patchbay::{
    plugin::prelude::*,
    serde_json::Value,
    weights::{KeyMap, Normalization, Preset},
};

/// Returns the presets, named as in the programs that the weights come from.
pub(super) fn presets() -> Vec<Preset> {
    let vit = |name: &str, keys, normalization, source: &str, config| Preset {
        name: name.to_owned(),
        encoder: String::new(),
        config,
        keys,
        normalization: Some(normalization),
        source: source.to_owned(),
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
    ]
}
