//! All balancers, with the settings that three losses ask for.

use patchbay::{plugin, prelude::json, serde_json::Value};

/// Names and settings. Each that the plugin exports is among them.
pub fn all() -> Vec<(&'static str, Value)> {
    patchbay_balancers::register().unwrap();
    let rows = plugin::list("balancer/*").rows;
    let names: Vec<&'static str> = rows
        .into_iter()
        .filter(|[_, _, _, state]| state.starts_with("loaded"))
        .map(|[id, ..]| &*id.leak())
        .map(|id| id.trim_start_matches("balancer/"))
        .collect();
    assert!(names.len() >= 22, "{names:?}");
    names
        .into_iter()
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
