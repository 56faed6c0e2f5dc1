//! Which weights of a checkpoint are loaded, what is taken off their names, how their positions are resized; and that the
//! report or the error says so. `reference/averages_torch.py` has written the files.

mod support;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use patchbay::{
    nn::{PositionResampling, resample_position_embedding_with},
    plugin::prelude::*,
    serde_json::Value,
    weights::{self, KeyMap, LoadOptions, PlainTensor, Report, State, Tensors},
};
use support::{encoder, error};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(name)
}

fn outputs() -> HashMap<String, Tensor> {
    candle::safetensors::load(reference("averages.safetensors"), &Device::Cpu).unwrap()
}

fn tiny(changes: Value) -> Slot<dyn Encoder> {
    let mut config = json!({"width": 8, "depth": 1, "heads": 2, "image_size": 16, "patch_size": 8});
    let changes = changes.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(changes);
    encoder("encoder/vit", config)
}

fn tokens(slot: &Slot<dyn Encoder>, images: &Tensor) -> Tensor {
    slot.forward(EncoderInput::new(images)).unwrap().tokens
}

fn plain(tensor: &Tensor) -> PlainTensor {
    PlainTensor {
        shape: tensor.dims().to_vec(),
        values: tensor.flatten_all().unwrap().to_vec1().unwrap(),
    }
}

/// All variables of a component as a file has them, changed by `rename`.
fn file_of(slot: &Slot<dyn Encoder>, rename: impl Fn(&str) -> String) -> Tensors {
    let variables = slot.variables();
    let tensors = variables
        .iter()
        .map(|named| (rename(&named.name), plain(&named.var)));
    tensors.collect()
}

fn load(slot: &Slot<dyn Encoder>, file: &str, options: &LoadOptions) -> Result<Report> {
    weights::load(slot, reference(file), options)
}

