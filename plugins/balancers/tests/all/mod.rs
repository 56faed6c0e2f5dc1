//! All balancers, with the settings that three losses ask for.

use patchbay::{plugin, serde_json::Value};

/// Names and settings of all that the plugin exports, from their samples, which are of three losses.
pub fn all() -> Vec<(&'static str, Value)> {
    patchbay_balancers::register().unwrap();
    let ids = patchbay_balancers::component_ids();
    assert!(ids.len() >= 29, "{ids:?}");
    let with_settings = |id: &'static str| {
        let sample = plugin::sample(id, &std::env::temp_dir()).unwrap();
        (id.trim_start_matches("balancer/"), sample.settings)
    };
    ids.into_iter().map(with_settings).collect()
}
