//! What the SDK's own sources say about its names: signatures, documentation, the names in its modules.
//!
//! The sources are read once, in the background when the kernel starts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use patchbay_evcxr_protocol::Completion;
use syn::{
    Attribute, Fields, ImplItem, Item, Signature, TraitItem, Type, UseTree, Visibility,
    spanned::Spanned,
};

/// Modules by their paths, with their sources.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_sources.rs"));

/// The module whose names every cell has without typing them.
const PRELUDE: &str = "patchbay::prelude";

/// How many imports one name may lead through.
const MOST_IMPORTS: usize = 16;

static MODULES: LazyLock<HashMap<String, Module>> = LazyLock::new(|| {
    // The positions of parsed text are kept by the thread that parsed it; they end with this one.
    let read = || {
        let mut modules = HashMap::new();
        for (path, text) in SOURCES {
            Module::read(path, text, &mut modules);
        }
        modules
    };
    std::thread::spawn(read).join().unwrap_or_else(|_| {
        patchbay_contract::log(format_args!(
            "the SDK's sources could not be read: inspection and completion lack its names"
        ));
        HashMap::new()
    })
});

/// Whether the sources have been read.
static READ: AtomicBool = AtomicBool::new(false);

/// A module as its source defines it.
#[derive(Default)]
struct Module {
    docs: String,
    entries: BTreeMap<String, Entry>,
    /// What each name that it imports for others stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// The modules whose names it passes on.
    globs: Vec<Vec<String>>,
}

/// A public item.
#[derive(Default)]
struct Entry {
    kind: &'static str,
    signature: String,
    docs: String,
    methods: Vec<Method>,
}

struct Method {
    name: String,
    signature: String,
    summary: String,
    /// Whether it is called on a value.
    has_receiver: bool,
}

/// What a path leads to.
enum Found {
    Module(String),
    Entry(&'static Entry),
    /// A path into another crate.
    Foreign(String),
}

/// Reads the sources, unless that is done.
pub fn warm_up() {
    LazyLock::force(&MODULES);
    READ.store(true, Ordering::Release);
}

/// Waits for the sources to be read, on a thread that may wait.
pub async fn ready() {
    if !READ.load(Ordering::Acquire) {
        // A panic has been told of where the sources are read.
        let _ = tokio::task::spawn_blocking(warm_up).await;
    }
}

/// The names of the prelude.
pub fn prelude() -> impl Iterator<Item = Completion> {
    let mut names = BTreeMap::new();
    collect(PRELUDE, &mut names, MOST_IMPORTS);
    names.into_values()
}

/// The names that can follow `path::`, where the path begins in the prelude.
pub fn members(path: &[&str]) -> Vec<Completion> {
    match find(path, Wanted::Module) {
        Some(Found::Module(module)) => {
            let mut names = BTreeMap::new();
            collect(&module, &mut names, MOST_IMPORTS);
            names.into_values().collect()
        }
        Some(Found::Entry(entry)) => entry
            .methods
            .iter()
            .filter(|method| !method.has_receiver)
            .map(|method| Completion {
                text: method.name.clone(),
                kind: "function".to_owned(),
                signature: method.signature.clone(),
            })
            .collect(),
        Some(Found::Foreign(_)) | None => Vec::new(),
    }
}

fn collect(module: &str, names: &mut BTreeMap<String, Completion>, depth: usize) {
    let Some(found) = MODULES.get(module) else {
        return;
    };
    for name in found.entries.keys().chain(found.imports.keys()) {
        names
            .entry(name.clone())
            .or_insert_with(|| completion(name, resolve(module, name, Wanted::Item, MOST_IMPORTS)));
    }
    for glob in &found.globs {
        if let Some(Found::Module(inner)) = follow(module, glob, Wanted::Module, MOST_IMPORTS)
            && depth > 0
        {
            collect(&inner, names, depth - 1);
        }
    }
}

fn completion(name: &str, found: Option<Found>) -> Completion {
    let by_case = if name.starts_with(char::is_uppercase) {
        "class"
    } else {
        "function"
    };
    let (kind, signature) = match &found {
        Some(Found::Entry(entry)) => {
            let kind = match entry.kind {
                "function" => "function",
                "const" => "instance",
                _ => "class",
            };
            (kind, entry.signature.lines().next().unwrap_or_default())
        }
        Some(Found::Module(_)) => ("module", "mod"),
        // A crate as a whole has no path.
        Some(Found::Foreign(path)) if !path.contains("::") => ("module", path.as_str()),
        Some(Found::Foreign(path)) => (by_case, path.as_str()),
        None => (by_case, ""),
    };
    Completion {
        text: name.to_owned(),
        kind: kind.to_owned(),
        signature: signature.to_owned(),
    }
}

/// Signature and documentation of a path that begins in the prelude, as Markdown. Where a function and a module share a name,
/// the function comes first.
pub fn describe(path: &[&str]) -> Option<String> {
    let item = find(path, Wanted::Item);
    let is_item = matches!(item, Some(Found::Entry(_)));
    let first = describe_found(path, item)?;
    match find(path, Wanted::Module) {
        Some(module @ Found::Module(_)) if is_item => {
            let second = describe_found(path, Some(module))?;
            Some(format!("{first}\n\n---\n\n{second}"))
        }
        _ => Some(first),
    }
}

fn describe_found(path: &[&str], found: Option<Found>) -> Option<String> {
    let shown = path.join("::");
    match found {
        Some(Found::Module(module)) => {
            let names: Vec<String> = members(path)
                .iter()
                .map(|member| format!("`{}`", member.text))
                .collect();
            let docs = MODULES
                .get(module.as_str())
                .map_or("", |module| &module.docs);
            Some(format!(
                "```rust\nmod {shown}\n```\n{docs}\n\n{}",
                names.join(", ")
            ))
        }
        Some(Found::Entry(entry)) => Some(entry.describe()),
        Some(Found::Foreign(foreign)) => Some(format!(
            "```rust\nuse {foreign};\n```\nIts documentation is shown with rust-analyzer; type in a terminal: {}",
            patchbay_side::config::INSTALL
        )),
        // A function of a type: `LivePlot::new`.
        None => {
            let (name, owner) = path.split_last()?;
            let Some(Found::Entry(entry)) = find(owner, Wanted::Item) else {
                return None;
            };
            let method = entry.methods.iter().find(|method| method.name == *name)?;
            Some(format!(
                "```rust\n{}\n```\n{}",
                method.signature, method.summary
            ))
        }
    }
}

/// What is looked for where a module and an item share a name.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Item,
    Module,
}

