//! Weights of other programs' files: what is loaded computes what their networks do.
//!
//! The small checkpoints are written by `reference/checkpoints_torch.py` and `checkpoints_own_torch.py`; real ones are in
//! `pretrained.rs`.

mod support;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use patchbay::{
    nn::PositionResampling,
    plugin::prelude::*,
    serde_json::Value,
    weights::{self, Bands, KeyMap, LoadOptions, PlainTensor, State, Tensors},
};
use support::{encoder, error};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(name)
}

fn outputs() -> HashMap<String, Tensor> {
    candle::safetensors::load(reference("checkpoints.safetensors"), &Device::Cpu).unwrap()
}

fn tiny(changes: Value) -> Slot<dyn Encoder> {
    let mut config =
        json!({"width": 16, "depth": 1, "heads": 2, "image_size": 16, "patch_size": 8});
    let changes = changes.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(changes);
    encoder("encoder/vit", config)
}

fn tokens(slot: &Slot<dyn Encoder>, images: &Tensor) -> Tensor {
    slot.forward(EncoderInput::new(images)).unwrap().tokens
}

#[test]
fn each_program_s_file_gives_its_network_s_values() {
    let outputs = outputs();
    for (file, output, config, tolerance, left_out) in [
        ("checkpoint_mae.pth", "vit", json!({}), 1e-5, 3),
        ("checkpoint_legacy.pth", "vit", json!({}), 1e-5, 0),
        ("checkpoint_half.pth", "vit", json!({}), 5e-3, 0),
        (
            "checkpoint_vit_transformers.safetensors",
            "vit_transformers",
            json!({}),
            1e-5,
            2,
        ),
        (
            "checkpoint_dinov2_transformers.safetensors",
            "dinov2_transformers",
            json!({"registers": 4, "layer_scale": 1.0, "position": "learned_patches"}),
            1e-5,
            1,
        ),
        (
            "checkpoint_open_clip.safetensors",
            "open_clip",
            json!({"pre_norm": true, "patch_bias": false, "eps": 1e-5}),
            1e-5,
            19,
        ),
    ] {
        let slot = tiny(config);
        // The keys are recognized; everything is strict.
        let report = weights::load(&slot, reference(file), &LoadOptions::default()).unwrap();
        assert!(report.is_complete(), "{file}: {report}");
        assert_eq!(
            report.count(State::Loaded) + report.count(State::Converted),
            slot.variables().len(),
            "{file}: {report}"
        );
        assert_eq!(report.count(State::LeftOut), left_out, "{file}: {report}");
        let found = tokens(&slot, &outputs["images"]);
        let expected = &outputs[output];
        // OpenCLIP gives its patch tokens separately; the file has the pooled class token.
        let far = match expected.rank() {
            2 => error(&found.i((.., 0)).unwrap(), expected),
            _ => error(&found, expected),
        };
        assert!(far < tolerance, "{file}: {far}");
    }
}

#[test]
fn positions_and_bands_are_converted_and_said() {
    let path = reference("checkpoint_mae.pth");
    let slot = tiny(json!({"image_size": 32, "channels": 5}));
    let options = LoadOptions::new(KeyMap::Mae);
    let refused = weights::load(&slot, &path, &options)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("patch_embed.proj.weight") && refused.contains("[16, 5, 8, 8] here"),
        "{refused}"
    );
    let report = weights::load(&slot, &path, &options.clone().bands(Bands::Repeat)).unwrap();
    let text = report.to_string();
    assert_eq!(report.count(State::Converted), 2, "{text}");
    assert!(text.contains("grid 2 x 2 interpolated to 4 x 4"), "{text}");
    assert!(text.contains("3 bands repeated to 5, times 3/5"), "{text}");
    let file = weights::read(&path).unwrap();
    let theirs = &file["patch_embed.proj.weight"].values;
    let all = slot.variables();
    let ours = all
        .iter()
        .find(|named| named.name == "patch_embed.proj.weight")
        .unwrap();
    let ours: Vec<f32> = ours.var.flatten_all().unwrap().to_vec1().unwrap();
    // Band 3 of the first output channel is the file's band 0.
    assert!((ours[3 * 64] - theirs[0] * 0.6).abs() < 1e-6);

    let slot = tiny(json!({"channels": 2}));
    let pick = options.clone().bands(Bands::Pick(vec![2, 0]));
    weights::load(&slot, &path, &pick).unwrap();
    let error = weights::load(&slot, &path, &options.bands(Bands::Pick(vec![3, 0]))).unwrap_err();
    assert!(error.to_string().contains("0 to 2"), "{error}");
}

