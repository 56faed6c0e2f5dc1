//! The names that other implementations give their tensors.

use std::collections::BTreeMap;

use patchbay_weights::{Tensor, Tensors};
use serde::{Deserialize, Serialize};

use super::{Report, State};
use patchbay_nn::PositionResampling;
use patchbay_plugin::NamedVar;

/// Whose names a file of weights has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyMap {
    /// timm's `VisionTransformer`; DeiT.
    Timm,
    /// MAE (He et al., 2022) and programs that follow it: its decoder is left out.
    Mae,
    /// Remote-sensing ViT of Wang et al. (2022): MAE's names. What its rotated window attention has beside
    /// those (`rel_pos_*`, `sampling_*`) is unexpected: there is no such attention here.
    Rvsa,
    /// SatMAE (Cong et al., 2022) on RGB images: MAE's names. Of its models of groups of channels and of times, the
    /// further patch embeddings (`patch_embed.0.proj.weight`) and `channel_embed` are unexpected: there are none here.
    SatMae,
    /// Scale-MAE (Reed et al., 2023): MAE's names, positions computed from the ground sample distance.
    ScaleMae,
    /// OpenCLIP's and CLIP's image encoder; RemoteCLIP.
    OpenClip,
    /// DINOv2's own program.
    DinoV2,
    /// `ViTModel`, `DeiTModel`, `Dinov2Model` of Hugging Face's transformers, also as ONNX.
    HuggingFaceVit,
    /// `BertModel` of Hugging Face's transformers, also inside a model with heads.
    HuggingFaceBert,
    /// A whole ALBEF checkpoint, for `objective/albef`: its own names. The decoder of masked words is left out, as it is
    /// tied to the word embeddings, and so are queues of another size, which training fills again.
    Albef,
    /// The image encoder of an ALBEF checkpoint.
    AlbefImage,
    /// The text encoder of an ALBEF checkpoint; for an encoder of fewer layers, its lower ones.
    AlbefText,
    /// The layers with cross-attention of an ALBEF checkpoint, counted from 0.
    AlbefMultimodal,
}

/// Where a tensor of the file goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    To(String),
    /// One of three parts that are joined along the first dimension: queries, keys, values.
    Part(String, usize),
    LeftOut(&'static str),
}

impl KeyMap {
    /// All maps, in the order in which they are listed.
    pub const ALL: [KeyMap; 13] = [
        KeyMap::Timm,
        KeyMap::Mae,
        KeyMap::Rvsa,
        KeyMap::SatMae,
        KeyMap::ScaleMae,
        KeyMap::OpenClip,
        KeyMap::DinoV2,
        KeyMap::HuggingFaceVit,
        KeyMap::HuggingFaceBert,
        KeyMap::Albef,
        KeyMap::AlbefImage,
        KeyMap::AlbefText,
        KeyMap::AlbefMultimodal,
    ];

    /// For these variables: as [`KeyMap::recognize`], and the whole of an ALBEF checkpoint where the component has all
    /// its parts.
    pub(super) fn recognize_for(tensors: &Tensors, variables: &[NamedVar]) -> Option<KeyMap> {
        KeyMap::recognize(tensors).or_else(|| {
            let is_whole = ["visual_encoder.", "text_encoder."].iter().all(|part| {
                variables.iter().any(|named| named.name.starts_with(part))
                    && tensors.keys().any(|name| name.starts_with(part))
            });
            is_whole.then_some(KeyMap::Albef)
        })
    }

    /// Tells by its keys who wrote a file; of ALBEF, whose parts are for several components, nothing.
    pub fn recognize(tensors: &Tensors) -> Option<KeyMap> {
        let has = |part: &str| tensors.keys().any(|name| name.contains(part));
        let is_albef = has("text_encoder.") && has("visual_encoder.");
        Some(match () {
            () if is_albef => return None,
            () if has("visual.transformer.resblocks.") => KeyMap::OpenClip,
            () if has("attention.self.query") => KeyMap::HuggingFaceBert,
            () if has("attention.attention.query") || has("attention.q_proj") => {
                KeyMap::HuggingFaceVit
            }
            () if has("decoder_blocks.") => KeyMap::Mae,
            () if has("blocks.") && has("mask_token") => KeyMap::DinoV2,
            () if has("blocks.") && has("attn.qkv") => KeyMap::Timm,
            () => return None,
        })
    }