fn find(path: &[&str], wanted: Wanted) -> Option<Found> {
    let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
    match path.first()?.as_str() {
        "patchbay" => follow("patchbay", &path, wanted, MOST_IMPORTS),
        first if MODULES.get(PRELUDE)?.imports.contains_key(first) => {
            follow(PRELUDE, &path, wanted, MOST_IMPORTS)
        }
        // One of a module of which the prelude has all names.
        first if path.len() == 1 => resolve(PRELUDE, first, wanted, MOST_IMPORTS),
        _ => None,
    }
}

/// What a path stands for in a module.
fn follow(module: &str, path: &[String], wanted: Wanted, depth: usize) -> Option<Found> {
    let (first, mut rest) = path.split_first()?;
    // What leads further is a module.
    let wanted_of = |rest: &[String]| {
        if rest.is_empty() {
            wanted
        } else {
            Wanted::Module
        }
    };
    let child = format!("{module}::{first}");
    let mut found = match first.as_str() {
        "crate" => Found::Module(module.split("::").next()?.to_owned()),
        "self" => Found::Module(module.to_owned()),
        "super" => Found::Module(module.rsplit_once("::")?.0.to_owned()),
        root if MODULES.contains_key(root) => Found::Module(root.to_owned()),
        _ if MODULES.contains_key(child.as_str()) => Found::Module(child),
        name => match MODULES.get(module)?.imports.get(name) {
            // `pub use serde_json;` passes a crate on.
            Some(path) if path != std::slice::from_ref(first) => {
                resolve(module, name, wanted_of(rest), depth)?
            }
            _ => Found::Foreign(name.to_owned()),
        },
    };
    while let Some((name, following)) = rest.split_first() {
        found = match found {
            Found::Module(module) => resolve(&module, name, wanted_of(following), depth)?,
            Found::Foreign(path) => Found::Foreign(format!("{path}::{name}")),
            Found::Entry(_) => return None,
        };
        rest = following;
    }
    Some(found)
}

/// What a public name of a module is.
fn resolve(module: &str, name: &str, wanted: Wanted, depth: usize) -> Option<Found> {
    let depth = depth.checked_sub(1)?;
    let found = MODULES.get(module)?;
    let own = found.entries.get(name).map(|entry| match entry.kind {
        "mod" => Found::Module(format!("{module}::{name}")),
        _ => Found::Entry(entry),
    });
    let fits = |found: &Found| matches!(found, Found::Module(_)) == (wanted == Wanted::Module);
    if own.as_ref().is_some_and(fits) {
        return own;
    }
    let imported = found
        .imports
        .get(name)
        .and_then(|path| follow(module, path, wanted, depth));
    if imported.as_ref().is_some_and(fits) {
        return imported;
    }
    own.or(imported).or_else(|| {
        found
            .globs
            .iter()
            .find_map(|glob| match follow(module, glob, Wanted::Module, depth)? {
                Found::Module(inner) => resolve(&inner, name, wanted, depth),
                Found::Entry(_) | Found::Foreign(_) => None,
            })
    })
}

