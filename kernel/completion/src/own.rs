//! What the kernel itself knows, at once: magics, components and their settings, variables, items, the
//! prelude's names.

use std::time::Duration;

use patchbay_protocol::{
    Ask, Completion,
    question::{Components, DescribeComponent, Settings},
};

use super::{
    cells::{self, View},
    cursor::CursorContext,
    library::Names,
};
use patchbay_engine::{
    Engine, history::Item, magic::Magics, nesting, parse::ItemKey, types::shorten,
};
use patchbay_runtime_client::Sender;

/// How long the runtime may take to say what components there are.
const PATIENCE: Duration = Duration::from_secs(2);

/// A place in a cell: what is typed of a name, from `start` to `cursor`.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub code: &'a str,
    pub start: usize,
    pub cursor: usize,
}

/// The completions of a place, all that begin with what is typed.
pub async fn complete(
    context: &CursorContext,
    place: Place<'_>,
    engine: &Engine,
    magics: Magics,
    runtime: &Sender,
) -> Vec<Completion> {
    let mut found = match context {
        CursorContext::Magic { .. } => names_of_magics(magics),
        CursorContext::PluginId { .. } => components(runtime).await,
        CursorContext::Setting { id, quoted, .. } => settings(runtime, id, *quoted).await,
        CursorContext::Name { .. } => names(engine, place),
        CursorContext::Member { .. } => at(place, engine, |view| view.members(place.start)),
        CursorContext::Nothing => Vec::new(),
    };
    let typed = &place.code[place.start..place.cursor];
    found.retain(|completion| completion.text.starts_with(typed) && completion.text != typed);
    found
}

/// What is known at a place; nothing where the text is nested too deeply to be read.
fn at<T: Send + Default>(
    place: Place<'_>,
    engine: &Engine,
    ask: impl FnOnce(&View<'_>) -> T + Send,
) -> T {
    let read = || {
        let module = cells::module(engine, place.code, place.cursor);
        ask(&View::of(&module, engine, place.code))
    };
    nesting::read(place.code, read).unwrap_or_default()
}

fn names_of_magics(magics: Magics) -> Vec<Completion> {
    let magics = magics.iter().filter(|magic| magic.is_listed);
    let names = magics.flat_map(|magic| magic.names.iter().map(|name| (*name, magic.summary)));
    names
        // `!` needs no completion.
        .filter(|(name, _)| name.starts_with(['%', ':']))
        .map(|(name, summary)| completion(name, "magic", summary))
        .collect()
}

async fn components(runtime: &Sender) -> Vec<Completion> {
    let components = ask(runtime, Components {}).await.unwrap_or_default();
    components
        .iter()
        .map(|component| completion(&component.id, "instance", &component.summary))
        .collect()
}

async fn settings(runtime: &Sender, id: &str, quoted: bool) -> Vec<Completion> {
    let question = Settings { id: id.to_owned() };
    let settings = ask(runtime, question).await.unwrap_or_default();
    settings
        .into_iter()
        .map(|setting| {
            let signature = format!(
                "{} = {}: {}",
                setting.kind, setting.default, setting.meaning
            );
            let key = if quoted {
                setting.key
            } else {
                format!("\"{}\"", setting.key)
            };
            completion(&key, "property", &signature)
        })
        .collect()
}

fn names(engine: &Engine, place: Place<'_>) -> Vec<Completion> {
    let mut found: Vec<Completion> = engine
        .variables
        .iter()
        .map(|(name, variable)| completion(name, "instance", &shorten(&variable.type_text)))
        .collect();
    for item in engine.sound_items() {
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
    for variable in at(place, engine, |view| view.variables(place.start)) {
        if !found.iter().any(|known| known.text == variable.text) {
            found.push(variable);
        }
    }
    found.extend(Names::default().prelude());
    found
}

/// The latest item of a name.
fn item<'a>(name: &str, engine: &'a Engine) -> Option<&'a Item> {
    let items = engine.items.iter().map(|item| &**item);
    items.rev().find(|item| {
        item.parsed.keys.iter().any(|key| {
            matches!(key, ItemKey::Type(known) | ItemKey::Value(known) | ItemKey::Macro(known) if known == name)
        })
    })
}

/// What the sources of the SDK, of candle and of cells say about the name at a place, as Markdown.
pub fn describe_name(context: &CursorContext, place: Place<'_>, engine: &Engine) -> Option<String> {
    let is_member = match context {
        CursorContext::Name { .. } => false,
        CursorContext::Member { .. } => true,
        _ => return None,
    };
    let word = &place.code[place.start..place.cursor];
    at(place, engine, |view| {
        view.describe(place.start, word, is_member)
    })
}

/// As [`describe_name`], for a name that is not where it is looked for.
pub fn describe_elsewhere(
    context: &CursorContext,
    place: Place<'_>,
    engine: &Engine,
) -> Option<String> {
    let CursorContext::Name { .. } = context else {
        return None;
    };
    let word = &place.code[place.start..place.cursor];
    at(place, engine, |view| {
        view.describe_elsewhere(place.start, word)
    })
}

/// What is known about a name, as Markdown.
pub async fn inspect(
    context: &CursorContext,
    word: &str,
    engine: &Engine,
    magics: Magics,
    runtime: &Sender,
) -> Option<String> {
    match context {
        CursorContext::Magic { .. } => {
            magics
                .of_line(word)
                .or_else(|| magics.of_cell(word))
                .map(|magic| {
                    let usage = format!("{} {}", magic.names.join(", "), magic.usage);
                    format!("`{}`: {}", usage.trim_end(), magic.summary)
                })
        }
        CursorContext::Name { .. } => {
            if let Some(variable) = engine.variables.get(word) {
                let mutable = if variable.mutable { "mut " } else { "" };
                return Some(format!(
                    "```rust\nlet {mutable}{word}: {}\n```\ndefined in cell [{}], {} bytes",
                    variable.type_text, variable.cell, variable.bytes
                ));
            }
            let item = item(word, engine)?;
            Some(format!(
                "```rust\n{}\n```\ndefined in cell [{}]",
                item.text(),
                item.source.cell
            ))
        }
        CursorContext::Setting { id, .. } => settings(runtime, id, true)
            .await
            .into_iter()
            .find(|setting| setting.text == word)
            .map(|setting| format!("`{word}`: {}", setting.signature)),
        CursorContext::PluginId { .. } | CursorContext::Member { .. } | CursorContext::Nothing => {
            None
        }
    }
}

/// Returns the description of a component, as text.
pub async fn describe(runtime: &Sender, id: &str) -> Option<String> {
    let answer = ask(runtime, DescribeComponent { id: id.to_owned() }).await?;
    Some(format!("```text\n{}\n```", answer.text))
}

/// Asks the plugins' registry; `None` where it has no answer, or none in time.
async fn ask<Q: Ask>(runtime: &Sender, question: Q) -> Option<Q::Answer> {
    let answer = tokio::time::timeout(PATIENCE, runtime.ask(question)).await;
    answer.ok()?.ok()
}

fn completion(text: &str, kind: &str, signature: &str) -> Completion {
    Completion {
        text: text.to_owned(),
        kind: kind.to_owned(),
        signature: signature.to_owned(),
    }
}