    /// How the program that wrote such a file resizes its position embeddings, with or without register tokens.
    pub fn position_resampling(self, has_registers: bool) -> PositionResampling {
        match self {
            KeyMap::Timm | KeyMap::OpenClip => PositionResampling::Timm,
            KeyMap::DinoV2 | KeyMap::HuggingFaceVit if has_registers => PositionResampling::Timm,
            KeyMap::DinoV2 => PositionResampling::DinoV2,
            KeyMap::Mae
            | KeyMap::Rvsa
            | KeyMap::SatMae
            | KeyMap::ScaleMae
            | KeyMap::HuggingFaceVit
            | KeyMap::HuggingFaceBert
            | KeyMap::Albef
            | KeyMap::AlbefImage
            | KeyMap::AlbefText
            | KeyMap::AlbefMultimodal => PositionResampling::Plain,
        }
    }

    fn target(self, name: &str, first_fusion_layer: usize) -> Target {
        match self {
            KeyMap::Timm => timm(name),
            KeyMap::Mae | KeyMap::Rvsa | KeyMap::SatMae | KeyMap::ScaleMae => mae(name),
            KeyMap::OpenClip => open_clip(name),
            KeyMap::DinoV2 => dino_v2(name),
            KeyMap::HuggingFaceVit => hugging_face_vit(name),
            KeyMap::HuggingFaceBert => bert(name),
            KeyMap::Albef => match name.contains(".cls.predictions.decoder.") {
                true => Target::LeftOut("tied to the word embeddings"),
                false => Target::To(name.to_owned()),
            },
            KeyMap::AlbefImage => match name.strip_prefix("visual_encoder.") {
                Some(name) => timm(name),
                None => Target::LeftOut("another part of ALBEF"),
            },
            KeyMap::AlbefText => match name.strip_prefix("text_encoder.") {
                Some(name) => bert(name),
                None => Target::LeftOut("another part of ALBEF"),
            },
            KeyMap::AlbefMultimodal => albef_multimodal(name, first_fusion_layer),
        }
    }
}

const HEAD: Target = Target::LeftOut("a head of the training task");

fn timm(name: &str) -> Target {
    let is_head = ["head.", "head_dist.", "pre_logits.", "fc."]
        .iter()
        .any(|head| name.starts_with(head));
    match is_head {
        true => HEAD,
        false => Target::To(name.to_owned()),
    }
}

fn mae(name: &str) -> Target {
    match name.starts_with("decoder") || name == "mask_token" {
        true => Target::LeftOut("the decoder of the training task"),
        false => timm(name),
    }
}

fn open_clip(name: &str) -> Target {
    let Some(name) = name.strip_prefix("visual.") else {
        return Target::LeftOut("CLIP's text encoder or temperature");
    };
    let to = |name: &str| Target::To(name.to_owned());
    match name {
        "conv1.weight" => return to("patch_embed.proj.weight"),
        "class_embedding" => return to("cls_token"),
        "positional_embedding" => return to("pos_embed"),
        "proj" => return Target::LeftOut("the projection to the space shared with texts"),
        _ => {}
    }
    let replaced = name
        .replace("transformer.resblocks.", "blocks.")
        .replace("attn.in_proj_", "attn.qkv.")
        .replace("attn.out_proj.", "attn.proj.")
        .replace("ln_pre.", "norm_pre.")
        .replace("ln_post.", "norm.")
        .replace("ln_1.", "norm1.")
        .replace("ln_2.", "norm2.")
        .replace("mlp.c_fc.", "mlp.fc1.")
        .replace("mlp.c_proj.", "mlp.fc2.");
    Target::To(replaced)
}

