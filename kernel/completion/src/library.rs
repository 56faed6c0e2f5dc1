//! What the sources of the SDK and of candle say about their names: signatures, documentation, methods, the names in modules.
//!
//! The sources are read when the kernel is built; the index is taken in once, in the background when the kernel starts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use patchbay_evcxr_protocol::Completion;

use crate::source::{Entry, Impl, Method, Module, Modules, one_line};

/// What the build script has read.
const INDEX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/index.json"));

/// The module whose names every cell has without typing them.
const PRELUDE: &str = "patchbay::prelude";

/// The module that a notebook's cells are.
pub const CELL: &str = "cell";

/// The crates of the standard library.
const STANDARD: [&str; 3] = ["std", "core", "alloc"];

/// How many imports one name may lead through.
const MOST_IMPORTS: usize = 16;

static MODULES: LazyLock<Modules> = LazyLock::new(|| {
    serde_json::from_slice(INDEX).unwrap_or_else(|error| {
        patchbay_contract::log(format_args!(
            "the index of the SDK's names cannot be read: {error}; inspection and completion lack them"
        ));
        Modules::new()
    })
});

/// A cell in which nothing is defined.
static EMPTY: LazyLock<Module> = LazyLock::new(Module::of_cells);

/// The implementations of the SDK and of candle, by what they are for.
static IMPLS: LazyLock<Impls<'static>> = LazyLock::new(|| {
    let names = Names::default();
    let all = MODULES.iter();
    Impls::of(names, all.map(|(path, module)| (path.as_str(), module)))
});

/// Whether the index has been taken in.
static READ: AtomicBool = AtomicBool::new(false);

/// Takes the index in, unless that is done.
pub fn warm_up() {
    LazyLock::force(&MODULES);
    LazyLock::force(&IMPLS);
    READ.store(true, Ordering::Release);
}

/// Waits for the index, on a thread that may wait.
pub async fn ready() {
    if !READ.load(Ordering::Acquire) {
        // A panic has been told of where the index is taken in.
        let _ = tokio::task::spawn_blocking(warm_up).await;
    }
}

/// What a path leads to.
pub enum Found<'a> {
    Module(String),
    Entry(&'a Entry),
    /// A path into another crate.
    Foreign(String),
}

/// What is looked for where a module and an item share a name.
#[derive(Clone, Copy, PartialEq)]
pub enum Wanted {
    Item,
    Module,
}

/// Implementations, by the paths of the types that they are for, each with its module.
#[derive(Default)]
pub struct Impls<'a>(HashMap<String, Vec<(&'a str, &'a Impl)>>);

impl<'a> Impls<'a> {
    /// The implementations in modules.
    pub fn of(names: Names<'a>, modules: impl Iterator<Item = (&'a str, &'a Module)>) -> Impls<'a> {
        let mut found: HashMap<String, Vec<(&str, &Impl)>> = HashMap::new();
        for (path, module) in modules {
            for block in &module.impls {
                if let Some(owner) = names.path_of_type(path, &block.target) {
                    found.entry(owner).or_default().push((path, block));
                }
            }
        }
        Impls(found)
    }

    /// Those for a type.
    pub fn for_type(&self, path: &str) -> &[(&'a str, &'a Impl)] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }
}

impl Module {
    /// The module of cells: it has the prelude's names.
    pub fn of_cells() -> Module {
        Module {
            own_globs: vec![PRELUDE.split("::").map(str::to_owned).collect()],
            ..Module::default()
        }
    }
}

/// The names that a cell can use: those of the SDK and of candle, and those that cells have defined.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// What cells have defined.
    cell: &'a Module,
}

impl Default for Names<'static> {
    fn default() -> Self {
        Names { cell: &EMPTY }
    }
}