#[test]
fn what_does_not_fit_changes_nothing_unless_asked_for() {
    let path = reference("checkpoint_mae.pth");
    let slot = tiny(json!({"layer_scale": 0.5, "mlp_ratio": 2.0}));
    let values = |slot: &Slot<dyn Encoder>| -> Vec<f32> {
        let flat = |named: patchbay::plugin::NamedVar| named.var.flatten_all().unwrap();
        let all: Vec<Tensor> = slot.variables().into_iter().map(flat).collect();
        Tensor::cat(&all, 0).unwrap().to_vec1().unwrap()
    };
    let before = values(&slot);
    let options = LoadOptions::new(KeyMap::Mae);
    let text = weights::load(&slot, &path, &options)
        .unwrap_err()
        .to_string();
    for part in [
        "missing 2",
        "shape mismatch 3",
        "blocks.0.ls1.gamma",
        "nothing was changed",
        "partial",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(values(&slot), before);
    let report = weights::load(&slot, &path, &options.partial()).unwrap();
    assert_eq!(
        (report.count(State::Missing), report.count(State::Mismatch)),
        (2, 3)
    );
    assert_ne!(values(&slot), before);

    let other = LoadOptions::new(KeyMap::OpenClip).partial();
    let text = weights::load(&slot, &path, &other).unwrap_err().to_string();
    assert!(text.contains("no tensor of the file has a place"), "{text}");
    let text = weights::load(&slot, &path, &LoadOptions::default().prefix("encoder."))
        .unwrap_err()
        .to_string();
    assert!(text.contains("no key begins with"), "{text}");
}

/// A checkpoint of ALBEF, cut out of encoders of ours by renaming: image, text and multimodal part.
#[test]
fn the_parts_of_an_albef_checkpoint_find_their_encoders() {
    let image = tiny(json!({}));
    let bert = json!({"width": 16, "layers": 4, "heads": 2, "vocabulary": 30, "max_positions": 8, "fusion_layer": 2});
    let text = encoder("encoder/bert", bert.clone());
    let mut file = Tensors::new();
    for (slot, prefix) in [(&image, "visual_encoder."), (&text, "text_encoder.bert.")] {
        for named in slot.variables() {
            let tensor = PlainTensor {
                shape: named.var.dims().to_vec(),
                values: named.var.flatten_all().unwrap().to_vec1().unwrap(),
            };
            file.insert(format!("{prefix}{}", named.name), tensor);
        }
    }
    let number = PlainTensor {
        shape: vec![1],
        values: vec![0.07],
    };
    file.insert("temp".to_owned(), number.clone());
    file.insert("text_encoder.cls.predictions.bias".to_owned(), number);
    assert_eq!(KeyMap::recognize(&file), None);
    let check = |slot: &Slot<dyn Encoder>, keys| {
        let report =
            weights::load_tensors(&slot.variables(), file.clone(), &LoadOptions::new(keys))
                .unwrap();
        assert!(report.is_complete(), "{report}");
    };
    let (other_image, other_text) = (tiny(json!({})), encoder("encoder/bert", bert));
    check(&other_image, KeyMap::AlbefImage);
    check(&other_text, KeyMap::AlbefText);
    // Two encoders of two layers each in the place of one of four.
    let lower = encoder(
        "encoder/bert",
        json!({"width": 16, "layers": 2, "heads": 2, "vocabulary": 30, "max_positions": 8}),
    );
    let upper = encoder(
        "encoder/multimodal",
        json!({"width": 16, "layers": 2, "heads": 2}),
    );
    check(&lower, KeyMap::AlbefText);
    check(&upper, KeyMap::AlbefMultimodal);
    let ids = Tensor::new(&[[1u32, 5, 7], [1, 9, 2]], &Device::Cpu).unwrap();
    let images = support::named("images", &[2, 3, 16, 16]);
    let context = tokens(&other_image, &images);
    let whole = EncoderInput {
        context: Some(&context),
        ..EncoderInput::new(&ids)
    };
    let whole = other_text.forward(whole).unwrap().tokens;
    let below = tokens(&lower, &ids);
    let above = EncoderInput {
        context: Some(&context),
        ..EncoderInput::new(&below)
    };
    assert!(error(&upper.forward(above).unwrap().tokens, &whole) < 1e-6);
    assert!(error(&context, &tokens(&image, &images)) < 1e-6);
}

#[test]
fn truncated_and_malicious_files_are_errors() {
    let folder = std::env::temp_dir().join(format!("patchbay-weights-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in [
        "checkpoint_mae.pth",
        "checkpoint_legacy.pth",
        "checkpoint_half.pth",
        "checkpoint_vit_transformers.safetensors",
    ] {
        let whole = std::fs::read(reference(name)).unwrap();
        let path = folder.join(name);
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let slot = tiny(json!({}));
            let error = weights::load(&slot, &path, &LoadOptions::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(name), "{error}");
        }
    }
    // A zip checkpoint whose pickle would run a command if it were executed.
    let marker = folder.join("was_run");
    let mut program = b"\x80\x02cposix\nsystem\nX".to_vec();
    let command = format!("touch {}", marker.display());
    program.extend((command.len() as u32).to_le_bytes());
    program.extend(command.as_bytes());
    program.extend(b"\x85R.");
    let path = folder.join("malicious.pth");
    std::fs::write(&path, stored_zip("archive/data.pkl", &program)).unwrap();
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("no dictionary of tensors"), "{error}");
    assert!(!marker.exists());
    // One that would fill the memory if its values were copied: a list that is doubled 60 times.
    let mut program = b"\x80\x02]K\x01a".to_vec();
    for key in 0..60u8 {
        program.extend([b'q', key, b'h', key, b'h', key, 0x86]);
    }
    program.push(b'.');
    std::fs::write(&path, stored_zip("archive/data.pkl", &program)).unwrap();
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("no dictionary of tensors"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// All variables of a component as a file has them, changed by `rename`.
fn file_of(slot: &Slot<dyn Encoder>, rename: impl Fn(&str) -> String) -> Tensors {
    let variables = slot.variables();
    let tensors = variables.iter().map(|named| {
        let tensor = PlainTensor {
            shape: named.var.dims().to_vec(),
            values: named.var.flatten_all().unwrap().to_vec1().unwrap(),
        };
        (rename(&named.name), tensor)
    });
    tensors.collect()
}

fn one(shape: &[usize]) -> PlainTensor {
    PlainTensor {
        shape: shape.to_vec(),
        values: vec![0.5; shape.iter().product()],
    }
}

#[test]
fn only_known_exceptions_are_left_out_silently() {
    // Learned positions, for a component that computes its own.
    let (learned, computed) = (tiny(json!({})), tiny(json!({"position": "sin_cos"})));
    let file = file_of(&learned, str::to_owned);
    let load =
        |keys| weights::load_tensors(&computed.variables(), file.clone(), &LoadOptions::new(keys));
    for keys in [KeyMap::Mae, KeyMap::SatMae, KeyMap::ScaleMae, KeyMap::Rvsa] {
        let report = load(keys).unwrap();
        assert_eq!(report.count(State::LeftOut), 1, "{report}");
    }
    let error = load(KeyMap::Timm).unwrap_err().to_string();
    assert!(
        error.contains("unexpected 1") && error.contains("pos_embed"),
        "{error}"
    );
    // Layers above those of the component.
    let bert = |layers: usize| {
        let config = json!({"width": 16, "layers": layers, "heads": 2, "vocabulary": 30, "max_positions": 8});
        encoder("encoder/bert", config)
    };
    let mut file = file_of(&bert(2), str::to_owned);
    file.insert("pooler.dense.bias".to_owned(), one(&[16]));
    let options = LoadOptions::new(KeyMap::HuggingFaceBert);
    let load =
        |slot: &Slot<dyn Encoder>| weights::load_tensors(&slot.variables(), file.clone(), &options);
    let error = load(&bert(1)).unwrap_err().to_string();
    assert!(error.contains("unexpected 16"), "{error}");
    let report = load(&bert(2)).unwrap().to_string();
    assert!(report.contains("no pooler here"), "{report}");
}

#[test]
fn tensors_without_elements_are_mismatches() {
    let slot = tiny(json!({"channels": 4}));
    let mut file = file_of(&slot, str::to_owned);
    file.insert("patch_embed.proj.weight".to_owned(), one(&[16, 0, 8, 8]));
    file.insert("pos_embed".to_owned(), one(&[1, 0, 16]));
    for bands in [Bands::Repeat, Bands::Pick(vec![0; 4])] {
        for slot in [
            &slot,
            &tiny(json!({"channels": 4, "position": "learned_patches"})),
        ] {
            let options = LoadOptions::new(KeyMap::Timm).bands(bands.clone());
            let error = weights::load_tensors(&slot.variables(), file.clone(), &options)
                .unwrap_err()
                .to_string();
            assert!(error.contains("shape mismatch 2"), "{error}");
        }
    }
}

fn own_outputs() -> HashMap<String, Tensor> {
    candle::safetensors::load(reference("checkpoints_own.safetensors"), &Device::Cpu).unwrap()
}

/// Blocks in chunks, positions for the class token, registers without any; by `reference/checkpoints_own_torch.py`.
#[test]
fn dino_v2_s_own_checkpoint_with_registers_gives_its_network_s_values() {
    let outputs = own_outputs();
    let config =
        json!({"depth": 2, "registers": 4, "layer_scale": 0.5, "position": "learned_patches"});
    let slot = tiny(config);
    let path = reference("checkpoint_dinov2_chunked.safetensors");
    let report = weights::load(&slot, path, &LoadOptions::default()).unwrap();
    // Class token and positions; the token of masks is left out.
    assert_eq!(report.count(State::Converted), 2, "{report}");
    assert_eq!(report.count(State::LeftOut), 1, "{report}");
    let far = error(&tokens(&slot, &outputs["images"]), &outputs["dinov2"]);
    assert!(far < 1e-5, "{far}");
}

/// What RVSA's and SatMAE's larger networks have beside a plain ViT is told by name, and refused.
#[test]
fn parts_that_there_are_none_of_here_are_unexpected() {
    let slot = tiny(json!({}));
    for (keys, extra) in [
        (
            KeyMap::Rvsa,
            [
                "blocks.0.attn.rel_pos_h",
                "blocks.0.attn.rel_pos_w",
                "blocks.0.attn.sampling_angles.2.weight",
            ],
        ),
        (
            KeyMap::SatMae,
            [
                "patch_embed.0.proj.weight",
                "patch_embed.1.proj.weight",
                "channel_embed",
            ],
        ),
    ] {
        let mut file = file_of(&slot, str::to_owned);
        file.extend(extra.map(|name| (name.to_owned(), one(&[3]))));
        file.insert("decoder_embed.weight".to_owned(), one(&[4, 16]));
        let options = LoadOptions::new(keys);
        let error = weights::load_tensors(&slot.variables(), file.clone(), &options)
            .unwrap_err()
            .to_string();
        for name in extra {
            assert!(error.contains(name), "{name} in {error}");
        }
        let report = weights::load_tensors(&slot.variables(), file, &options.partial()).unwrap();
        assert_eq!(report.count(State::Unexpected), 3, "{report}");
        assert_eq!(report.count(State::LeftOut), 1, "{report}");
    }
}

/// Against `get_2d_sincos_pos_embed_with_resolution`, in `reference/checkpoints_own_torch.py`.
#[test]
fn positions_of_scale_mae_follow_its_formula() {
    let scale = 2.0;
    let expected = &own_outputs()["scale_mae_positions_2"];
    let found = patchbay::nn::sin_cos_position_embedding((2, 2), 16, scale, &Device::Cpu).unwrap();
    assert!(error(&found, expected) < 1e-6);
    // A checkpoint keeps positions, which are not taken: they are of one scale.
    let slot = tiny(json!({"position": "sin_cos", "position_scale": scale}));
    let mut file = file_of(&slot, str::to_owned);
    file.insert("pos_embed".to_owned(), one(&[1, 5, 16]));
    file.insert("decoder_pos_embed".to_owned(), one(&[1, 5, 8]));
    let options = LoadOptions::new(KeyMap::ScaleMae);
    let report = weights::load_tensors(&slot.variables(), file, &options).unwrap();
    assert_eq!(report.count(State::LeftOut), 2, "{report}");
}

/// A zip file with one member that is stored plainly.
fn stored_zip(name: &str, data: &[u8]) -> Vec<u8> {
    let (length, name_length) = (
        (data.len() as u32).to_le_bytes(),
        (name.len() as u16).to_le_bytes(),
    );
    let sizes = [&[0; 4][..], &length, &length, &name_length, &[0; 2]].concat();
    let mut file = [
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0",
        &sizes[..],
        name.as_bytes(),
        data,
    ]
    .concat();
    let directory = (file.len() as u32).to_le_bytes();
    let entry = [
        b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0",
        &sizes[..],
        &[0; 14],
        name.as_bytes(),
    ]
    .concat();
    file.extend(&entry);
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend((entry.len() as u32).to_le_bytes());
    file.extend(directory);
    file.extend([0, 0]);
    file
}

/// A preset's encoder resizes its positions, when images of other sizes come, as they were resized on loading.
#[test]
fn positions_are_resized_alike_on_loading_and_later() {
    patchbay_encoders::register().unwrap();
    let table = weights::presets().unwrap().to_string();
    let mut ways = Vec::new();
    for name in table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
    {
        let preset = weights::preset(name).unwrap();
        if preset.encoder != "encoder/vit" {
            continue;
        }
        let own = match preset.config.get("position_resampling") {
            Some(own) => patchbay::serde_json::from_value(own.clone()).unwrap(),
            None => PositionResampling::default(),
        };
        let has_registers = preset.config.get("registers").is_some();
        assert_eq!(
            own,
            preset.keys.position_resampling(has_registers),
            "{name}"
        );
        ways.push(own);
    }
    assert!(ways.len() >= 13, "{table}");
    for way in [
        PositionResampling::Timm,
        PositionResampling::Plain,
        PositionResampling::DinoV2,
    ] {
        assert!(ways.contains(&way), "{way:?}");
    }
}

#[test]
fn presets_belong_to_their_encoders_and_have_settings_that_those_take() {
    patchbay_encoders::register().unwrap();
    let preset = weights::preset("minilm_l6").unwrap();
    assert_eq!(preset.encoder, "encoder/bert");
    assert_eq!(preset.config["width"], 384);
    let preset = weights::preset("satmae_large").unwrap();
    assert_eq!(preset.encoder, "encoder/vit");
    assert_eq!(
        preset.normalization.unwrap(),
        weights::Normalization::fmow_rgb()
    );
    let text = weights::preset("resnet50").unwrap_err().to_string();
    assert!(
        text.contains("no preset \"resnet50\"") && text.contains("deit_base"),
        "{text}"
    );
}