fn dino_v2(name: &str) -> Target {
    let name = name.strip_prefix("backbone.").unwrap_or(name);
    if name == "mask_token" || name.starts_with("dino_head.") || name.starts_with("ibot_head.") {
        return HEAD;
    }
    if name == "register_tokens" {
        return Target::To("reg_token".to_owned());
    }
    // Sharded training puts blocks into chunks: blocks.<chunk>.<block>.norm1.weight.
    let parts: Vec<&str> = name.split('.').collect();
    let is_number = |at: usize| {
        parts
            .get(at)
            .is_some_and(|part| part.parse::<usize>().is_ok())
    };
    match parts[0] == "blocks" && is_number(1) && is_number(2) {
        true => Target::To(format!("blocks.{}", parts[2..].join("."))),
        false => timm(name),
    }
}

fn hugging_face_vit(name: &str) -> Target {
    let name = [
        "vit.",
        "deit.",
        "dinov2.",
        "dinov2_with_registers.",
        "backbone.",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))
    .unwrap_or(name);
    // The names since version 5 of transformers, which its published checkpoints do not have.
    let mut name = name.to_owned();
    if let Some(rest) = name.strip_prefix("layers.") {
        name = format!("encoder.layer.{rest}");
    }
    for (new, old) in [
        ("attention.q_proj.", "attention.attention.query."),
        ("attention.k_proj.", "attention.attention.key."),
        ("attention.v_proj.", "attention.attention.value."),
        ("attention.o_proj.", "attention.output.dense."),
    ] {
        name = name.replace(new, old);
    }
    let to = |name: &str| Target::To(name.to_owned());
    match name.as_str() {
        "embeddings.cls_token" => return to("cls_token"),
        "embeddings.position_embeddings" => return to("pos_embed"),
        "embeddings.register_tokens" => return to("reg_token"),
        "embeddings.mask_token" => return HEAD,
        _ => {}
    }
    if let Some(rest) = name.strip_prefix("embeddings.patch_embeddings.projection.") {
        return Target::To(format!("patch_embed.proj.{rest}"));
    }
    if let Some(rest) = name.strip_prefix("layernorm.") {
        return Target::To(format!("norm.{rest}"));
    }
    let layer = name
        .strip_prefix("encoder.layer.")
        .and_then(|rest| rest.split_once('.'));
    let Some((number, rest)) = layer else {
        let is_head = ["classifier.", "pooler.", "decoder.", "head."]
            .iter()
            .any(|head| name.starts_with(head));
        return if is_head { HEAD } else { to(&name) };
    };
    for (part, projection) in ["query", "key", "value"].into_iter().enumerate() {
        let prefix = format!("attention.attention.{projection}.");
        if let Some(kind) = rest.strip_prefix(&prefix) {
            return Target::Part(format!("blocks.{number}.attn.qkv.{kind}"), part);
        }
    }
    let rest = rest
        .replace("attention.output.dense.", "attn.proj.")
        .replace("layernorm_before.", "norm1.")
        .replace("layernorm_after.", "norm2.")
        .replace("layer_scale1.lambda1", "ls1.gamma")
        .replace("layer_scale2.lambda1", "ls2.gamma")
        .replace("intermediate.dense.", "mlp.fc1.");
    let rest = match rest.strip_prefix("output.dense.") {
        Some(kind) => format!("mlp.fc2.{kind}"),
        None => rest,
    };
    Target::To(format!("blocks.{number}.{rest}"))
}

fn bert(name: &str) -> Target {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    if name.starts_with("cls.") || name.starts_with("classifier.") {
        return HEAD;
    }
    // Checkpoints that were converted from TensorFlow have its names for the parts of a norm.
    let name = match name.strip_suffix("LayerNorm.gamma") {
        Some(front) => format!("{front}LayerNorm.weight"),
        None => match name.strip_suffix("LayerNorm.beta") {
            Some(front) => format!("{front}LayerNorm.bias"),
            None => name.to_owned(),
        },
    };
    Target::To(name)
}

fn albef_multimodal(name: &str, first: usize) -> Target {
    let inner = name
        .strip_prefix("text_encoder.")
        .map(|name| name.strip_prefix("bert.").unwrap_or(name));
    let layer = inner
        .and_then(|name| name.strip_prefix("encoder.layer."))
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
    match layer {
        Some((number, rest)) if number >= first => {
            Target::To(format!("encoder.layer.{}.{rest}", number - first))
        }
        _ => Target::LeftOut("another part of ALBEF"),
    }
}

