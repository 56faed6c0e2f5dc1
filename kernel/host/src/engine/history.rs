//! What earlier cells have defined.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    closures::Closure,
    parse::{Chunk, ItemKey, ParsedItem},
    program::Source,
};

/// The items and variables of a session.
#[derive(Clone, Default)]
pub struct Engine {
    pub items: Vec<Arc<Item>>,
    pub variables: BTreeMap<String, Variable>,
    /// The closures that live on, in the order of definition.
    pub closures: Vec<Closure>,
    /// Names that are gone, with the reason, for the error of the cell that asks for one.
    pub lost: HashMap<String, String>,
}

/// An item that lives on.
#[derive(Debug)]
pub struct Item {
    pub source: Source,
    pub parsed: Arc<ParsedItem>,
}

impl Item {
    /// The item's text as the user wrote it.
    pub fn text(&self) -> &str {
        match &self.parsed.replacement {
            Some(text) => text,
            None => &self.source.text[self.parsed.range.clone()],
        }
    }
}

/// A variable that lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its type, as later programs write it.
    pub type_text: String,
    /// The identifiers of the type.
    pub type_names: BTreeSet<String>,
    pub mutable: bool,
    /// The cell that defined it.
    pub cell: u32,
    pub bytes: usize,
    /// Bytes of the tensors in it after the last cell that had it, on all devices.
    pub tensor_bytes: usize,
    /// Those of them that are on a GPU.
    pub gpu_bytes: usize,
}

impl Variable {
    /// Whether it is copied when it is given away, as far as its type's text tells.
    pub fn is_plain(&self) -> bool {
        const PLAIN: [&str; 17] = [
            "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
            "u32", "u64", "u128", "usize", "()",
        ];
        let text = self.type_text.as_str();
        PLAIN.contains(&text) || text.starts_with('&') && !text.starts_with("&mut")
    }
}

impl Engine {
    /// The names of the local types that the type of a variable reaches, through fields, too.
    fn reached_types(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            for item in self.items.iter().filter(|item| item.parsed.is_type) {
                let is_named = item
                    .parsed
                    .keys
                    .iter()
                    .any(|key| key.type_name() == Some(name));
                if is_named && reached.insert(name.to_owned()) {
                    open.extend(item.parsed.mentions.iter().map(String::as_str));
                }
            }
        }
        reached
    }

    /// The variables whose type reaches a type that `chunk` defines anew with another text.
    pub fn variables_made_stale(&self, chunk: &Chunk, source: &Source) -> Vec<String> {
        let redefined: BTreeSet<&str> = chunk
            .items
            .iter()
            .filter(|item| item.is_type && self.is_changed(item, source))
            .flat_map(|item| &item.keys)
            .filter_map(ItemKey::type_name)
            .collect();
        if redefined.is_empty() {
            return Vec::new();
        }
        self.variables
            .iter()
            .filter(|(_, variable)| {
                self.reached_types(&variable.type_names)
                    .iter()
                    .any(|name| redefined.contains(name.as_str()))
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether an item replaces an earlier one of another text.
    fn is_changed(&self, item: &ParsedItem, source: &Source) -> bool {
        let text = &source.text[item.range.clone()];
        self.items.iter().any(|old| {
            old.parsed.keys.iter().any(|key| item.keys.contains(key)) && old.text() != text
        })
    }

    /// The earlier items that stay when `chunk` is added.
    pub fn items_that_stay(&self, chunk: &Chunk) -> Vec<Arc<Item>> {
        let new_keys: BTreeSet<&ItemKey> = chunk.items.iter().flat_map(|item| &item.keys).collect();
        let new_names: BTreeSet<&str> = chunk
            .items
            .iter()
            .flat_map(|item| &item.keys)
            .filter_map(|key| match key {
                ItemKey::Type(name) | ItemKey::Value(name) | ItemKey::Import(name) => {
                    Some(name.as_str())
                }
                _ => None,
            })
            .collect();
        let new_imports: BTreeSet<&str> = chunk
            .items
            .iter()
            .flat_map(|item| &item.keys)
            .filter_map(|key| match key {
                ItemKey::Import(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        self.items
            .iter()
            .filter(|item| {
                !item.parsed.keys.iter().any(|key| {
                    new_keys.contains(key)
                        || match key {
                            // An import and a definition of one name cannot stand side by side.
                            ItemKey::Import(name) => new_names.contains(name.as_str()),
                            ItemKey::Type(name) | ItemKey::Value(name) => {
                                new_imports.contains(name.as_str())
                            }
                            _ => false,
                        }
                })
            })
            .cloned()
            .collect()
    }

    /// Remembers what a chunk has defined, after its program has compiled.
    pub fn add_items(&mut self, chunk: &Chunk, source: &Source) {
        self.items = self.items_that_stay(chunk);
        self.items.extend(chunk.items.iter().map(|parsed| {
            Arc::new(Item {
                source: source.clone(),
                parsed: parsed.clone(),
            })
        }));
    }

    /// Forgets a variable, noting why for whoever asks for it later.
    pub fn lose(&mut self, name: &str, why: String) {
        self.variables.remove(name);
        self.lost.insert(name.to_owned(), why);
    }

    /// Forgets all variables, because the process that held them is gone.
    pub fn lose_all_variables(&mut self, why: &str) {
        for name in std::mem::take(&mut self.variables).into_keys() {
            self.lost.insert(name, why.to_owned());
        }
    }
}