#[test]
fn the_average_is_loaded_and_told_and_the_last_weights_can_be_chosen() {
    let outputs = outputs();
    let slot = tiny(json!({}));
    let report = load(&slot, "checkpoint_average.pth", &LoadOptions::default()).unwrap();
    let text = report.to_string();
    for part in [
        "`state_dict_ema`",
        "(EMA)",
        "LoadOptions::container(\"state_dict\")",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let html = patchbay::show::Show::show(&report).data["text/html"].to_string();
    assert!(html.contains("state_dict_ema"), "{html}");
    assert!(error(&tokens(&slot, &outputs["images"]), &outputs["average"]) < 1e-5);
    assert!(error(&tokens(&slot, &outputs["images"]), &outputs["last"]) > 0.1);

    let options = LoadOptions::default().container("state_dict");
    let report = load(&slot, "checkpoint_average.pth", &options).unwrap();
    let text = report.to_string();
    assert!(text.contains("read from `state_dict`; "), "{text}");
    assert!(error(&tokens(&slot, &outputs["images"]), &outputs["last"]) < 1e-5);

    let options = LoadOptions::default().container("model");
    let text = load(&slot, "checkpoint_average.pth", &options).unwrap_err();
    assert!(text.to_string().contains("\"state_dict_ema\""), "{text}");
    let both = weights::read_checkpoint(reference("checkpoint_average.pth"), None).unwrap();
    assert_eq!(both.others, ["state_dict"]);
}

#[test]
fn torch_script_gives_its_network_s_values() {
    let slot = tiny(json!({}));
    let report = load(&slot, "checkpoint_script.pt", &LoadOptions::default()).unwrap();
    assert!(report.to_string().contains("TorchScript"), "{report}");
    let outputs = outputs();
    assert!(error(&tokens(&slot, &outputs["images"]), &outputs["last"]) < 1e-5);
}

#[test]
fn what_stands_in_front_of_all_names_is_taken_off_and_told() {
    let (from, to) = (tiny(json!({})), tiny(json!({})));
    let images = support::named("images", &[2, 3, 16, 16]);
    let expected = tokens(&from, &images);
    for prefix in [
        "module.",
        "_orig_mod.",
        "model.",
        "backbone.",
        "encoder.",
        "module._orig_mod.",
        "model.backbone.",
        "student.model.encoder.trunk.",
    ] {
        let file = file_of(&from, |name| format!("{prefix}{name}"));
        to.variables()
            .iter()
            .for_each(|named| named.var.set(&named.var.zeros_like().unwrap()).unwrap());
        let report =
            weights::load_tensors(&to.variables(), file.clone(), &LoadOptions::default()).unwrap();
        let notes = report.notes.join("\n");
        for part in prefix.split_terminator('.') {
            assert!(notes.contains(&format!("{part}.")), "{part} in {notes}");
        }
        assert!(error(&tokens(&to, &images), &expected) < 1e-6, "{prefix}");
        // Asked for, it is the same.
        let options = LoadOptions::default().prefix(prefix);
        weights::load_tensors(&to.variables(), file, &options).unwrap();
    }
    // A part that was compiled or checkpointed by itself.
    let file = file_of(&from, |name| match name.strip_prefix("blocks.0.") {
        Some(rest) => format!("model.blocks.0._orig_mod._checkpoint_wrapped_module.{rest}"),
        None => format!("model.{name}"),
    });
    let report = weights::load_tensors(&to.variables(), file, &LoadOptions::default()).unwrap();
    assert!(report.is_complete(), "{report}");
    // Nothing is taken off where it need not be.
    let file = file_of(&from, str::to_owned);
    let report = weights::load_tensors(&to.variables(), file, &LoadOptions::default()).unwrap();
    assert!(report.notes.is_empty(), "{report}");
    // Counters beside an average, which begin with nothing.
    let mut file = file_of(&from, |name| format!("module.{name}"));
    let number = |shape: &[usize]| PlainTensor {
        shape: shape.to_vec(),
        values: vec![0.9],
    };
    file.insert("decay".to_owned(), number(&[]));
    file.insert("n_averaged".to_owned(), number(&[1]));
    let report = weights::load_tensors(&to.variables(), file, &LoadOptions::default()).unwrap();
    assert_eq!(report.count(State::LeftOut), 2, "{report}");
}

#[test]
fn names_that_share_nothing_get_a_hint_to_type() {
    let slot = tiny(json!({}));
    let count = slot.variables().len();
    let hint = "LoadOptions::new(KeyMap::Timm).prefix(\"model.\")";
    for options in [
        LoadOptions::default(),
        LoadOptions::new(KeyMap::Timm),
        LoadOptions::new(KeyMap::Timm).partial(),
    ] {
        let text = load(&slot, "checkpoint_lightning.ckpt", &options)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(hint) && text.contains(&format!("for {count} of the {count} tensors")),
            "{text}"
        );
    }
    let options = LoadOptions::new(KeyMap::Timm).prefix("model.");
    load(&slot, "checkpoint_lightning.ckpt", &options).unwrap();
    let outputs = outputs();
    assert!(error(&tokens(&slot, &outputs["images"]), &outputs["last"]) < 1e-5);
    // Two networks under two prefixes are both named; another program's names, too.
    let mut file = file_of(&slot, |name| format!("online_model.{name}"));
    file.extend(file_of(&slot, |name| format!("ema_model.{name}")));
    let text = weights::load_tensors(&slot.variables(), file, &LoadOptions::default())
        .unwrap_err()
        .to_string();
    for prefix in ["online_model.", "ema_model."] {
        assert!(
            text.contains(&format!(".prefix({prefix:?})")),
            "{prefix} in {text}"
        );
    }
    let file = file_of(&slot, str::to_owned);
    let wrong = LoadOptions::new(KeyMap::OpenClip);
    let text = weights::load_tensors(&slot.variables(), file, &wrong)
        .unwrap_err()
        .to_string();
    assert!(text.contains("LoadOptions::new(KeyMap::Timm) "), "{text}");
}

fn positions_of(slot: &Slot<dyn Encoder>) -> Tensor {
    let variables = slot.variables();
    let positions = variables.iter().find(|named| named.name == "pos_embed");
    positions.unwrap().var.as_tensor().clone()
}

