//! The arrows between crates and between the files of a crate, read from the sources.
//!
//! An arrow goes from a file to another whose names it uses by a path. Re-exports (`pub use`) are followed to where a name is
//! defined, and are no arrows themselves. Tests are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, ItemMacro, ItemMod, ItemTrait, ItemUse, Path as RustPath, Token, UseTree,
    Visibility, parse_file,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// A module as the names on the way to it.
type Module = Vec<String>;

/// A crate's files and the arrows between them.
#[derive(Debug, Default)]
pub struct Arrows {
    /// Each file by its module.
    pub files: BTreeMap<Module, PathBuf>,
    pub arrows: BTreeMap<Module, BTreeSet<Module>>,
}

#[derive(Default)]
struct File {
    /// The paths that it uses, as they stand.
    used: Vec<Vec<String>>,
    /// What it hands on under other names: name and path.
    handed_on: BTreeMap<String, Vec<String>>,
    /// The modules whose names it hands on, all of them.
    globs: Vec<Vec<String>>,
    /// The names of its own items.
    defines: BTreeSet<String>,
}

/// Reads the crate whose sources are in `source`.
///
/// # Panics
///
/// Panics where a file cannot be read or is no Rust.
pub fn of_crate(source: &Path) -> Arrows {
    let mut files = BTreeMap::new();
    list(source, &Vec::new(), &mut files);
    let read: BTreeMap<&Module, File> = files
        .iter()
        .map(|(module, path)| (module, read_file(path)))
        .collect();
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, file) in &read {
        for path in &file.used {
            let Some(target) = resolve(module, path, &read, 0) else {
                continue;
            };
            if target != **module {
                arrows.entry((*module).clone()).or_default().insert(target);
            }
        }
    }
    drop(read);
    Arrows { files, arrows }
}

impl Arrows {
    /// Returns the sets of files that reach one another, those of more than `most` files.
    pub fn circles(&self, most: usize) -> Vec<Vec<PathBuf>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self
            .files
            .keys()
            .map(|module| (module, self.reached(module)))
            .collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for module in self.files.keys() {
            if !seen.insert(module) {
                continue;
            }
            let circle: Vec<&Module> = reach[module]
                .iter()
                .copied()
                .filter(|other| reach[other].contains(module))
                .collect();
            seen.extend(&circle);
            if circle.len() > most {
                circles.push(
                    circle
                        .iter()
                        .map(|module| self.files[*module].clone())
                        .collect(),
                );
            }
        }
        circles
    }

    fn reached<'a>(&'a self, from: &Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = self.arrows.get(from).into_iter().flatten().collect();
        while let Some(module) = open.pop() {
            if reached.insert(module) {
                open.extend(self.arrows.get(module).into_iter().flatten());
            }
        }
        reached
    }
}

fn list(folder: &Path, module: &Module, files: &mut BTreeMap<Module, PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut inner = module.clone();
        if path.is_dir() {
            inner.push(name);
            list(&path, &inner, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                inner.push(name);
            }
            files.insert(inner, path);
        }
    }
}

fn read_file(path: &Path) -> File {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = Reader(File::default());
    reader.visit_file(&parsed);
    reader.0
}

struct Reader(File);

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            self.0.defines.extend(name(item));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut paths = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut paths);
        let is_private = matches!(item.vis, Visibility::Inherited);
        for (name, path) in paths {
            if !is_private && name == "*" {
                self.0.globs.push(path);
            } else if !is_private {
                self.0.handed_on.insert(name, path);
            } else {
                self.0.used.push(path);
            }
        }
    }

    /// The trait in a `kind!`, and the modules in `kinds!`, whose names are handed on.
    fn visit_item_macro(&mut self, call: &'ast ItemMacro) {
        let name = call
            .mac
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string());
        match name.as_deref() {
            Some("kind") => {
                if let Ok(kind) = call.mac.parse_body::<ItemTrait>() {
                    self.0.defines.insert(kind.ident.to_string());
                    let mut inner = Reader(File::default());
                    inner.visit_item_trait(&kind);
                    self.0.used.append(&mut inner.0.used);
                }
            }
            Some("kinds") => {
                let list = Punctuated::<RustPath, Token![,]>::parse_terminated;
                for path in call.mac.parse_body_with(list).into_iter().flatten() {
                    let names: Vec<String> = path
                        .segments
                        .iter()
                        .map(|segment| segment.ident.to_string())
                        .collect();
                    self.0
                        .globs
                        .extend(names.first().map(|module| vec![module.clone()]));
                    self.0.used.push(names);
                }
            }
            _ => {}
        }
    }

    /// `pub(crate)` names no crate.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast RustPath) {
        if path.leading_colon.is_none() {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.0.used.push(names.collect());
        }
        visit::visit_path(self, path);
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Fn(item) => &item.sig.ident,
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|argument| argument == "test")
    })
}

/// The names that a `use` brings, each with its path.
fn leaves(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = before.last().cloned().unwrap_or_default();
            found.push((last, before.clone()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            found.push((name.clone(), [before.as_slice(), &[name]].concat()));
        }
        UseTree::Rename(rename) => {
            let path = [before.as_slice(), &[rename.ident.to_string()]].concat();
            found.push((rename.rename.to_string(), path));
        }
        UseTree::Glob(_) => found.push(("*".to_owned(), before.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, before, found);
            }
        }
    }
}

/// The module whose file defines what a path names, if that is in the crate.
fn resolve(
    from: &Module,
    path: &[String],
    files: &BTreeMap<&Module, File>,
    depth: usize,
) -> Option<Module> {
    let (mut module, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (from.clone(), &path[1..]),
        "super" => {
            let mut module = from.clone();
            module.pop()?;
            (module, &path[1..])
        }
        // A module beside the name itself; whatever else is known by a `use`, which is an arrow already.
        first => {
            let mut child = from.clone();
            child.push(first.to_owned());
            if path.len() < 2 || !files.contains_key(&child) {
                return None;
            }
            (from.clone(), path)
        }
    };
    while rest.first().is_some_and(|name| name == "super") {
        module.pop()?;
        rest = &rest[1..];
    }
    while let Some(name) = rest.first() {
        let mut child = module.clone();
        child.push(name.clone());
        if !files.contains_key(&child) {
            break;
        }
        module = child;
        rest = &rest[1..];
    }
    let handed_on = rest
        .first()
        .and_then(|name| files.get(&module)?.handed_on.get(name));
    if let Some(target) = handed_on
        && depth < 8
    {
        let whole = [target.as_slice(), &rest[1..]].concat();
        // What is handed on from another crate is this module's word.
        return resolve(&module, &whole, files, depth + 1).or(Some(module));
    }
    // One of the modules of which all is handed on has the name.
    if let (Some(name), Some(file)) = (rest.first(), files.get(&module))
        && !file.defines.contains(name)
        && depth < 8
    {
        let through = |glob: &Vec<String>| {
            let whole = [glob.as_slice(), rest].concat();
            let found = resolve(&module, &whole, files, depth + 1)?;
            files[&found].defines.contains(name).then_some(found)
        };
        if let Some(found) = file.globs.iter().find_map(through) {
            return Some(found);
        }
    }
    files.contains_key(&module).then_some(module)
}
