//! Which earlier items a program needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    chunk::{Chunk, ItemKey, ParsedItem},
    closure::Closure,
    history::Engine,
    item::Item,
};

/// What a search for needed items starts from.
#[derive(Default)]
pub struct Needed<'a> {
    names: BTreeSet<&'a str>,
    items: BTreeSet<&'a str>,
}

impl<'a> Needed<'a> {
    /// What a chunk that takes these variables and goes by these closures mentions.
    pub fn by_chunk(
        engine: &'a Engine,
        chunk: &'a Chunk,
        takes: &[String],
        closures: &'a [Closure],
    ) -> Needed<'a> {
        let closures = closures.iter().flat_map(|closure| &closure.mentions);
        let mut names: BTreeSet<&str> = closures.map(String::as_str).collect();
        for statement in chunk.statements.iter().chain(&chunk.last) {
            names.extend(statement.mentions.iter().map(String::as_str));
        }
        for item in &chunk.items {
            names.extend(item.mentions.iter().map(String::as_str));
            names.extend(item.provides.iter().map(String::as_str));
        }
        for name in takes {
            if let Some(variable) = engine.variables.get(name) {
                names.extend(variable.type_names.iter().map(String::as_str));
            }
        }
        Needed {
            names,
            items: BTreeSet::new(),
        }
    }

    /// The same and these items, by id.
    pub fn and(mut self, ids: impl IntoIterator<Item = &'a str>) -> Needed<'a> {
        self.items.extend(ids);
        self
    }

    /// The earlier items that are needed, directly or through others, in the order of their definition.
    pub fn select(self, staying: &'a [Arc<Item>], chunk: &'a Chunk) -> Vec<Arc<Item>> {
        let mut needed = self.names;
        let all = || {
            let earlier = staying.iter().map(|item| &*item.parsed);
            earlier.chain(chunk.items.iter().map(|item| &**item))
        };
        let local_types: BTreeSet<&str> = all().flat_map(type_names).collect();
        let aliases: BTreeMap<&str, &ParsedItem> = all()
            .filter(|item| item.shape.is_alias)
            .flat_map(|item| type_names(item).map(move |name| (name, item)))
            .collect();
        let macros: BTreeMap<&str, &ParsedItem> = all()
            .flat_map(|item| {
                item.keys.iter().filter_map(move |key| match key {
                    ItemKey::Macro(name) => Some((name.as_str(), item)),
                    _ => None,
                })
            })
            .collect();
        let is_local = |name: &&str| local_types.contains(name);

        let mut present: BTreeSet<&str> = chunk
            .items
            .iter()
            .flat_map(|item| type_names(item))
            .collect();
        let mut included = vec![false; staying.len()];
        loop {
            let mut grew = false;
            for (index, item) in staying.iter().enumerate() {
                if included[index] {
                    continue;
                }
                let parsed = &item.parsed;
                // What a macro's call makes is named by the call, or by the macro.
                let made_by = parsed.shape.called_macro.as_deref();
                let made_by = made_by.and_then(|name| macros.get(name));
                let pastes = made_by.is_some_and(|rules| rules.mentions.contains("paste"));
                let wanted = self.items.contains(item.id.as_str())
                    || parsed
                        .provides
                        .iter()
                        .chain(made_by.iter().flat_map(|rules| &rules.mentions))
                        .any(|name| needed.contains(name.as_str()))
                    || (parsed.always || pastes)
                        && parsed
                            .mentions
                            .iter()
                            .map(String::as_str)
                            .filter(is_local)
                            .all(|name| present.contains(name))
                    || parsed.belongs_to.as_ref().is_some_and(|header| {
                        let mut local = header
                            .iter()
                            .map(String::as_str)
                            .filter(is_local)
                            .peekable();
                        local.peek().is_some()
                            && local.all(|name| is_present(name, &present, &aliases, &local_types))
                    });
                if wanted {
                    included[index] = true;
                    grew = true;
                    needed.extend(parsed.mentions.iter().map(String::as_str));
                    present.extend(type_names(parsed));
                    // Imports that were replaced since, and that the item still goes by.
                    let imports = item.scope.imports.iter();
                    for import in imports.filter(|import| {
                        let mut bound = import.parsed.provides.iter();
                        bound.any(|name| parsed.mentions.contains(name))
                    }) {
                        needed.extend(import.parsed.mentions.iter().map(String::as_str));
                    }
                }
            }
            if !grew {
                break;
            }
        }
        staying
            .iter()
            .zip(included)
            .filter(|(_, included)| *included)
            .map(|(item, _)| item.clone())
            .collect()
    }
}

/// Whether a program has a type, or all that an alias stands for.
fn is_present(
    name: &str,
    present: &BTreeSet<&str>,
    aliases: &BTreeMap<&str, &ParsedItem>,
    local_types: &BTreeSet<&str>,
) -> bool {
    present.contains(name)
        || aliases.get(name).is_some_and(|alias| {
            let mut parts = alias
                .mentions
                .iter()
                .map(String::as_str)
                .filter(|part| *part != name && local_types.contains(part))
                .peekable();
            parts.peek().is_some() && parts.all(|part| present.contains(part))
        })
}

fn type_names(item: &ParsedItem) -> impl Iterator<Item = &str> {
    item.keys.iter().filter_map(ItemKey::type_name)
}

/// The earlier items that mention what a chunk changes, directly or through functions and types, by id. A program
/// that has them shows at once which of them no longer fit.
pub fn dependents<'a>(
    before: &[Arc<Item>],
    staying: &'a [Arc<Item>],
    chunk: &Chunk,
) -> Vec<&'a str> {
    let mut changed = changed_names(before, chunk);
    if changed.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut included = vec![false; staying.len()];
    loop {
        let mut grew = false;
        for (index, item) in staying.iter().enumerate() {
            if included[index]
                || !item
                    .parsed
                    .mentions
                    .iter()
                    .any(|name| changed.contains(name))
            {
                continue;
            }
            included[index] = true;
            grew = true;
            found.push(item.id.as_str());
            if item.parsed.shape.implements.is_none() {
                changed.extend(item.parsed.provides.iter().cloned());
            }
        }
        if !grew {
            return found;
        }
    }
}

/// The names of earlier items that a chunk defines in another way.
fn changed_names(before: &[Arc<Item>], chunk: &Chunk) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    for new in &chunk.items {
        for old in before {
            if !old.parsed.keys.iter().any(|key| new.keys.contains(key)) {
                continue;
            }
            if new.shape.members.is_empty() {
                // What an import stands for is fixed where it is used.
                if new.shape.import.is_none()
                    && new.shape.implements.is_none()
                    && new.shape.interface != old.parsed.shape.interface
                {
                    changed.extend(new.provides.iter().cloned());
                    changed.extend(old.parsed.provides.iter().cloned());
                }
                continue;
            }
            for member in &new.shape.members {
                let is_changed =
                    old.parsed.shape.members.iter().any(|known| {
                        known.name == member.name && known.interface != member.interface
                    });
                if is_changed {
                    changed.insert(member.name.clone());
                }
            }
        }
    }
    changed
}