#[test]
fn positions_are_resized_as_the_program_does_that_wrote_the_file() {
    let registers = json!({"registers": 4, "position": "learned_patches"});
    for (keys, changes, prefix, how) in [
        (KeyMap::Timm, json!({}), 1, PositionResampling::Timm),
        (KeyMap::Mae, json!({}), 1, PositionResampling::Plain),
        (KeyMap::DinoV2, json!({}), 1, PositionResampling::DinoV2),
        (
            KeyMap::DinoV2,
            registers.clone(),
            0,
            PositionResampling::Timm,
        ),
        (KeyMap::Timm, registers, 0, PositionResampling::Timm),
    ] {
        let with = |size: usize| {
            let mut changes = changes.clone();
            changes["image_size"] = json!(size);
            tiny(changes)
        };
        let (small, large, smaller) = (with(32), with(56), with(24));
        let file = file_of(&small, str::to_owned);
        for (slot, side) in [(&large, 7), (&smaller, 3)] {
            let expected = |how| {
                let positions = positions_of(&small);
                resample_position_embedding_with(&positions, prefix, (4, 4), (side, side), how)
                    .unwrap()
            };
            let load = |options: &LoadOptions| {
                weights::load_tensors(&slot.variables(), file.clone(), options).unwrap()
            };
            let report = load(&LoadOptions::new(keys));
            let told = format!("PositionResampling::{how:?}");
            assert!(report.to_string().contains(&told), "{report}");
            assert!(
                error(&positions_of(slot), &expected(how)) < 1e-6,
                "{keys:?}"
            );
            for other in [
                PositionResampling::Timm,
                PositionResampling::Plain,
                PositionResampling::DinoV2,
            ] {
                load(&LoadOptions::new(keys).positions(other));
                assert!(error(&positions_of(slot), &expected(other)) < 1e-6);
                if other != how {
                    let far = error(&positions_of(slot), &expected(how));
                    assert!(far > 1e-2, "{keys:?} {other:?}: {far}");
                }
            }
        }
    }
}

#[test]
fn a_grid_that_is_not_square_is_told() {
    let slot = tiny(json!({"image_size": 32}));
    let mut file = file_of(&slot, str::to_owned);
    // As many patches in another form, and more.
    for (grid, length) in [((2, 8), 17), ((3, 7), 22)] {
        let table = support::named("table", &[1, length, 8]);
        file.insert("pos_embed".to_owned(), plain(&table));
        let options = LoadOptions::new(KeyMap::Timm);
        if length != 17 {
            let text = weights::load_tensors(&slot.variables(), file.clone(), &options);
            let text = text.unwrap_err().to_string();
            assert!(text.contains("LoadOptions::grid"), "{text}");
        }
        let options = options.grid(grid);
        weights::load_tensors(&slot.variables(), file.clone(), &options).unwrap();
        let how = PositionResampling::Timm;
        let expected = resample_position_embedding_with(&table, 1, grid, (4, 4), how).unwrap();
        assert!(error(&positions_of(&slot), &expected) < 1e-6);
        assert!(
            weights::load_tensors(&slot.variables(), file.clone(), &options.grid((5, 5))).is_err()
        );
    }
}

/// Images of another size than the encoder was made for, a rectangle, against timm's `dynamic_img_size`.
#[test]
fn other_sizes_are_those_of_timm_and_another_way_is_told() {
    let outputs = outputs();
    let slot = tiny(json!({"dynamic_size": true}));
    let options = LoadOptions::default().container("state_dict");
    let report = load(&slot, "checkpoint_average.pth", &options).unwrap();
    assert!(
        !report.to_string().contains("images of other sizes"),
        "{report}"
    );
    let far = error(&tokens(&slot, &outputs["larger"]), &outputs["last_larger"]);
    assert!(far < 1e-5, "{far}");
    for way in ["plain", "dinov2"] {
        let slot = tiny(json!({"dynamic_size": true, "position_resampling": way}));
        let report = load(&slot, "checkpoint_average.pth", &options).unwrap();
        let text = report.to_string();
        assert!(
            text.contains("{\"position_resampling\": \"timm\"}"),
            "{text}"
        );
        let far = error(&tokens(&slot, &outputs["larger"]), &outputs["last_larger"]);
        assert!(far > 1e-3, "{way}: {far}");
    }
    // Gradients go through the resized positions.
    let found = slot.forward(EncoderInput::new(&outputs["larger"])).unwrap();
    let grads = found.pooled.sum_all().unwrap().backward().unwrap();
    let variables = slot.variables();
    let positions = variables.iter().find(|named| named.name == "pos_embed");
    assert!(grads.get(&positions.unwrap().var).is_some());
}
