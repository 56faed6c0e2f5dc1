//! Values and gradients against timm, Hugging Face's transformers and torch
//! (`reference/encoders_torch.py`), and against the fixture of one ALBEF step.

mod support;

use std::{collections::HashMap, path::Path};

use patchbay::plugin::prelude::*;
use patchbay::serde_json::{self, Value};
use support::{digest, encoder, error, named, splitmix};

/// Relative to the largest entry of the tensor; what float32 needs is a tenth of it.
const TOLERANCE: f32 = 1e-4;

/// Cases and numbers of the reference file.
fn reference() -> (Value, HashMap<String, Tensor>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoders.safetensors");
    let file = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let cases = header["__metadata__"]["cases"].as_str().unwrap();
    (
        serde_json::from_str(cases).unwrap(),
        candle::safetensors::load_buffer(&file, &Device::Cpu).unwrap(),
    )
}

fn shape(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Ones, and three zeros at the end of the second row.
fn mask(length: usize) -> Tensor {
    let values = (0..2 * length)
        .map(|i| u8::from(i < 2 * length - 3))
        .collect();
    Tensor::from_vec(values, (2, length), &Device::Cpu).unwrap()
}

/// As the reference script fills its modules.
fn fill(slot: &Slot<dyn Encoder>) {
    for named_var in slot.variables() {
        let (name, dims) = (&named_var.name, named_var.var.dims());
        let is_around_one = dims.len() == 1 && !name.ends_with("bias");
        let values = named(name, dims)
            .affine(0.1, f64::from(u8::from(is_around_one)))
            .unwrap();
        named_var.var.set(&values).unwrap();
    }
}

fn forward(slot: &Slot<dyn Encoder>, inputs: &Value, attention: bool) -> Encoding {
    let hidden: Option<Tensor>;
    let (mut context, mut context_mask) = (None, None);
    let values = if let Some(images) = inputs.get("images") {
        hidden = None;
        named("images", &shape(images))
    } else if let Some(ids) = inputs.get("ids") {
        let (length, vocabulary) = (shape(ids)[1], inputs["vocabulary"].as_u64().unwrap());
        let hide = mask(length);
        let ids: Vec<u32> = (0..2 * length as u64)
            .map(|i| (splitmix(i) % (vocabulary - 1)) as u32 + 1)
            .collect();
        let ids = Tensor::from_vec(ids, (2, length), &Device::Cpu).unwrap();
        let ids = (ids * hide.to_dtype(DType::U32).unwrap()).unwrap();
        hidden = Some(hide);
        ids
    } else if let Some(tokens) = inputs.get("tokens") {
        let (tokens, length) = (shape(tokens), shape(&inputs["context"])[1]);
        hidden = Some(mask(tokens[1]));
        context = Some(named("context", &shape(&inputs["context"])));
        context_mask = Some(mask(length));
        named("tokens", &tokens)
    } else {
        hidden = inputs
            .get("masked")
            .map(|steps| mask(steps.as_u64().unwrap() as usize));
        named("values", &shape(&inputs["values"]))
    };
    let input = EncoderInput {
        mask: hidden.as_ref(),
        context: context.as_ref(),
        context_mask: context_mask.as_ref(),
        attention,
        ..EncoderInput::new(&values)
    };
    slot.forward(input).unwrap()
}

fn compare(what: &str, found: &Tensor, expected: &Tensor, least: f32) {
    let expected: Vec<f32> = expected.to_vec1().unwrap();
    let found = digest(found, expected.len());
    // The norm is compared to itself, entries to the largest one.
    for (at, (&f, &e)) in found.iter().zip(&expected).enumerate() {
        let scale = if at == 0 { expected[0] } else { expected[1] };
        let bound = TOLERANCE * scale + least;
        assert!(
            (f - e).abs() <= bound,
            "{what}, entry {at}: {f}, the reference {e}, allowed {bound}"
        );
    }
}

#[test]
fn values_and_gradients_are_those_of_timm_transformers_and_torch() {
    let (cases, reference) = reference();
    let cases = cases.as_object().unwrap();
    assert!(cases.len() >= 15);
    for (case, description) in cases {
        let slot = encoder(
            description["component"].as_str().unwrap(),
            description["config"].clone(),
        );
        fill(&slot);
        let encoding = forward(&slot, &description["inputs"], false);
        let key = |what: &str| &reference[&format!("{case}/{what}")];
        compare(
            &format!("{case} tokens"),
            &encoding.tokens,
            key("tokens"),
            0.0,
        );
        compare(
            &format!("{case} pooled"),
            &encoding.pooled,
            key("pooled"),
            0.0,
        );
        let part = |x: &Tensor, name: &str| (x * named(name, x.dims())).unwrap().sum_all().unwrap();
        let loss = (part(&encoding.tokens, "a") + part(&encoding.pooled, "b")).unwrap();
        let gradients = loss.backward().unwrap();
        let mut compared = 0;
        for variable in slot.variables() {
            let name = format!("{case}/grad/{}", variable.name);
            let Some(expected) = reference.get(&name) else {
                assert!(
                    gradients.get(&variable.var).is_none(),
                    "{name} has a gradient here only"
                );
                continue;
            };
            let found = gradients.get(&variable.var).expect(&name);
            // Keys' biases have the gradient 0 in exact arithmetic.
            let least = if name.ends_with("key.bias") {
                1e-4
            } else {
                0.0
            };
            compare(&name, found, expected, least);
            compared += 1;
        }
        let prefix = format!("{case}/grad/");
        let there = reference.keys().filter(|name| name.starts_with(&prefix));
        assert_eq!(
            compared,
            there.count(),
            "{case}: a gradient is missing here"
        );
    }
}

#[test]
fn maps_are_returned_on_request_and_change_nothing() {
    let (cases, _) = reference();
    for case in ["vit_registers", "bert_base", "multimodal"] {
        let description = &cases[case];
        let slot = encoder(
            description["component"].as_str().unwrap(),
            description["config"].clone(),
        );
        fill(&slot);
        let plain = forward(&slot, &description["inputs"], false);
        let mapped = forward(&slot, &description["inputs"], true);
        assert!(plain.attention.is_empty());
        assert_eq!(mapped.attention.len(), 2, "{case}");
        assert!(error(&mapped.tokens, &plain.tokens) < 1e-5, "{case}");
        for map in &mapped.attention {
            let sums = map.sum(3).unwrap();
            assert!(error(&sums, &sums.ones_like().unwrap()) < 1e-5, "{case}");
        }
    }
}

/// The fixture of one step of the official ALBEF.
#[test]
fn image_text_and_multimodal_features_are_those_of_albef() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../albef/tests/reference/albef_small.safetensors");
    let fixture = candle::safetensors::load(&path, &Device::Cpu).unwrap();
    let fill = |slot: &Slot<dyn Encoder>, prefix: &str| {
        for variable in slot.variables() {
            let value = |prefix: &str| &fixture[&format!("{prefix}{}", variable.name)];
            // The momentum features are those of the weights after the momentum update.
            let online = value(&prefix.replace("_m.", "."));
            let value = if prefix.contains("_m.") {
                ((value(prefix) * 0.995).unwrap() + (online * 0.005).unwrap()).unwrap()
            } else {
                online.clone()
            };
            variable.var.set(&value).unwrap();
        }
    };
    let image = encoder(
        "encoder/vit",
        json!({"width": 32, "depth": 2, "heads": 4, "image_size": 32, "patch_size": 8}),
    );
    let text = encoder(
        "encoder/bert",
        json!({"vocabulary": 120, "width": 32, "layers": 4, "heads": 4, "intermediate": 64,
               "max_positions": 16, "fusion_layer": 2}),
    );
    for (image_key, image_prefix, text_prefix, logits) in [
        (
            "image_embeds",
            "visual_encoder.",
            "text_encoder.bert.",
            "mlm_logits",
        ),
        (
            "image_embeds_m",
            "visual_encoder_m.",
            "text_encoder_m.bert.",
            "mlm_logits_m",
        ),
    ] {
        fill(&image, image_prefix);
        fill(&text, text_prefix);
        let images = image
            .forward(EncoderInput::new(&fixture["inputs/image"]))
            .unwrap()
            .tokens;
        let expected = &fixture[&format!("outputs/{image_key}")];
        assert!(error(&images, expected) < 1e-5, "{image_key}");

        let ids = fixture["inputs/input_ids"].to_dtype(DType::U32).unwrap();
        let mask = fixture["inputs/attention_mask"]
            .to_dtype(DType::U8)
            .unwrap();
        let only = EncoderInput {
            mask: Some(&mask),
            ..EncoderInput::new(&ids)
        };
        if image_key == "image_embeds" {
            let texts = text.forward(only).unwrap().tokens;
            assert!(error(&texts, &fixture["outputs/text_embeds"]) < 1e-5);
            let both = EncoderInput {
                context: Some(&images),
                mask: Some(&mask),
                ..EncoderInput::new(&texts)
            };
            let fused = text.forward(both).unwrap().tokens;
            assert!(error(&fused, &fixture["outputs/multimodal_positive"]) < 1e-5);
        }
        // All layers from the masked ids, then the head of masked words.
        let masked = fixture["choices/mlm_input_ids"]
            .to_dtype(DType::U32)
            .unwrap();
        let all = EncoderInput {
            context: Some(&images),
            mask: Some(&mask),
            ..EncoderInput::new(&masked)
        };
        let tokens = text.forward(all).unwrap().tokens;
        let head = |name: &str| {
            let key = |prefix: &str| &fixture[&format!("{prefix}cls.predictions.{name}")];
            let prefix = text_prefix.trim_end_matches("bert.");
            let online = key("text_encoder.");
            match prefix.contains("_m") {
                true => ((key(prefix) * 0.995).unwrap() + (online * 0.005).unwrap()).unwrap(),
                false => online.clone(),
            }
        };
        let x = ops::linear_gelu(
            &tokens,
            &head("transform.dense.weight"),
            &head("transform.dense.bias"),
        );
        let (weight, bias) = (
            &head("transform.LayerNorm.weight"),
            &head("transform.LayerNorm.bias"),
        );
        let x = ops::layer_norm(&x.unwrap(), Some(weight), Some(bias), 1e-12).unwrap();
        let found = ops::linear(&x, &head("decoder.weight"), Some(&head("decoder.bias"))).unwrap();
        assert!(
            error(&found, &fixture[&format!("outputs/{logits}")]) < 1e-5,
            "{logits}"
        );
    }
}