impl Entry {
    fn describe(&self) -> String {
        let mut text = format!("```rust\n{}\n```\n{}", self.signature, self.docs);
        for method in &self.methods {
            text += &format!("\n- `{}`", method.signature);
            if !method.summary.is_empty() {
                text += &format!(": {}", method.summary);
            }
        }
        text
    }
}

impl Module {
    /// Adds the modules of a file to those that are known: its own, at `path`, and those inside of it.
    fn read(path: &str, text: &str, modules: &mut HashMap<String, Module>) {
        if let Ok(file) = syn::parse_file(text) {
            Module::of(path, &file.attrs, &file.items, text, modules);
        }
    }

    fn of(
        path: &str,
        attrs: &[Attribute],
        items: &[Item],
        text: &str,
        modules: &mut HashMap<String, Module>,
    ) {
        let mut module = Module {
            docs: docs(attrs),
            ..Module::default()
        };
        for item in items {
            module.add(item, text);
        }
        for item in items {
            if let Item::Impl(block) = item
                && block.trait_.is_none()
                && let Type::Path(owner) = &*block.self_ty
                && let Some(owner) = owner.path.segments.last()
                && let Some(entry) = module.entries.get_mut(&owner.ident.to_string())
            {
                for function in &block.items {
                    if let ImplItem::Fn(function) = function
                        && is_public(&function.vis)
                    {
                        entry
                            .methods
                            .push(Method::new(&function.sig, &function.attrs, text));
                    }
                }
            }
        }
        for item in items {
            if let Item::Mod(inner) = item
                && let Some((_, items)) = &inner.content
                && inner.ident != "tests"
            {
                let path = format!("{path}::{}", inner.ident);
                Module::of(&path, &inner.attrs, items, text, modules);
            }
        }
        modules.insert(path.to_owned(), module);
    }

    fn add(&mut self, item: &Item, text: &str) {
        let (vis, attrs, name, kind) = match item {
            Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident, "function"),
            Item::Struct(item) => (&item.vis, &item.attrs, &item.ident, "struct"),
            Item::Enum(item) => (&item.vis, &item.attrs, &item.ident, "enum"),
            Item::Trait(item) => (&item.vis, &item.attrs, &item.ident, "trait"),
            Item::Type(item) => (&item.vis, &item.attrs, &item.ident, "type"),
            Item::Const(item) => (&item.vis, &item.attrs, &item.ident, "const"),
            Item::Mod(item) => (&item.vis, &item.attrs, &item.ident, "mod"),
            Item::Use(item) if is_public(&item.vis) => {
                self.import(&item.tree, &mut Vec::new());
                return;
            }
            _ => return,
        };
        if !is_public(vis) || is_hidden(attrs) {
            return;
        }
        let mut entry = Entry {
            kind,
            signature: signature(item, vis.span().byte_range().start, text),
            docs: docs(attrs),
            methods: Vec::new(),
        };
        if let Item::Trait(item) = item {
            for member in &item.items {
                if let TraitItem::Fn(function) = member {
                    entry
                        .methods
                        .push(Method::new(&function.sig, &function.attrs, text));
                }
            }
        }
        self.entries.insert(name.to_string(), entry);
    }

    fn import(&mut self, tree: &UseTree, parents: &mut Vec<String>) {
        match tree {
            UseTree::Path(node) => {
                parents.push(node.ident.to_string());
                self.import(&node.tree, parents);
                parents.pop();
            }
            UseTree::Group(node) => {
                for tree in &node.items {
                    self.import(tree, parents);
                }
            }
            UseTree::Name(node) if node.ident == "self" => {
                if let Some(name) = parents.last() {
                    self.imports.insert(name.clone(), parents.clone());
                }
            }
            UseTree::Name(node) => self.stands_for(node.ident.to_string(), parents, &node.ident),
            UseTree::Rename(node) => self.stands_for(node.rename.to_string(), parents, &node.ident),
            UseTree::Glob(_) => self.globs.push(parents.clone()),
        }
    }

    fn stands_for(&mut self, name: String, parents: &[String], target: &syn::Ident) {
        let mut path = parents.to_vec();
        path.push(target.to_string());
        self.imports.insert(name, path);
    }
}

