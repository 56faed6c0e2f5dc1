//! Inputs of a loss, read from its sample and its settings.

use patchbay::plugin::{self, Sample};

/// Inputs of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Logits and class indices.
    Classes,
    /// A prediction and a target of its shape.
    Alike,
    /// A prediction with an axis more than its target: levels.
    Levels,
    /// Features that are compared with one another.
    Contrast,
}

/// The losses that the plugin exports.
pub fn ids() -> Vec<&'static str> {
    patchbay_losses::register().unwrap();
    let ids = patchbay_losses::component_ids();
    assert!(ids.len() >= 26, "{ids:?}");
    ids
}

pub fn sample(id: &str) -> Sample {
    patchbay_losses::register().unwrap();
    plugin::sample(id, &std::env::temp_dir()).unwrap()
}

pub fn form(id: &str) -> Form {
    let inputs = sample(id).inputs.0;
    let [(name, prediction), (_, target)] = &inputs[..] else {
        panic!("{id} takes no two inputs");
    };
    match name.as_str() {
        "features" | "queries" => Form::Contrast,
        _ if prediction.dims() == target.dims() => Form::Alike,
        "logits" => Form::Classes,
        _ => Form::Levels,
    }
}

/// Whether a loss has a setting of this name.
#[allow(dead_code)] // Not every file of tests asks.
pub fn has_setting(id: &str, name: &str) -> bool {
    patchbay_losses::register().unwrap();
    let config = plugin::describe(id).unwrap().spec.config;
    config["properties"].get(name).is_some()
}
