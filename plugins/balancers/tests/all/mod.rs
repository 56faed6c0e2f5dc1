//! All balancers, with the settings that three losses ask for.

use patchbay::{prelude::json, serde_json::Value};

/// Names and settings. Each that the plugin exports is among them.
pub fn all() -> Vec<(&'static str, Value)> {
    patchbay_balancers::register().unwrap();
    let names = include_str!("../../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub use "))
        .map(|line| line.split("::").next().unwrap());
    names
        .map(|name| {
            let settings = match name {
                "fixed" => json!({ "weights": [1.0, 0.5, 2.0] }),
                "uncertainty" => json!({ "losses": 3 }),
                "stch" => json!({ "warmup": 2 }),
                _ => json!({}),
            };
            (name, settings)
        })
        .collect()
}
