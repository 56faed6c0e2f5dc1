//! What earlier cells have defined.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

pub use super::item::Item;
use patchbay_protocol::TensorFacts;

use super::{
    aside::Aside,
    chunk::{Chunk, ItemKey, ParsedItem},
    closure::Closure,
    item::{Births, Scope},
    items::{
        layout::layout_of,
        statics::{Lives, Symbols},
        text::Omitted,
    },
    program::Source,
};

/// The items and variables of a session.
#[derive(Clone, Default)]
pub struct Engine {
    /// The items that are there, in the order of their definition.
    pub items: Vec<Arc<Item>>,
    /// The items that no longer compile, by id. They are in `items`, too, and in no program.
    pub aside: BTreeMap<String, Aside>,
    /// The statics and what their symbols are made of.
    pub statics: Lives,
    /// How often each name was defined in another way.
    pub births: Births,
    /// The variables that are alive, by name.
    pub variables: BTreeMap<String, Variable>,
    /// The closures that live on, in the order of definition.
    pub closures: Vec<Closure>,
    /// Names that are gone, with the reason, for the error of the cell that asks for one.
    pub lost: HashMap<String, String>,
}

/// A variable that lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its type, as later programs write it.
    pub type_text: String,
    /// The identifiers of the type.
    pub type_names: BTreeSet<String>,
    /// Whether it was defined with `mut`.
    pub mutable: bool,
    /// The cell that defined it.
    pub cell: u32,
    /// The bytes of the value itself.
    pub bytes: usize,
    /// Bytes of the tensors in it after the last cell that had it, on all devices.
    pub tensor_bytes: usize,
    /// Those of them that are on a GPU.
    pub gpu_bytes: usize,
    /// What it is, of a tensor.
    pub tensor: Option<TensorFacts>,
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

/// The earlier items as they are for a chunk.
pub struct Standing {
    /// Those that the chunk does not replace.
    pub items: Vec<Arc<Item>>,
    /// Those of them that no longer compile, by id.
    pub aside: BTreeMap<String, Aside>,
}

impl Engine {
    /// The variables whose type reaches a type that `chunk` defines anew in another way, each with the name of such
    /// a type.
    pub fn variables_made_stale(&self, chunk: &Chunk) -> Vec<(String, String)> {
        let is_same_name = |new: &ParsedItem, old: &Item| {
            new.keys.iter().any(|key| {
                old.parsed.keys.contains(key)
                    || matches!(key, ItemKey::Import(name) if old.parsed.keys.iter().any(|old| old.type_name() == Some(name)))
            })
        };
        let redefined: BTreeMap<&str, &str> = chunk
            .items
            .iter()
            .filter(|new| new.shape.layout.is_some() || new.shape.import.is_some())
            .flat_map(|new| {
                let olds = self.items.iter();
                olds.filter(move |old| {
                    is_same_name(new, old)
                        && old.parsed.shape.layout.is_some()
                        && old.parsed.shape.layout != new.shape.layout
                })
            })
            .filter_map(|old| Some((old.id.as_str(), shown_name(old)?)))
            .collect();
        if redefined.is_empty() {
            return Vec::new();
        }
        self.variables
            .iter()
            .filter_map(|(name, variable)| {
                let reached = layout_of(&variable.type_names, &self.items);
                let redefined = reached
                    .into_iter()
                    .find_map(|index| redefined.get(self.items[index].id.as_str()))?;
                Some((name.clone(), (*redefined).to_owned()))
            })
            .collect()
    }

    /// Whether there is a variable, a closure or an item of this name.
    pub fn knows(&self, name: &str) -> bool {
        self.variables.contains_key(name)
            || self.closure_named(name).is_some()
            || self
                .items
                .iter()
                .any(|item| item.parsed.provides.contains(name))
    }

    /// Whether a macro of an earlier cell makes items.
    pub fn makes_items(&self, name: &str) -> bool {
        self.items.iter().any(|item| {
            item.parsed.shape.makes_items
                && item
                    .parsed
                    .keys
                    .iter()
                    .any(|key| matches!(key, ItemKey::Macro(known) if known == name))
        })
    }

    /// The earlier items as they are for a chunk: without what it replaces, and with those that may fit again set
    /// aside no longer.
    pub fn standing(&self, chunk: &Chunk, source: &Source) -> Standing {
        if chunk.items.is_empty() {
            return Standing {
                items: self.items.clone(),
                aside: self.aside.clone(),
            };
        }
        let new = NewKeys::of(chunk);
        let mut items: Vec<Arc<Item>> = Vec::new();
        let mut displaced: Vec<(String, Aside)> = Vec::new();
        for item in &self.items {
            let is_aside = self.aside.contains_key(&item.id);
            let Some(item) = new.what_stays(item, is_aside) else {
                continue;
            };
            if let Some(name) = new.derives_instead(&item) {
                let reason = format!("cell [{}] derives `{name}`", source.cell);
                displaced.push((item.id.clone(), Aside::replaced(reason)));
            }
            items.push(item);
        }
        let mut aside = self.aside.clone();
        aside.retain(|id, _| items.iter().any(|item| item.id == *id));
        if !aside.is_empty() {
            for id in self.revived(&items, &aside, chunk, source) {
                aside.remove(&id);
            }
        }
        aside.extend(displaced);
        Standing { items, aside }
    }

