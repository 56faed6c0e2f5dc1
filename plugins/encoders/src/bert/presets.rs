//! Published weights of text encoders.

use patchbay::{
    plugin::prelude::*,
    weights::{KeyMap, Preset},
};

/// Returns the presets, named as in the programs that the weights come from.
pub(super) fn presets() -> Vec<Preset> {
    let bert = |name: &str, keys, source: &str, config| Preset {
        name: name.to_owned(),
        encoder: String::new(),
        config,
        keys,
        normalization: None,
        source: source.to_owned(),
    };
    vec![
        bert(
            "albef_text",
            KeyMap::AlbefText,
            "salesforce/ALBEF",
            json!({"fusion_layer": 6}),
        ),
        bert(
            "bert_base",
            KeyMap::HuggingFaceBert,
            "transformers' BertModel",
            json!({}),
        ),
        bert(
            "minilm_l6",
            KeyMap::HuggingFaceBert,
            "sentence-transformers/all-MiniLM-L6-v2",
            json!({"width": 384, "layers": 6, "heads": 12, "pool": "mean"}),
        ),
    ]
}