/// A tensor under its new name, and what was done to it.
pub(super) struct Found {
    pub tensor: Tensor,
    /// Its name in the file, for messages.
    pub source: String,
    pub note: Option<String>,
}

/// Gives every tensor the name that it has here; those that do not belong here are in the report.
pub(super) fn rename(
    tensors: Tensors,
    keys: KeyMap,
    report: &mut Report,
) -> BTreeMap<String, Found> {
    let first_fusion_layer = tensors
        .keys()
        .filter(|name| name.contains(".crossattention.") && name.starts_with("text_encoder."))
        .filter_map(|name| {
            name.split("encoder.layer.")
                .nth(1)?
                .split('.')
                .next()?
                .parse()
                .ok()
        })
        .min()
        .unwrap_or(0);
    let mut found = BTreeMap::new();
    let mut parts: BTreeMap<String, [Option<Tensor>; 3]> = BTreeMap::new();
    let mut tensors = tensors;
    if keys == KeyMap::HuggingFaceVit {
        found.extend(folded_positions(&mut tensors));
    }
    for (source, tensor) in tensors {
        match keys.target(&source, first_fusion_layer) {
            Target::LeftOut(why) => report.push(State::LeftOut, source, why),
            Target::Part(name, part) => parts.entry(name).or_default()[part] = Some(tensor),
            Target::To(name) => {
                let note = None;
                found.insert(
                    name,
                    Found {
                        tensor,
                        source,
                        note,
                    },
                );
            }
        }
    }
    for (name, parts) in parts {
        match joined(parts) {
            Some(tensor) => {
                let note = Some("queries, keys and values joined".to_owned());
                let source = name.clone();
                found.insert(
                    name,
                    Found {
                        tensor,
                        source,
                        note,
                    },
                );
            }
            None => report.push(
                State::Mismatch,
                name,
                "queries, keys and values are not all there in one shape",
            ),
        }
    }
    found
}

fn joined([q, k, v]: [Option<Tensor>; 3]) -> Option<Tensor> {
    let (mut all, k, v) = (q?, k?, v?);
    if all.shape.is_empty() || all.shape != k.shape || all.shape != v.shape {
        return None;
    }
    all.shape[0] *= 3;
    all.values.extend(k.values);
    all.values.extend(v.values);
    Some(all)
}

