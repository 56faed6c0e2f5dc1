//! What the host asks of the plugin system, also while a cell runs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{describe, list, load, registry};
use crate::show::Show;

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Load a plugin that was just built.
    Load { path: std::path::PathBuf },
    /// The table of components that fit a pattern.
    List { pattern: String },
    /// All that is known of a component.
    Describe { id: String },
    /// The ids of the loaded components, for completion.
    Ids,
}

/// Answers a request of the host: `{"request": "load", "path": "..."}`, `{"request": "list",
/// "pattern": "loss/*"}`, `{"request": "describe", "id": "loss/focal"}`, `{"request": "ids"}`.
///
/// The answer has `text`; `list` and `describe` add `bundle`, a MIME bundle; `load` adds
/// `components` and `ids` answers `ids`.
///
/// # Errors
///
/// Returns the text of what went wrong.
pub fn serve(content: &Value) -> Result<Value, String> {
    let request = Request::deserialize(content).map_err(|error| {
        format!("the plugin system does not know this request: {error}; it knows load, list, describe, ids")
    })?;
    match request {
        Request::Load { path } => {
            let report = load(path).map_err(|error| error.to_string())?;
            let ids: Vec<&str> = report
                .components
                .iter()
                .map(|(id, _)| id.as_str())
                .collect();
            Ok(json!({"text": report.to_string(), "components": ids}))
        }
        Request::List { pattern } => {
            let listing = list(&pattern);
            Ok(json!({"text": listing.to_string(), "bundle": listing.show()}))
        }
        Request::Describe { id } => {
            let description = describe(&id).map_err(|error| error.to_string())?;
            Ok(json!({"text": description.to_string(), "bundle": description.show()}))
        }
        Request::Ids => {
            let ids: Vec<String> = registry::entries()
                .iter()
                .map(|entry| entry.spec.id.clone())
                .collect();
            Ok(json!({"ids": ids}))
        }
    }
}