impl<'a> Names<'a> {
    /// The library's names with those of cells.
    pub fn with(cell: &'a Module) -> Names<'a> {
        Names { cell }
    }

    /// The names of the prelude.
    pub fn prelude(self) -> impl Iterator<Item = Completion> {
        let mut names = BTreeMap::new();
        self.collect(PRELUDE, &mut names, MOST_IMPORTS);
        names.into_values()
    }

    /// Signature and documentation of a name that stands elsewhere than it was looked for: `accuracy` for `nn::accuracy`.
    pub fn describe_elsewhere(self, path: &[&str], own: &Impls<'_>) -> Option<String> {
        let name = *path.last()?;
        let prelude: Vec<Completion> = self.prelude().collect();
        let modules = prelude.iter().filter(|known| known.kind == "module");
        let in_modules = modules.filter_map(|module| {
            let members = self.members(&[&module.text], own);
            let has = members.iter().any(|member| member.text == name);
            has.then(|| vec![module.text.as_str(), name])
        });
        let alone = prelude.iter().find(|known| known.text == name);
        let found: Vec<Vec<&str>> = alone
            .map(|_| vec![name])
            .into_iter()
            .chain(in_modules)
            .filter(|found| found != path)
            .collect();
        let first = self.describe(found.first()?, own)?;
        let paths: Vec<String> = found
            .iter()
            .map(|found| format!("`{}`", found.join("::")))
            .collect();
        Some(format!(
            "There is no `{}`; there is {}.\n\n{first}",
            path.join("::"),
            paths.join(", ")
        ))
    }

    /// The names that can follow `path::` in a cell.
    pub fn members(self, path: &[&str], own: &Impls<'_>) -> Vec<Completion> {
        match self.find(path, Wanted::Module) {
            Some(Found::Module(module)) => {
                let mut names = BTreeMap::new();
                self.collect(&module, &mut names, MOST_IMPORTS);
                names.into_values().collect()
            }
            Some(Found::Entry(entry)) => self.members_of(entry, own),
            Some(Found::Foreign(_)) | None => Vec::new(),
        }
    }

    /// The functions and variants of a type.
    fn members_of(self, entry: &Entry, own: &Impls<'_>) -> Vec<Completion> {
        let is_enum = entry.kind == "enum";
        let variants = entry.members.iter().filter(|_| is_enum);
        let variants = variants.map(|variant| item(&variant.name, "class", &variant.text));
        let mut found: Vec<Completion> = variants.collect();
        for method in self.functions_of(entry, own) {
            if !method.has_receiver && !found.iter().any(|known| known.text == method.name) {
                found.push(item(&method.name, "function", &method.signature));
            }
        }
        found
    }

    /// The functions of a type or a trait that are its own.
    pub fn functions_of<'b>(self, entry: &'b Entry, own: &'b Impls<'_>) -> Vec<&'b Method> {
        let blocks = IMPLS.for_type(&entry.path).iter();
        let blocks = blocks.chain(own.for_type(&entry.path));
        let inherent = blocks.filter(|(_, block)| block.implements.is_none());
        let inherent = inherent.flat_map(|(_, block)| &block.methods);
        entry.methods.iter().chain(inherent).collect()
    }

    /// The implementations for a type that the library has.
    pub fn impls(self, path: &str) -> &'static [(&'static str, &'static Impl)] {
        IMPLS.for_type(path)
    }

    fn module(self, path: &str) -> Option<&'a Module> {
        if path == CELL {
            Some(self.cell)
        } else {
            MODULES.get(path)
        }
    }

    fn collect(self, module: &str, names: &mut BTreeMap<String, Completion>, depth: usize) {
        let Some(found) = self.module(module) else {
            return;
        };
        for name in found.entries.keys().chain(found.imports.keys()) {
            if !names.contains_key(name) {
                let target = self.resolve(module, name, Wanted::Item, MOST_IMPORTS);
                names.insert(name.clone(), completion(name, target.as_ref()));
            }
        }
        for glob in &found.globs {
            if let Some(Found::Module(inner)) =
                self.follow(module, glob, Wanted::Module, MOST_IMPORTS)
                && depth > 0
            {
                self.collect(&inner, names, depth - 1);
            }
        }
    }

    /// Signature and documentation of a path in a cell, as Markdown. Where a function and a module share a name, the function
    /// comes first.
    pub fn describe(self, path: &[&str], own: &Impls<'_>) -> Option<String> {
        let item = self.find(path, Wanted::Item);
        let is_item = matches!(item, Some(Found::Entry(_)));
        let first = self.describe_found(path, item, own)?;
        match self.find(path, Wanted::Module) {
            Some(module @ Found::Module(_)) if is_item => {
                let second = self.describe_found(path, Some(module), own)?;
                Some(format!("{first}\n\n---\n\n{second}"))
            }
            _ => Some(first),
        }
    }

    fn describe_found(
        self,
        path: &[&str],
        found: Option<Found<'_>>,
        own: &Impls<'_>,
    ) -> Option<String> {
        let shown = path.join("::");
        match found {
            Some(Found::Module(module)) => {
                let names: Vec<String> = self
                    .members(path, own)
                    .iter()
                    .map(|member| format!("`{}`", member.text))
                    .collect();
                let docs = self.module(&module).map_or("", |module| &module.docs);
                Some(format!(
                    "```rust\nmod {shown}\n```\n{docs}\n\n{}",
                    names.join(", ")
                ))
            }
            Some(Found::Entry(entry)) => Some(self.describe_entry(entry, own)),
            Some(Found::Foreign(foreign)) => Some(format!(
                "```rust\nuse {foreign};\n```\nIts documentation is shown with rust-analyzer; type in a terminal: {}",
                patchbay_side::config::INSTALL
            )),
            // A function or a variant of a type: `LivePlot::new`.
            None => {
                let (name, owner) = path.split_last()?;
                let Some(Found::Entry(entry)) = self.find(owner, Wanted::Item) else {
                    return None;
                };
                let functions = self.functions_of(entry, own);
                if let Some(method) = functions.iter().find(|method| method.name == *name) {
                    return Some(describe_method(method));
                }
                let member = entry.members.iter().find(|member| member.name == *name)?;
                Some(format!("```rust\n{}\n```\n{}", member.text, member.docs))
            }
        }
    }

    fn describe_entry(self, entry: &Entry, own: &Impls<'_>) -> String {
        let mut text = format!("```rust\n{}\n```\n{}", entry.signature, entry.docs);
        for method in self.functions_of(entry, own) {
            text += &format!("\n- `{}`", method.signature);
            let summary = one_line(method.docs.split("\n\n").next().unwrap_or_default());
            if !summary.is_empty() {
                text += &format!(": {summary}");
            }
        }
        text
    }

    /// What a path in a cell leads to.
    pub fn find(self, path: &[&str], wanted: Wanted) -> Option<Found<'a>> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        self.lookup(CELL, &path, wanted)
    }

    /// What a path means within a module.
    pub fn lookup(self, module: &str, path: &[String], wanted: Wanted) -> Option<Found<'a>> {
        let (first, rest) = path.split_first()?;
        let known = self.module(module)?;
        if known.entries.contains_key(first) || known.imports.contains_key(first) {
            return self.follow_here(module, path, wanted, MOST_IMPORTS);
        }
        if let Some(target) = known.own_imports.get(first)
            && target != std::slice::from_ref(first)
        {
            let path = [target.as_slice(), rest].concat();
            return self.follow(module, &path, wanted, MOST_IMPORTS);
        }
        for glob in known.own_globs.iter().chain(&known.globs) {
            if let Some(Found::Module(inner)) =
                self.follow(module, glob, Wanted::Module, MOST_IMPORTS)
                && let Some(found) =
                    self.resolve(&inner, first, wanted_of(rest, wanted), MOST_IMPORTS)
                && let Some(found) = self.descend(found, rest, wanted, MOST_IMPORTS)
            {
                return Some(found);
            }
        }
        // A name that no cell defines is no crate's, but for those of the library.
        let is_known =
            module != CELL || MODULES.contains_key(first) || STANDARD.contains(&first.as_str());
        is_known
            .then(|| self.follow(module, path, wanted, MOST_IMPORTS))
            .flatten()
    }

    /// As [`Names::follow`], of a path that begins with a name of the module.
    fn follow_here(
        self,
        module: &str,
        path: &[String],
        wanted: Wanted,
        depth: usize,
    ) -> Option<Found<'a>> {
        let (first, rest) = path.split_first()?;
        let found = self.resolve(module, first, wanted_of(rest, wanted), depth)?;
        self.descend(found, rest, wanted, depth)
    }

    /// The path of the type that a text names within a module; of a foreign one the last name.
    fn path_of_type(self, module: &str, text: &str) -> Option<String> {
        let head = text.trim_start_matches('&').trim_start();
        let head = head.split(['<', ' ']).next().unwrap_or_default();
        let path: Vec<String> = head.split("::").map(str::to_owned).collect();
        match self.lookup(module, &path, Wanted::Item)? {
            Found::Entry(entry) => Some(entry.path.clone()),
            Found::Foreign(path) => Some(path.rsplit("::").next().unwrap_or_default().to_owned()),
            Found::Module(_) => None,
        }
    }

    /// What a path stands for in a module.
    fn follow(
        self,
        module: &str,
        path: &[String],
        wanted: Wanted,
        depth: usize,
    ) -> Option<Found<'a>> {
        let (first, rest) = path.split_first()?;
        let child = format!("{module}::{first}");
        let found = match first.as_str() {
            "crate" => Found::Module(module.split("::").next()?.to_owned()),
            "self" => Found::Module(module.to_owned()),
            "super" => Found::Module(module.rsplit_once("::")?.0.to_owned()),
            root if MODULES.contains_key(root) => Found::Module(root.to_owned()),
            _ if MODULES.contains_key(child.as_str()) => Found::Module(child),
            name => {
                let module_names = self.module(module)?;
                let own = module_names.own_imports.get(name);
                match module_names.imports.get(name).or(own) {
                    // `pub use serde_json;` passes a crate on.
                    Some(path) if path != std::slice::from_ref(first) => {
                        let depth = depth.checked_sub(1)?;
                        self.follow(module, path, wanted_of(rest, wanted), depth)?
                    }
                    None if module_names.entries.contains_key(name) => {
                        self.resolve(module, name, wanted_of(rest, wanted), depth)?
                    }
                    _ => Found::Foreign(name.to_owned()),
                }
            }
        };
        self.descend(found, rest, wanted, depth)
    }

    fn descend(
        self,
        mut found: Found<'a>,
        mut rest: &[String],
        wanted: Wanted,
        depth: usize,
    ) -> Option<Found<'a>> {
        while let Some((name, following)) = rest.split_first() {
            found = match found {
                Found::Module(module) => {
                    self.resolve(&module, name, wanted_of(following, wanted), depth)?
                }
                Found::Foreign(path) => Found::Foreign(format!("{path}::{name}")),
                Found::Entry(_) => return None,
            };
            rest = following;
        }
        Some(found)
    }

    /// What a public name of a module is.
    fn resolve(self, module: &str, name: &str, wanted: Wanted, depth: usize) -> Option<Found<'a>> {
        let depth = depth.checked_sub(1)?;
        let found = self.module(module)?;
        let own = found
            .entries
            .get(name)
            .map(|entry| match entry.kind.as_str() {
                "mod" => Found::Module(format!("{module}::{name}")),
                _ => Found::Entry(entry),
            });
        let fits =
            |found: &Found<'_>| matches!(found, Found::Module(_)) == (wanted == Wanted::Module);
        if own.as_ref().is_some_and(fits) {
            return own;
        }
        let imported = found
            .imports
            .get(name)
            .and_then(|path| self.follow(module, path, wanted, depth));
        if imported.as_ref().is_some_and(fits) {
            return imported;
        }
        own.or(imported).or_else(|| {
            found
                .globs
                .iter()
                .find_map(
                    |glob| match self.follow(module, glob, Wanted::Module, depth)? {
                        Found::Module(inner) => self.resolve(&inner, name, wanted, depth),
                        Found::Entry(_) | Found::Foreign(_) => None,
                    },
                )
                // A private module, which paths within its crate name.
                .or_else(|| {
                    let child = format!("{module}::{name}");
                    let is_there = wanted == Wanted::Module && MODULES.contains_key(&child);
                    is_there.then_some(Found::Module(child))
                })
        })
    }
}