impl Method {
    fn new(sig: &Signature, attrs: &[Attribute], text: &str) -> Method {
        let docs = docs(attrs);
        Method {
            name: sig.ident.to_string(),
            signature: one_line(&text[sig.span().byte_range()]),
            summary: one_line(docs.split("\n\n").next().unwrap_or_default()),
            has_receiver: sig.receiver().is_some(),
        }
    }
}

/// The text of an item from its `pub` on, without bodies and private fields.
fn signature(item: &Item, start: usize, text: &str) -> String {
    let whole = item.span().byte_range().end;
    let (end, hidden) = match item {
        Item::Fn(item) => (item.sig.span().byte_range().end, ""),
        Item::Struct(item) => {
            let public = |fields: &Fields| fields.iter().all(|field| is_public(&field.vis));
            match (&item.fields, public(&item.fields)) {
                (_, true) => (whole, ""),
                (Fields::Named(fields), _) => {
                    (fields.brace_token.span.open().byte_range().start, "{ .. }")
                }
                (Fields::Unnamed(fields), _) => {
                    (fields.paren_token.span.open().byte_range().start, "(..)")
                }
                (Fields::Unit, _) => (whole, ""),
            }
        }
        Item::Trait(item) => (item.brace_token.span.open().byte_range().start, ""),
        _ => (whole, ""),
    };
    format!("{}{hidden}", &text[start..end]).trim().to_owned()
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "hidden")
    })
}

/// The text of the documentation comments.
fn docs(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
            }
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_prelude_is_described() {
        let names: Vec<Completion> = prelude().collect();
        for name in [
            "Tensor", "create", "json", "plugin", "Module", "progress", "Loss",
        ] {
            assert!(names.iter().any(|known| known.text == name), "{name}");
        }
        for name in names {
            assert!(describe(&[&name.text]).is_some(), "{}", name.text);
        }
    }

    #[test]
    fn items_show_signature_documentation_and_methods() {
        let live = describe(&["LivePlot"]).unwrap();
        assert!(live.contains("pub struct LivePlot(..)"), "{live}");
        assert!(
            live.contains("redraws itself as values are pushed"),
            "{live}"
        );
        assert!(
            live.contains("- `fn push(&mut self, name: &str, x: f64, y: f64)`"),
            "{live}"
        );
        let lines = describe(&["plot", "lines"]).unwrap();
        assert!(lines.contains("pub fn lines() -> Lines"), "{lines}");
        let softmax = describe(&["ops", "softmax"]).unwrap();
        assert!(softmax.contains("pub fn softmax(x: &Tensor)"), "{softmax}");
        let loss = describe(&["Loss"]).unwrap();
        assert!(
            loss.contains("pub trait Loss") && loss.contains("fn forward"),
            "{loss}"
        );
        let tensor = describe(&["Tensor"]).unwrap();
        assert!(tensor.contains("use candle_core::Tensor;"), "{tensor}");
        assert!(
            describe(&["LivePlot", "new"])
                .unwrap()
                .contains("-> LivePlot")
        );
        assert!(describe(&["no_such_name"]).is_none());
    }

    #[test]
    fn a_function_comes_before_the_module_of_its_name() {
        for name in ["progress", "display", "input", "image", "device"] {
            let text = describe(&[name]).unwrap();
            let function = text.find(&format!("pub fn {name}")).unwrap_or(usize::MAX);
            let module = text.find(&format!("mod {name}")).unwrap_or(usize::MAX);
            assert!(function < module, "{name}: {text}");
        }
        assert!(
            members(&["progress"])
                .iter()
                .any(|member| member.text == "Progress")
        );
    }

    #[test]
    fn names_of_the_prelude_have_their_kinds() {
        let kind = |name: &str| prelude().find(|known| known.text == name).unwrap().kind;
        for (name, expected) in [
            ("plot", "module"),
            ("nn", "module"),
            ("candle", "module"),
            ("plugin", "module"),
            ("progress", "function"),
            ("create", "function"),
            ("json", "function"),
            ("LivePlot", "class"),
            ("Tensor", "class"),
            ("Loss", "class"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn modules_list_their_names() {
        let has =
            |path: &[&str], name: &str| members(path).iter().any(|member| member.text == name);
        assert!(has(&["plot"], "histogram"));
        assert!(has(&["nn"], "AdamW"));
        assert!(has(&["nn"], "optim"));
        assert!(has(&["ops"], "layer_norm"));
        assert!(has(&["LivePlot"], "new"));
        assert!(!has(&["LivePlot"], "push"));
        assert!(!has(&["plot"], "axes"));
        assert!(members(&["Tensor"]).is_empty());
    }
}