#[test]
fn full_size_parameter_counts_are_those_of_albef() {
    let count = |slot: &Slot<dyn Encoder>| -> usize {
        slot.trainable().iter().map(|var| var.elem_count()).sum()
    };
    // One block in place of twelve: the rest is a multiple of it.
    let vit = |depth| {
        count(&encoder(
            "encoder/vit",
            json!({"image_size": 256, "depth": depth}),
        ))
    };
    let (one, two) = (vit(1), vit(2));
    assert_eq!(one + 11 * (two - one), 85_844_736);
    let bert = |layers, fusion_layer: usize| {
        count(&encoder(
            "encoder/bert",
            json!({"layers": layers, "fusion_layer": fusion_layer, "vocabulary": 100, "width": 96}),
        ))
    };
    // Embeddings 23,837,184, six text layers 42,527,232, six fusion layers 56,710,656 at width 768;
    // at width w a layer has 12 w^2 + 13 w parameters, cross-attention 4 w^2 + 6 w more.
    let layer = 12 * 96 * 96 + 13 * 96;
    let cross = 4 * 96 * 96 + 6 * 96;
    assert_eq!(bert(3, 1) - bert(2, 1), layer + cross);
    assert_eq!(bert(3, 1) - bert(3, 2), cross);
    let full = |w: usize| (12 * w * w + 13 * w, 4 * w * w + 6 * w);
    let (layer, cross) = full(768);
    assert_eq!((6 * layer, 6 * (layer + cross)), (42_527_232, 56_710_656));
}

