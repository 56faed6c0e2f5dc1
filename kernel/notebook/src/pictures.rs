//! The pictures among a notebook's outputs, as files.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::Notebook;

/// The kinds of picture with the extensions of their files, the best first.
const KINDS: [(&str, &str); 4] = [
    ("image/svg+xml", "svg"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
];

impl Notebook {
    /// The pictures with names for their files: `cell-03-1.svg` is the first of cell \[3\].
    pub fn pictures(&self) -> Vec<(String, Vec<u8>)> {
        let mut pictures = Vec::new();
        for cell in self.cells() {
            let count = cell["execution_count"].as_u64().unwrap_or_default();
            let outputs = cell["outputs"].as_array().into_iter().flatten();
            let found = outputs.filter_map(|output| picture(&output["data"]));
            for (index, (extension, bytes)) in found.enumerate() {
                let name = format!("cell-{count:02}-{}.{extension}", index + 1);
                pictures.push((name, bytes));
            }
        }
        pictures
    }
}

fn picture(data: &Value) -> Option<(&'static str, Vec<u8>)> {
    KINDS.iter().find_map(|(mime, extension)| {
        let text = match data.get(mime)? {
            Value::String(text) => text.clone(),
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        let bytes = if *extension == "svg" {
            text.into_bytes()
        } else {
            STANDARD.decode(text.replace(['\n', '\r'], "")).ok()?
        };
        Some((*extension, bytes))
    })
}
