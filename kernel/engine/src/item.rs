//! Items that live on, and what names meant when they were defined.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    chunk::{Chunk, ItemKey, ParsedItem},
    items::text::{Omitted, text_of},
    program::Source,
};

/// An item that lives on.
#[derive(Debug)]
pub struct Item {
    /// A digest of its text.
    pub id: String,
    /// The cell's text that the item is a part of.
    pub source: Source,
    /// The item's parts.
    pub parsed: Arc<ParsedItem>,
    /// What later cells have defined anew.
    pub omitted: Omitted,
    /// What names meant when it was defined.
    pub scope: Scope,
    text: String,
}

impl Item {
    /// Makes the item of a cell, less what was left out of it.
    pub fn new(source: Source, parsed: Arc<ParsedItem>, omitted: Omitted, scope: Scope) -> Item {
        let text = match &parsed.replacement {
            Some(text) => text.clone(),
            None => text_of(&parsed, &source, &omitted),
        };
        let id = Sha256::digest(text.as_bytes())[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Item {
            id,
            source,
            parsed,
            omitted,
            scope,
            text,
        }
    }

    /// The item's text as the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the item with other parts left out.
    pub fn without(&self, omitted: Omitted) -> Item {
        Item::new(
            self.source.clone(),
            self.parsed.clone(),
            omitted,
            self.scope.clone(),
        )
    }

    /// Returns the name that the user knows it by: ``cell [2]'s impl of `Net` ``.
    pub fn title(&self) -> String {
        format!("cell [{}]'s {}", self.source.cell, self.parsed.shape.title)
    }
}

/// What names meant when an item was defined.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub imports: Arc<Vec<Arc<Item>>>,
    /// The number of the chunk that defined it.
    chunk: u64,
}

/// When each name became one of an item of the cells: the number of the chunk.
#[derive(Clone, Debug, Default)]
pub struct Births {
    names: Arc<BTreeMap<String, u64>>,
    chunks: u64,
    imports: Arc<Vec<Arc<Item>>>,
}

impl Births {
    /// Counts a chunk after which the items are these. Returns the scope of its items.
    pub fn count(&mut self, items: &[Arc<Item>], of_chunk: &Chunk) -> Scope {
        self.chunks += 1;
        let new = of_chunk.items.iter().flat_map(|item| local_names(item));
        for name in new {
            if !self.names.contains_key(name) {
                Arc::make_mut(&mut self.names).insert(name.to_owned(), self.chunks);
            }
        }
        let imports = || {
            let all = items.iter();
            all.filter(|item| item.parsed.shape.import.is_some())
        };
        let is_same = self.imports.len() == imports().count()
            && imports()
                .zip(self.imports.iter())
                .all(|(one, other)| Arc::ptr_eq(one, other));
        if !is_same {
            self.imports = Arc::new(imports().cloned().collect());
        }
        Scope {
            imports: self.imports.clone(),
            chunk: self.chunks,
        }
    }

    /// Whether a name was one of an item of the cells when a scope's items were defined.
    pub fn has(&self, name: &str, scope: &Scope) -> bool {
        self.names
            .get(name)
            .is_some_and(|birth| *birth <= scope.chunk)
    }
}

/// The names that an item has in the module of all items.
pub fn local_names(item: &ParsedItem) -> impl Iterator<Item = &str> {
    item.keys.iter().filter_map(|key| match key {
        ItemKey::Type(name) | ItemKey::Value(name) => Some(name.as_str()),
        _ => None,
    })
}
