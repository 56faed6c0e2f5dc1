//! The names that an item was compiled with.
//!
//! Items of all cells stand in one module, where a name means one thing. If a later cell imports another thing by a
//! name that an item mentions, the item is moved into a module that has the names of its own time.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use crate::{
    chunk::{Chunk, ParsedItem},
    item::{Births, Item, Scope, local_names},
};

/// What names mean in the module of all items of a program.
pub struct Root<'a> {
    births: &'a Births,
    /// The names that imports bind, and the imports' paths.
    bound: BTreeSet<&'a str>,
    paths: BTreeSet<&'a str>,
    /// The names of the items of the cells.
    locals: BTreeSet<&'a str>,
    /// Those of them that are in the program.
    present: BTreeSet<&'a str>,
    /// The traits among those.
    traits: BTreeSet<&'a str>,
    /// Whether macros may have made names that nothing here knows of.
    has_macro_calls: bool,
    /// The ids of imports that no longer compile.
    aside: BTreeSet<&'a str>,
}

/// How an item is moved.
#[derive(Debug)]
pub struct Move {
    /// The text in front of the item: the module and its imports.
    pub opening: String,
    /// The bytes of the item's text that are written in another way.
    pub changes: Vec<(Range<usize>, String)>,
    /// The text behind the item.
    pub closing: String,
}