#[test]
fn a_sequence_with_a_class_token_may_be_hidden_whole() {
    let config = json!({"features": 3, "width": 8, "heads": 2, "layers": 2, "dropout": 0.0});
    let slot = encoder("encoder/sequence", config.clone());
    let values = named("values", &[2, 4, 3]);
    let mask = Tensor::new(&[[1u8, 1, 0, 0], [0, 0, 0, 0]], &Device::Cpu).unwrap();
    let run = |values: &Tensor| {
        let input = EncoderInput {
            mask: Some(&mask),
            ..EncoderInput::new(values)
        };
        slot.forward(input).unwrap().pooled
    };
    let pooled = run(&values);
    // What is hidden changes nothing, and may be anything.
    let seen = mask.ne(0u8).unwrap().unsqueeze(2).unwrap();
    let seen = seen.broadcast_as(values.shape()).unwrap();
    for hidden in [3.0, f32::NAN, f32::INFINITY] {
        let other = Tensor::full(hidden, values.shape(), &Device::Cpu).unwrap();
        let changed = seen.where_cond(&values, &other).unwrap();
        assert!(error(&run(&changed), &pooled) < 1e-6, "{hidden}");
    }
    let mut config = config;
    config["pool"] = json!("mean");
    let slot = encoder("encoder/sequence", config);
    let input = EncoderInput {
        mask: Some(&mask),
        ..EncoderInput::new(&values)
    };
    let text = slot.forward(input).unwrap_err().to_string();
    assert!(
        text.contains("row 1") && text.contains("\"pool\": \"cls\""),
        "{text}"
    );
}