/// What leads further is a module.
fn wanted_of(rest: &[String], wanted: Wanted) -> Wanted {
    if rest.is_empty() {
        wanted
    } else {
        Wanted::Module
    }
}

/// Signature and documentation of a function, as Markdown.
pub fn describe_method(method: &Method) -> String {
    format!("```rust\n{}\n```\n{}", method.signature, method.docs)
}

/// A completion.
pub fn item(text: &str, kind: &str, signature: &str) -> Completion {
    Completion {
        text: text.to_owned(),
        kind: kind.to_owned(),
        signature: signature.to_owned(),
    }
}

fn completion(name: &str, found: Option<&Found<'_>>) -> Completion {
    let by_case = if name.starts_with(char::is_uppercase) {
        "class"
    } else {
        "function"
    };
    let (kind, signature) = match found {
        Some(Found::Entry(entry)) => {
            let kind = match entry.kind.as_str() {
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
    item(name, kind, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prelude() -> impl Iterator<Item = Completion> {
        Names::default().prelude()
    }

    fn describe(path: &[&str]) -> Option<String> {
        Names::default().describe(path, &Impls::default())
    }

    fn members(path: &[&str]) -> Vec<Completion> {
        Names::default().members(path, &Impls::default())
    }

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
        assert!(tensor.contains("pub struct Tensor"), "{tensor}");
        let matmul = describe(&["Tensor", "matmul"]).unwrap();
        assert!(
            matmul.contains("fn matmul(&self, rhs: &Self) -> Result<Self>"),
            "{matmul}"
        );
        assert!(
            describe(&["LivePlot", "new"])
                .unwrap()
                .contains("-> LivePlot")
        );
        assert!(describe(&["no_such_name"]).is_none());
        // By a macro of another file.
        let lines = describe(&["plot", "Lines"]).unwrap();
        assert!(
            lines.contains("fn title") && lines.contains("fn grid"),
            "{lines}"
        );
        for name in [
            "seq",
            "seq_t",
            "Sequential",
            "AdamW",
            "linear",
            "conv2d",
            "Conv2d",
        ] {
            assert!(describe(&["nn", name]).is_some(), "nn::{name}");
        }
    }

    #[test]
    fn names_are_found_elsewhere() {
        let elsewhere =
            |path: &[&str]| Names::default().describe_elsewhere(path, &Impls::default());
        let accuracy = elsewhere(&["nn", "accuracy"]).unwrap();
        assert!(
            accuracy.starts_with("There is no `nn::accuracy`; there is `accuracy`"),
            "{accuracy}"
        );
        assert!(accuracy.contains("pub fn accuracy"), "{accuracy}");
        let input = elsewhere(&["EncoderInput"]).unwrap();
        assert!(input.contains("`plugin::EncoderInput`"), "{input}");
        assert!(elsewhere(&["no_such_name"]).is_none());
    }

    #[test]
    fn every_name_of_the_modules_is_described() {
        let mut unknown = Vec::new();
        for module in [
            "nn",
            "ops",
            "torch",
            "plot",
            "plugin",
            "weights",
            "forecast",
            "stats",
            "experiment",
            "retrieval",
            "widgets",
        ] {
            for member in members(&[module]) {
                if describe(&[module, &member.text]).is_none() {
                    unknown.push(format!("{module}::{}", member.text));
                }
            }
        }
        assert!(unknown.is_empty(), "{unknown:?}");
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
        assert!(has(&["Tensor"], "zeros"));
        assert!(has(&["DType"], "F32"));
    }
}