    /// The items that were set aside and mention what a chunk defines in another way than before.
    fn revived(
        &self,
        items: &[Arc<Item>],
        aside: &BTreeMap<String, Aside>,
        chunk: &Chunk,
        source: &Source,
    ) -> Vec<String> {
        let mut changed: BTreeSet<String> = chunk
            .items
            .iter()
            .filter(|new| {
                let text = match &new.replacement {
                    Some(text) => text,
                    None => &source.text[new.range.clone()],
                };
                let is_same = |old: &Arc<Item>| {
                    old.parsed.keys == new.keys
                        && old.text() == text
                        && !self.aside.contains_key(&old.id)
                };
                !self.items.iter().any(is_same)
            })
            .flat_map(|new| {
                let implements = new.shape.implements.iter();
                let targets = implements.map(|implements| implements.target.clone());
                let members = new.shape.members.iter().map(|member| member.name.clone());
                new.provides.iter().cloned().chain(targets).chain(members)
            })
            .collect();
        let mut revived = Vec::new();
        loop {
            let next = items.iter().find(|item| {
                aside.contains_key(&item.id)
                    && !revived.contains(&item.id)
                    && item
                        .parsed
                        .mentions
                        .iter()
                        .any(|name| changed.contains(name))
            });
            let Some(item) = next else { break revived };
            revived.push(item.id.clone());
            changed.extend(item.parsed.provides.iter().cloned());
        }
    }

    /// The symbols of all statics when these items and a chunk are the session's.
    pub fn symbols(&self, standing: &Standing, chunk: &Chunk, source: &Source) -> Symbols {
        let has_statics = |parsed: &ParsedItem| !parsed.shape.statics.is_empty();
        if !standing.items.iter().any(|item| has_statics(&item.parsed))
            && !chunk.items.iter().any(|item| has_statics(item))
        {
            return Symbols::default();
        }
        self.statics
            .after(&with_chunk(
                standing.items.clone(),
                chunk,
                source,
                &mut Births::default(),
            ))
            .symbols()
    }

    /// Remembers what a chunk has defined, after its program has compiled without the items that are set aside now.
    /// Returns a note for each of those.
    pub fn add_items(
        &mut self,
        chunk: &Chunk,
        source: &Source,
        set_aside: &BTreeMap<String, Aside>,
    ) -> Vec<String> {
        self.closures
            .retain(|closure| !chunk.has_value(&closure.name));
        let standing = self.standing(chunk, source);
        let before = std::mem::replace(&mut self.aside, standing.aside);
        let mut notes = Vec::new();
        for item in &standing.items {
            if let Some(aside) = set_aside.get(&item.id) {
                self.aside.insert(item.id.clone(), aside.clone());
            }
            // What fails as it did before is known.
            if let Some(aside) = self.aside.get(&item.id)
                && before.get(&item.id) != Some(aside)
            {
                notes.push(aside.note(&item.title(), item.source.cell));
            }
        }
        if !chunk.items.is_empty() {
            self.items = with_chunk(standing.items, chunk, source, &mut self.births);
            let after = self.statics.after(&self.items);
            let own = |name: &&str| {
                let mut sites = chunk.items.iter().flat_map(|item| &item.shape.statics);
                sites.any(|site| site.path == *name)
            };
            for name in self
                .statics
                .that_begin_anew(&after)
                .filter(|name| !own(name))
            {
                notes.push(format!(
                    "note: the static `{name}` begins anew, because cell [{}] changes what it is made of\n",
                    source.cell
                ));
            }
            self.statics = after;
        } else {
            self.items = standing.items;
        }
        notes
    }

    /// Forgets all items and variables.
    pub fn clear(&mut self) {
        let mut statics = std::mem::take(&mut self.statics);
        statics.begin_anew();
        *self = Engine {
            statics,
            ..Engine::default()
        };
    }