impl<'a> Root<'a> {
    /// The names of a program with these of the earlier items and those of a chunk.
    pub fn new(
        births: &'a Births,
        staying: &'a [Arc<Item>],
        earlier: &'a [Arc<Item>],
        chunk: &'a Chunk,
        aside: impl IntoIterator<Item = &'a str>,
    ) -> Root<'a> {
        let all = || {
            let earlier = staying.iter().map(|item| &*item.parsed);
            earlier.chain(chunk.items.iter().map(|item| &**item))
        };
        let imports = || all().filter(|item| item.shape.import.is_some());
        let in_program = || {
            let earlier = earlier.iter().map(|item| &*item.parsed);
            earlier.chain(chunk.items.iter().map(|item| &**item))
        };
        Root {
            births,
            bound: imports()
                .flat_map(|item| &item.provides)
                .map(String::as_str)
                .collect(),
            paths: imports().map(path_of).collect(),
            locals: all().flat_map(local_names).collect(),
            present: in_program().flat_map(local_names).collect(),
            traits: in_program()
                .filter(|item| item.shape.is_trait)
                .flat_map(local_names)
                .collect(),
            has_macro_calls: all().any(|item| {
                item.shape.called_macro.is_some() && local_names(item).next().is_none()
            }),
            aside: aside.into_iter().collect(),
        }
    }

    /// How an item must be moved, if one of its names means another thing now.
    pub fn must_move(&self, item: &Item) -> Option<Move> {
        let parsed = &item.parsed;
        let shape = &parsed.shape;
        if !shape.can_move && shape.heads.is_empty() && shape.bodies.is_empty() {
            return None;
        }
        let scope = &item.scope;
        let imports = || {
            let known = scope.imports.iter();
            known.filter(|import| !self.aside.contains(import.id.as_str()))
        };
        let own: BTreeSet<&str> = local_names(parsed).collect();
        let mentions = |name: &str| parsed.mentions.contains(name) && !own.contains(name);
        let mut replaced = imports().filter(|import| !self.paths.contains(path_of(&import.parsed)));
        if shape.can_move {
            // A trait's methods are there without its name.
            let is_gone = replaced.any(|import| {
                let bound = &import.parsed.provides;
                bound.is_empty()
                    || bound
                        .iter()
                        .any(|name| mentions(name) || name.starts_with(char::is_uppercase))
            });
            let is_hidden = parsed.mentions.iter().map(String::as_str).any(|name| {
                (self.locals.contains(name) || self.bound.contains(name))
                    && !own.contains(name)
                    && !self.births.has(name, scope)
                    && !imports().any(|import| import.parsed.provides.contains(name))
            });
            return (is_gone || is_hidden).then(|| self.moved(item));
        }
        let replaced: Vec<&Arc<Item>> = replaced.collect();
        let names: Vec<String> = replaced
            .iter()
            .filter_map(|import| {
                let name = import.parsed.provides.first()?;
                let is_head = shape.heads.iter().any(|(head, _)| head == name);
                is_head.then(|| name.clone())
            })
            .collect();
        let in_bodies: String = match shape.bodies.is_empty() {
            true => String::new(),
            false => replaced
                .iter()
                .filter(|import| self.has_head(import))
                .filter(|import| {
                    let mut bound = import.parsed.provides.iter();
                    !bound.any(|name| shape.bound_inside.contains(name))
                })
                .map(|import| match shape.is_trait {
                    true => path_of(&import.parsed).to_owned(),
                    false => self.inside(import, scope),
                })
                .map(|path| format!("use {path};"))
                .collect(),
        };
        (!names.is_empty() || !in_bodies.is_empty())
            .then(|| self.with_paths(item, &names, &in_bodies))
    }

    /// An item in a module of its own.
    fn moved(&self, item: &Item) -> Move {
        let parsed = &item.parsed;
        let module = module_of(item);
        let mut opening = format!("mod {module} {{ use ::patchbay::prelude::*;\n");
        if self.has_macro_calls {
            opening.push_str("use super::*;\n");
        }
        for import in item.scope.imports.iter() {
            if !self.aside.contains(import.id.as_str()) && self.has_head(import) {
                opening.push_str(&format!("use {};\n", self.inside(import, &item.scope)));
            }
        }
        let own: BTreeSet<&str> = local_names(parsed).collect();
        let bound: BTreeSet<&str> = item
            .scope
            .imports
            .iter()
            .flat_map(|import| &import.parsed.provides)
            .map(String::as_str)
            .collect();
        let supers: Vec<&str> = parsed
            .mentions
            .iter()
            .map(String::as_str)
            .filter(|name| self.births.has(name, &item.scope) && !bound.contains(name))
            .filter(|name| self.present.contains(name) || self.bound.contains(name))
            .filter(|name| !own.contains(name))
            .collect();
        // A trait's methods are there without its name.
        for name in &self.traits {
            if !supers.contains(name) && self.births.has(name, &item.scope) {
                opening.push_str(&format!("use super::{name} as _;\n"));
            }
        }
        for name in supers {
            opening.push_str(&format!("use super::{name};\n"));
        }
        let mut changes: Vec<(Range<usize>, String)> = parsed
            .shape
            .members
            .iter()
            .filter_map(|member| member.visible_at)
            .chain(parsed.shape.visible_at)
            .map(|at| (at..at, "pub(super) ".to_owned()))
            .collect();
        changes.sort_by_key(|(range, _)| range.start);
        let mut closing = "}\n".to_owned();
        for name in own {
            closing.push_str(&format!("use {module}::{name};\n"));
        }
        Move {
            opening,
            changes,
            closing,
        }
    }

    /// A type or a trait, which stays where it is, with paths to what its names meant.
    fn with_paths(&self, item: &Item, names: &[String], in_bodies: &str) -> Move {
        let shape = &item.parsed.shape;
        let module = module_of(item);
        let mut opening = String::new();
        if !names.is_empty() {
            opening.push_str(&format!("mod {module} {{\n"));
            for import in item.scope.imports.iter() {
                if import
                    .parsed
                    .provides
                    .iter()
                    .any(|name| names.contains(name))
                {
                    opening.push_str(&format!(
                        "pub(super) use {};\n",
                        self.inside(import, &item.scope)
                    ));
                }
            }
            opening.push_str("}\n");
        }
        let heads = shape
            .heads
            .iter()
            .filter(|(head, _)| names.contains(head))
            .map(|(head, range)| (range.clone(), format!("{module}::{head}")));
        let bodies = shape
            .bodies
            .iter()
            .filter(|_| !in_bodies.is_empty())
            .map(|&at| (at..at, in_bodies.to_owned()));
        Move {
            opening,
            changes: heads.chain(bodies).collect(),
            closing: String::new(),
        }
    }

    /// The path of an import as a module of the items' module writes it.
    fn inside(&self, import: &Item, scope: &Scope) -> String {
        let path = path_of(&import.parsed);
        let head = path.split("::").next().unwrap_or_default().trim();
        match head {
            "self" => path.replacen("self", "super", 1),
            _ if self.births.has(head, scope) => format!("super::{path}"),
            _ => path.to_owned(),
        }
    }

    /// Whether what an import begins with is in the program.
    fn has_head(&self, import: &Item) -> bool {
        let path = path_of(&import.parsed);
        let head = path.split("::").next().unwrap_or_default().trim();
        !self.locals.contains(head) || self.present.contains(head)
    }
}

fn module_of(item: &Item) -> String {
    format!("__of_{}", item.id)
}

/// The path of an import, with the new name.
fn path_of(import: &ParsedItem) -> &str {
    import.shape.import.as_deref().unwrap_or_default()
}
