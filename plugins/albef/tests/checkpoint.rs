//! A whole checkpoint of the official program into the objective.

mod support;

use std::path::Path;

use patchbay::{
    plugin::{self, prelude::*},
    serde_json::Value,
    weights::{self, KeyMap, LoadOptions, Report, State, Tensors},
};

/// The official state dict of the fixture `albef_small`, whose keys have no `/`.
fn official() -> Tensors {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/albef_small.safetensors");
    let mut tensors = weights::read(&path).unwrap();
    tensors.retain(|name, _| !name.contains('/'));
    tensors
}

/// The encoders are found by name, as a notebook finds them, among the built libraries.
fn small(changes: Value) -> Slot<dyn Objective> {
    support::find_built_plugins().unwrap();
    patchbay_albef::register().unwrap();
    let mut config = json!({
        "image_config": {"width": 32, "depth": 2, "heads": 4, "image_size": 32, "patch_size": 8},
        "text_config": {"vocabulary": 120, "width": 32, "layers": 4, "heads": 4, "intermediate": 64,
                        "max_positions": 16, "fusion_layer": 2},
        "vocabulary": 120, "embed_dim": 16, "queue_size": 16,
    });
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    plugin::create::<dyn Objective>("objective/albef", config).unwrap()
}

fn loaded(objective: &Slot<dyn Objective>, file: &Tensors, options: &LoadOptions) -> Report {
    weights::load_tensors(&objective.variables(), file.clone(), options).unwrap()
}

#[test]
fn the_official_checkpoint_fills_the_objective() {
    let file = official();
    // Its keys are recognized, with the objective's; everything is strict.
    let objective = small(json!({}));
    let report = loaded(&objective, &file, &LoadOptions::default());
    for named in objective.variables() {
        let Some(theirs) = file.get(&named.name) else {
            assert_eq!(named.name, "queue_ptr");
            continue;
        };
        let ours: Vec<f32> = named.var.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(ours, theirs.values, "{}", named.name);
    }
    // The decoders of both networks, tied, and the pointer.
    assert_eq!(report.count(State::LeftOut), 5, "{report}");
    assert!(report.to_string().contains("tied to the word embeddings"));
    assert_eq!(report.count(State::Loaded) + 1, objective.variables().len());
}

#[test]
fn queues_and_images_of_other_sizes_are_told() {
    let file = official();
    let objective = small(json!({
        "image_config": {"width": 32, "depth": 2, "heads": 4, "image_size": 64, "patch_size": 8},
        "queue_size": 8,
    }));
    let report = loaded(&objective, &file, &LoadOptions::new(KeyMap::Albef));
    assert_eq!(report.count(State::LeftOut), 7, "{report}");
    assert_eq!(report.count(State::Converted), 2, "{report}");
    let text = report.to_string();
    assert!(text.contains("grid 4 x 4 interpolated to 8 x 8"), "{text}");
    assert!(
        text.contains("a queue of [16, 16] in the file, [16, 8] here"),
        "{text}"
    );
    // A tensor that is missing is refused as ever.
    let mut less = file.clone();
    less.remove("itm_head.weight");
    let error = weights::load_tensors(&objective.variables(), less, &LoadOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("missing 1") && error.contains("itm_head.weight"),
        "{error}"
    );
}