    /// The items that programs can have.
    pub fn sound_items(&self) -> impl DoubleEndedIterator<Item = &Arc<Item>> {
        let all = self.items.iter();
        all.filter(|item| !self.aside.contains_key(&item.id))
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

/// The name under which a user knows an item.
fn shown_name(item: &Item) -> Option<&str> {
    let named = item.parsed.keys.iter().find_map(|key| match key {
        ItemKey::Type(name) | ItemKey::Value(name) => Some(name.as_str()),
        _ => None,
    });
    named.or_else(|| item.parsed.provides.first().map(String::as_str))
}

/// Earlier items and those of a chunk.
fn with_chunk(
    mut items: Vec<Arc<Item>>,
    chunk: &Chunk,
    source: &Source,
    births: &mut Births,
) -> Vec<Arc<Item>> {
    let before = items.len();
    let item = |parsed: &Arc<ParsedItem>, scope: &Scope| {
        let (source, parsed) = (source.clone(), parsed.clone());
        Arc::new(Item::new(source, parsed, Omitted::default(), scope.clone()))
    };
    // Imports are in the scope of their own chunk, too.
    let unscoped = Scope::default();
    items.extend(chunk.items.iter().map(|parsed| item(parsed, &unscoped)));
    let scope = births.count(&items, chunk);
    for (known, parsed) in items[before..].iter_mut().zip(&chunk.items) {
        if parsed.shape.import.is_none() {
            *known = item(parsed, &scope);
        }
    }
    items
}

/// What a chunk defines anew.
struct NewKeys<'a> {
    chunk: &'a Chunk,
    keys: BTreeSet<&'a ItemKey>,
    names: BTreeSet<&'a str>,
    imports: BTreeSet<&'a str>,
}

impl<'a> NewKeys<'a> {
    fn of(chunk: &'a Chunk) -> NewKeys<'a> {
        let keys: BTreeSet<&ItemKey> = chunk.items.iter().flat_map(|item| &item.keys).collect();
        let names = keys
            .iter()
            .filter_map(|key| match key {
                ItemKey::Type(name) | ItemKey::Value(name) | ItemKey::Import(name) => {
                    Some(name.as_str())
                }
                _ => None,
            })
            .collect();
        let imports = keys
            .iter()
            .filter_map(|key| match key {
                ItemKey::Import(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        NewKeys {
            chunk,
            keys,
            names,
            imports,
        }
    }

    /// An earlier item without what the chunk defines anew; `None` where nothing is left of it.
    fn what_stays(&self, item: &Arc<Item>, is_aside: bool) -> Option<Arc<Item>> {
        let parsed = &item.parsed;
        let shape = &parsed.shape;
        if !shape.members.is_empty() {
            let mut omitted = item.omitted.clone();
            for (key, member) in parsed.keys.iter().zip(&shape.members) {
                if self.keys.contains(key) || is_aside && self.redefines_member(item, &member.name)
                {
                    omitted.members.insert(member.name.clone());
                }
            }
            return if omitted.members.len() == shape.members.len() {
                None
            } else if omitted == item.omitted {
                Some(item.clone())
            } else {
                Some(Arc::new(item.without(omitted)))
            };
        }
        let is_replaced = parsed.keys.iter().any(|key| {
            self.keys.contains(key)
                || match key {
                    // An import and a definition of one name cannot stand side by side.
                    ItemKey::Import(name) => self.names.contains(name.as_str()),
                    ItemKey::Type(name) | ItemKey::Value(name) => {
                        self.imports.contains(name.as_str())
                    }
                    _ => false,
                }
        });
        if is_replaced || is_aside && self.implements_again(item) {
            return None;
        }
        let derives: BTreeSet<String> = shape
            .derives
            .iter()
            .flat_map(|derive| &derive.traits)
            .map(|(name, _)| name)
            .filter(|name| self.implements_by_hand(item, name))
            .cloned()
            .collect();
        if derives.is_subset(&item.omitted.derives) {
            return Some(item.clone());
        }
        let mut omitted = item.omitted.clone();
        omitted.derives.extend(derives);
        Some(Arc::new(item.without(omitted)))
    }

    /// Whether the chunk has a member of a type's impl, with whatever parameters.
    fn redefines_member(&self, item: &Item, name: &str) -> bool {
        let target = item.parsed.shape.implements.as_ref();
        self.chunk.items.iter().any(|new| {
            new.shape.implements.as_ref().map(|new| &new.target) == target.map(|old| &old.target)
                && new.shape.members.iter().any(|member| member.name == name)
        })
    }

    /// The trait that an impl implements and that the chunk derives for its type.
    fn derives_instead<'b>(&self, item: &'b Item) -> Option<&'b str> {
        let old = item.parsed.shape.implements.as_ref()?;
        let name = old.trait_name.as_deref().filter(|_| !old.has_arguments)?;
        let derives = self.chunk.items.iter().any(|new| {
            let mut names = new.keys.iter().filter_map(ItemKey::type_name);
            new.shape.has_derive(name) && names.any(|name| name == old.target)
        });
        derives.then_some(name)
    }

    /// Whether the chunk has an impl in the place of one that no longer compiles.
    fn implements_again(&self, item: &Item) -> bool {
        let Some(old) = &item.parsed.shape.implements else {
            return false;
        };
        old.trait_name.is_some()
            && !old.has_arguments
            && self.chunk.items.iter().any(|new| {
                new.shape
                    .implements
                    .as_ref()
                    .is_some_and(|new| new.trait_name == old.trait_name && new.target == old.target)
            })
    }

    /// Whether the chunk implements a trait by hand that an earlier type derives.
    fn implements_by_hand(&self, item: &Item, name: &str) -> bool {
        let mut names = item.parsed.keys.iter().filter_map(ItemKey::type_name);
        let Some(target) = names.next() else {
            return false;
        };
        self.chunk.items.iter().any(|new| {
            new.shape.implements.as_ref().is_some_and(|implements| {
                !implements.has_arguments
                    && implements.target == target
                    && implements.trait_name.as_deref() == Some(name)
            })
        })
    }
}
