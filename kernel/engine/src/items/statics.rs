//! Statics have one life in a session.
//!
//! Every program that needs a static has it in its text. Each copy gets the same exported symbol, so the dynamic
//! loader makes all programs use the one that was loaded first, as it does for inline variables in C++. The symbol
//! is weak: the optimizer may not assume that its initial value is the one that counts. A thread-local's key is such
//! a static, and what `lazy_static!` makes holds one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    change::Change,
    static_sites::{Form, StaticSite},
};
use crate::{item::Item as Known, program::Source};

/// What must be changed in the text of an item so that its statics are those of the session.
pub fn changes(sites: &[StaticSite], source: &Source, symbols: &Symbols) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for site in sites {
        let symbol = symbols.symbol(site);
        let attributes = format!("#[unsafe(export_name = \"{symbol}\")] #[linkage = \"weak\"] ");
        match &site.form {
            Form::Plain(at) => changes.push(Change {
                range: *at..*at,
                text: attributes,
            }),
            Form::Declared {
                call,
                is_lazy,
                attributes: own,
                visibility,
                name,
                type_range,
                init,
            } => {
                let ty = &source.text[type_range.clone()];
                let init = &source.text[init.clone()];
                let text = if *is_lazy {
                    format!(
                        "{own} #[allow(non_camel_case_types)] {visibility} struct {name} {{ __private: () }} \
                         #[allow(non_upper_case_globals)] {visibility} static {name}: {name} = {name} {{ __private: () }}; \
                         impl ::core::ops::Deref for {name} {{ type Target = {ty}; fn deref(&self) -> &Self::Target {{ \
                         {attributes} static LAZY: ::std::sync::LazyLock<{ty}> = ::std::sync::LazyLock::new(|| {init}); \
                         &LAZY }} }} \
                         impl ::lazy_static::LazyStatic for {name} {{ fn initialize(lazy: &Self) {{ let _ = &**lazy; }} }} "
                    )
                } else {
                    format!(
                        "{own} {attributes} {visibility} static {name}: ::std::thread::LocalKey<{ty}> = \
                         {{ ::std::thread_local! {{ static {name}: {ty} = {init}; }} {name} }}; "
                    )
                };
                match changes.last_mut() {
                    Some(last) if last.range == *call => last.text.push_str(&text),
                    _ => changes.push(Change {
                        range: call.clone(),
                        text,
                    }),
                }
            }
        }
    }
    changes
}

/// The lives of a session's statics, by path.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    lives: BTreeMap<String, Life>,
    /// How often the session began anew in the same process.
    beginnings: u32,
}

#[derive(Clone, Debug)]
struct Life {
    /// What the static is made of; empty where it is gone.
    digest: String,
    generation: u32,
}

/// The symbols of the statics of a state of the session.
#[derive(Debug, Default)]
pub struct Symbols {
    by_path: BTreeMap<String, String>,
}

impl Symbols {
    fn symbol(&self, site: &StaticSite) -> &str {
        self.by_path.get(&site.path).map_or("", String::as_str)
    }
}

impl Lives {
    /// Forgets all statics: what is defined from now on begins anew.
    pub fn begin_anew(&mut self) {
        if !self.lives.is_empty() {
            self.lives.clear();
            self.beginnings += 1;
        }
    }

    /// The lives once these items are the session's.
    pub fn after(&self, items: &[Arc<Known>]) -> Lives {
        if self.lives.is_empty()
            && items
                .iter()
                .all(|item| item.parsed.shape.statics.is_empty())
        {
            return self.clone();
        }
        let mut after = self.clone();
        let mut present = BTreeSet::new();
        for site in items.iter().flat_map(|item| &item.parsed.shape.statics) {
            let digest = digest(site, items);
            present.insert(site.path.as_str());
            after
                .lives
                .entry(site.path.clone())
                .and_modify(|life| {
                    if life.digest != digest {
                        life.digest.clone_from(&digest);
                        life.generation += 1;
                    }
                })
                .or_insert(Life {
                    digest,
                    generation: 0,
                });
        }
        for (path, life) in &mut after.lives {
            if !present.contains(path.as_str()) {
                life.digest.clear();
            }
        }
        after
    }

    /// The statics that were there before and begin anew now.
    pub fn that_begin_anew<'a>(&'a self, after: &Lives) -> impl Iterator<Item = &'a str> {
        let before = self.lives.iter();
        let changed = before.filter(|(path, life)| {
            let now = after.lives.get(*path);
            !life.digest.is_empty()
                && now
                    .is_some_and(|now| !now.digest.is_empty() && now.generation != life.generation)
        });
        changed.map(|(path, _)| path.as_str())
    }

    /// The symbols of the statics as they are now.
    pub fn symbols(&self) -> Symbols {
        let by_path = self
            .lives
            .iter()
            .map(|(path, life)| {
                let text = format!(
                    "{} {} {path} {}",
                    self.beginnings, life.generation, life.digest
                );
                (path.clone(), format!("patchbay_static_{}", hash(&text)))
            })
            .collect();
        Symbols { by_path }
    }
}

/// What decides a static's value at its beginning and how it lies in memory.
fn digest(site: &StaticSite, items: &[Arc<Known>]) -> String {
    let mut text = site.text.clone();
    for index in super::layout::layout_of(&site.type_names, items) {
        if let Some(layout) = &items[index].parsed.shape.layout {
            text.push('\n');
            text.push_str(layout);
        }
    }
    hash(&text)
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..10]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
