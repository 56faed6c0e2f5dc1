//! What the host asks of the plugin system, also while a cell runs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{describe, description::setting_rows, list, load, registry};
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
    /// The ids of the loaded components.
    Ids,
    /// The ids and summaries of all components, loaded or not, for completion.
    Catalogue,
    /// The settings of a component, for completion.
    Settings { id: String },
}

/// Answers a request of the host: `{"request": "load", "path": "..."}`, `{"request": "list",
/// "pattern": "loss/*"}`, `{"request": "describe", "id": "loss/focal"}`, `{"request": "ids"}`,
/// `{"request": "catalogue"}`, `{"request": "settings", "id": "loss/focal"}`.
///
/// The answer has `text`; `list` and `describe` add `bundle`, a MIME bundle; `load` adds
/// `components`. `ids` answers `ids`, `catalogue` answers `components` with `id` and `summary`, and
/// `settings` answers `settings` with `key`, `type`, `default` and `meaning`.
///
/// # Errors
///
/// Returns the text of what went wrong.
pub fn serve(content: &Value) -> Result<Value, String> {
    let request = Request::deserialize(content).map_err(|error| {
        format!("the plugin system does not know this request: {error}; it knows load, list, describe, ids, catalogue, settings")
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
        Request::Catalogue => {
            let components: Vec<Value> = list("*")
                .rows
                .iter()
                .map(|[id, _, summary, _]| json!({ "id": id, "summary": summary }))
                .collect();
            Ok(json!({ "components": components }))
        }
        Request::Settings { id } => {
            let entry = registry::resolve(&id).map_err(|error| error.to_string())?;
            let settings: Vec<Value> = setting_rows(&entry.spec)
                .map(|[key, kind, default, _, meaning]| {
                    json!({ "key": key, "type": kind, "default": default, "meaning": meaning })
                })
                .collect();
            Ok(json!({ "settings": settings }))
        }
    }
}
