//! What the kernel itself knows, at once: magics, components and their settings, variables, items, the
//! prelude's names.

use std::sync::LazyLock;

use patchbay_evcxr_protocol::Completion;
use serde_json::{Value, json};
use syn::UseTree;

use super::place::Place;
use crate::{
    engine::{Engine, parse::ItemKey},
    runtime::Sender,
    session::magic,
};

/// The names that every cell has without typing them.
static PRELUDE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = include_str!("../../../sdk/src/prelude.rs");
    let mut names = Vec::new();
    for item in syn::parse_file(source)
        .into_iter()
        .flat_map(|file| file.items)
    {
        if let syn::Item::Use(import) = item {
            leaves(&import.tree, "", &mut names);
        }
    }
    names
});

fn leaves(tree: &UseTree, parent: &str, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(node) => leaves(&node.tree, &node.ident.to_string(), names),
        UseTree::Group(node) => node
            .items
            .iter()
            .for_each(|tree| leaves(tree, parent, names)),
        UseTree::Name(node) if node.ident == "self" => names.push(parent.to_owned()),
        UseTree::Name(node) => names.push(node.ident.to_string()),
        UseTree::Rename(node) => names.push(node.rename.to_string()),
        UseTree::Glob(_) => {}
    }
}

/// The completions of a place, all that begin with what is typed.
pub async fn complete(
    place: &Place,
    typed: &str,
    engine: &Engine,
    runtime: &Sender,
) -> Vec<Completion> {
    let mut found = match place {
        Place::Magic { .. } => magics(),
        Place::PluginId { .. } => components(runtime).await,
        Place::Setting { id, quoted, .. } => settings(runtime, id, *quoted).await,
        Place::Name { .. } => names(engine),
        Place::Member { .. } | Place::Nothing => Vec::new(),
    };
    found.retain(|completion| completion.text.starts_with(typed) && completion.text != typed);
    found
}

fn magics() -> Vec<Completion> {
    magic::names()
        .map(|(name, summary)| completion(name, "magic", summary))
        .collect()
}

async fn components(runtime: &Sender) -> Vec<Completion> {
    let answer = runtime
        .ask("plugin", json!({ "request": "catalogue" }))
        .await;
    let components = answer.unwrap_or_default();
    let components = components["components"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    components
        .iter()
        .map(|component| {
            completion(
                text(&component["id"]),
                "instance",
                text(&component["summary"]),
            )
        })
        .collect()
}

async fn settings(runtime: &Sender, id: &str, quoted: bool) -> Vec<Completion> {
    let answer = runtime
        .ask("plugin", json!({ "request": "settings", "id": id }))
        .await;
    let settings = answer.unwrap_or_default();
    let settings = settings["settings"].as_array().cloned().unwrap_or_default();
    settings
        .iter()
        .map(|setting| {
            let key = text(&setting["key"]);
            let key = if quoted {
                key.to_owned()
            } else {
                format!("\"{key}\"")
            };
            let signature = format!(
                "{} = {}: {}",
                text(&setting["type"]),
                text(&setting["default"]),
                text(&setting["meaning"])
            );
            completion(&key, "property", &signature)
        })
        .collect()
}

fn names(engine: &Engine) -> Vec<Completion> {
    let mut found: Vec<Completion> = engine
        .variables
        .iter()
        .map(|(name, variable)| completion(name, "instance", &magic::shorten(&variable.type_text)))
        .collect();
    for item in &engine.items {
        let first = item.text().lines().next().unwrap_or_default().trim();
        for key in &item.parsed.keys {
            let (name, kind) = match key {
                ItemKey::Type(name) => (name, "class"),
                ItemKey::Value(name) => (name, "function"),
                ItemKey::Import(name) if !name.contains(['*', ':', ' ']) => (name, "module"),
                ItemKey::Macro(name) => {
                    found.push(completion(&format!("{name}!"), "function", first));
                    continue;
                }
                _ => continue,
            };
            found.push(completion(name, kind, first));
        }
    }
    found.extend(
        PRELUDE
            .iter()
            .map(|name| completion(name, kind_by_case(name), "patchbay::prelude")),
    );
    found
}

fn kind_by_case(name: &str) -> &'static str {
    if name.starts_with(char::is_uppercase) {
        "class"
    } else {
        "function"
    }
}

/// What is known about a name, as Markdown.
pub async fn inspect(
    place: &Place,
    word: &str,
    engine: &Engine,
    runtime: &Sender,
) -> Option<String> {
    match place {
        Place::Magic { .. } => magic::names()
            .find(|(name, _)| name.trim_start_matches(['%', ':']) == word)
            .map(|(name, summary)| format!("`{name}`: {summary}")),
        Place::Name { .. } => {
            if let Some(variable) = engine.variables.get(word) {
                let mutable = if variable.mutable { "mut " } else { "" };
                return Some(format!(
                    "```rust\nlet {mutable}{word}: {}\n```\ndefined in cell [{}], {} bytes",
                    variable.type_text, variable.cell, variable.bytes
                ));
            }
            let item = engine.items.iter().rfind(|item| {
                item.parsed.keys.iter().any(|key| {
                    matches!(
                        key,
                        ItemKey::Type(name) | ItemKey::Value(name) | ItemKey::Macro(name)
                            if name == word
                    )
                })
            })?;
            Some(format!(
                "```rust\n{}\n```\ndefined in cell [{}]",
                item.text(),
                item.source.cell
            ))
        }
        Place::Setting { id, .. } => settings(runtime, id, true)
            .await
            .into_iter()
            .find(|setting| setting.text == word)
            .map(|setting| format!("`{word}`: {}", setting.signature)),
        Place::PluginId { .. } | Place::Member { .. } | Place::Nothing => None,
    }
}

/// The description of a component, as text.
pub async fn describe(runtime: &Sender, id: &str) -> Option<String> {
    let answer = runtime
        .ask("plugin", json!({ "request": "describe", "id": id }))
        .await
        .ok()?;
    Some(format!("```text\n{}\n```", text(&answer["text"])))
}

fn completion(text: &str, kind: &str, signature: &str) -> Completion {
    Completion {
        text: text.to_owned(),
        kind: kind.to_owned(),
        signature: signature.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preludes_names_come_from_its_source() {
        for name in ["Tensor", "create", "json", "plugin", "Module", "progress"] {
            assert!(PRELUDE.iter().any(|known| known == name), "{name}");
        }
    }
}