/// An ONNX export of DINOv2 has its position embeddings cut in two, for class token and patches, under
/// anonymous names: the only ones of the form `[1, 1, width]` and `[1, side * side, width]`.
fn folded_positions(tensors: &mut Tensors) -> Option<(String, Found)> {
    let only = |prefix: &str, fits: &dyn Fn(&[usize]) -> bool| -> Option<String> {
        let mut names = tensors
            .iter()
            .filter(|(name, tensor)| name.starts_with(prefix) && fits(&tensor.shape));
        let name = names.next()?.0.clone();
        names.next().is_none().then_some(name)
    };
    let class = only("onnx::Concat", &|shape| matches!(shape, [1, 1, _]))?;
    let width = tensors.get(&class)?.shape[2];
    let patches = only(
        "onnx::Reshape",
        &|shape| matches!(shape, [1, count, channels] if *channels == width && count.isqrt().pow(2) == *count),
    )?;
    let mut tensor = tensors.remove(&class)?;
    let rest = tensors.remove(&patches)?;
    tensor.shape[1] += rest.shape[1];
    tensor.values.extend(rest.values);
    let note = Some("class token's and patches' positions joined".to_owned());
    let source = format!("{class}, {patches}");
    Some((
        "pos_embed".to_owned(),
        Found {
            tensor,
            source,
            note,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(keys: KeyMap, name: &str) -> String {
        match keys.target(name, 6) {
            Target::To(name) => name,
            Target::Part(name, part) => format!("{name}[{part}]"),
            Target::LeftOut(_) => "-".to_owned(),
        }
    }

    #[test]
    fn names_of_each_implementation_become_ours() {
        for (keys, theirs, ours) in [
            (
                KeyMap::Timm,
                "blocks.3.attn.qkv.weight",
                "blocks.3.attn.qkv.weight",
            ),
            (KeyMap::Timm, "head.weight", "-"),
            (KeyMap::Mae, "decoder_blocks.0.norm1.weight", "-"),
            (KeyMap::Mae, "mask_token", "-"),
            (KeyMap::SatMae, "cls_token", "cls_token"),
            (
                KeyMap::ScaleMae,
                "patch_embed.proj.weight",
                "patch_embed.proj.weight",
            ),
            (
                KeyMap::Rvsa,
                "blocks.0.attn.rel_pos_h",
                "blocks.0.attn.rel_pos_h",
            ),
            (
                KeyMap::OpenClip,
                "visual.conv1.weight",
                "patch_embed.proj.weight",
            ),
            (KeyMap::OpenClip, "visual.class_embedding", "cls_token"),
            (KeyMap::OpenClip, "visual.ln_pre.bias", "norm_pre.bias"),
            (
                KeyMap::OpenClip,
                "visual.transformer.resblocks.7.attn.in_proj_weight",
                "blocks.7.attn.qkv.weight",
            ),
            (
                KeyMap::OpenClip,
                "visual.transformer.resblocks.7.attn.out_proj.bias",
                "blocks.7.attn.proj.bias",
            ),
            (
                KeyMap::OpenClip,
                "visual.transformer.resblocks.7.mlp.c_proj.weight",
                "blocks.7.mlp.fc2.weight",
            ),
            (KeyMap::OpenClip, "visual.ln_post.weight", "norm.weight"),
            (KeyMap::OpenClip, "transformer.resblocks.0.ln_1.weight", "-"),
            (
                KeyMap::DinoV2,
                "blocks.0.11.ls1.gamma",
                "blocks.11.ls1.gamma",
            ),
            (KeyMap::DinoV2, "blocks.11.ls1.gamma", "blocks.11.ls1.gamma"),
            (KeyMap::DinoV2, "register_tokens", "reg_token"),
            (
                KeyMap::HuggingFaceVit,
                "dinov2.encoder.layer.2.attention.attention.key.bias",
                "blocks.2.attn.qkv.bias[1]",
            ),
            (
                KeyMap::HuggingFaceVit,
                "vit.encoder.layer.2.attention.output.dense.weight",
                "blocks.2.attn.proj.weight",
            ),
            (
                KeyMap::HuggingFaceVit,
                "encoder.layer.2.output.dense.weight",
                "blocks.2.mlp.fc2.weight",
            ),
            (
                KeyMap::HuggingFaceVit,
                "encoder.layer.2.intermediate.dense.bias",
                "blocks.2.mlp.fc1.bias",
            ),
            (
                KeyMap::HuggingFaceVit,
                "encoder.layer.2.layer_scale2.lambda1",
                "blocks.2.ls2.gamma",
            ),
            (KeyMap::HuggingFaceVit, "layernorm.weight", "norm.weight"),
            (
                KeyMap::HuggingFaceBert,
                "bert.embeddings.LayerNorm.gamma",
                "embeddings.LayerNorm.weight",
            ),
            (KeyMap::HuggingFaceBert, "cls.predictions.bias", "-"),
            (
                KeyMap::Albef,
                "text_encoder_m.cls.predictions.bias",
                "text_encoder_m.cls.predictions.bias",
            ),
            (
                KeyMap::Albef,
                "text_encoder.cls.predictions.decoder.weight",
                "-",
            ),
            (
                KeyMap::AlbefImage,
                "visual_encoder.norm.weight",
                "norm.weight",
            ),
            (
                KeyMap::AlbefImage,
                "text_encoder.bert.embeddings.LayerNorm.bias",
                "-",
            ),
            (
                KeyMap::AlbefText,
                "text_encoder.bert.encoder.layer.0.output.dense.bias",
                "encoder.layer.0.output.dense.bias",
            ),
            (
                KeyMap::AlbefMultimodal,
                "text_encoder.bert.encoder.layer.8.output.dense.bias",
                "encoder.layer.2.output.dense.bias",
            ),
            (
                KeyMap::AlbefMultimodal,
                "text_encoder.bert.encoder.layer.5.output.dense.bias",
                "-",
            ),
        ] {
            assert_eq!(to(keys, theirs), ours, "{keys:?} {theirs}");
        }
    }
}
