//! Reads Rust's sources: the public names of a file with their signatures, documentation, fields and implementations.
//!
//! The build script reads the SDK's and candle's sources with it, the library the items of a notebook's cells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syn::{
    Attribute, Fields, ImplItem, Item, ItemImpl, Signature, TraitItem, UseTree, Visibility,
    spanned::Spanned,
};

use crate::expand::Macros;

/// Modules by their paths: `patchbay_nn::optim`.
pub type Modules = BTreeMap<String, Module>;

/// A module as its source defines it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Module {
    pub docs: String,
    pub entries: BTreeMap<String, Entry>,
    /// What each name that it imports for others stands for.
    pub imports: BTreeMap<String, Vec<String>>,
    /// The modules whose names it passes on.
    pub globs: Vec<Vec<String>>,
    /// What each name that it imports for itself stands for.
    pub own_imports: BTreeMap<String, Vec<String>>,
    /// The modules whose names it takes for itself.
    pub own_globs: Vec<Vec<String>>,
    pub impls: Vec<Impl>,
}

/// An item that can be named.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// Its module and its name.
    pub path: String,
    pub kind: String,
    pub signature: String,
    pub docs: String,
    /// The functions of a trait.
    pub methods: Vec<Method>,
    /// The fields of a struct, the variants of an enum.
    pub members: Vec<Member>,
}

/// A field of a struct or a variant of an enum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    /// A field's type; a variant as it is written.
    pub text: String,
    pub docs: String,
}

/// A function of a type or a trait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Method {
    pub name: String,
    pub signature: String,
    pub docs: String,
    /// Whether it is called on a value.
    pub has_receiver: bool,
}

/// What a type implements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Impl {
    /// The names of its type parameters.
    pub parameters: Vec<String>,
    pub target: String,
    /// The trait, of which the methods are told; otherwise they are the impl's own.
    pub implements: Option<String>,
    pub methods: Vec<Method>,
    /// The associated types.
    pub types: BTreeMap<String, String>,
}

/// Adds the modules of a file to those that are known: its own, at `path`, and those inside of it. With `everything` also
/// what is not public.
pub fn read(path: &str, text: &str, everything: bool, modules: &mut Modules) {
    read_with(path, text, everything, &Macros::default(), modules);
}

/// As [`read`], with macros of other files, `shared`, that this one may call.
pub fn read_with(path: &str, text: &str, everything: bool, shared: &Macros, modules: &mut Modules) {
    if let Ok(file) = syn::parse_file(text) {
        let mut macros = Macros::of(&file.items, text);
        macros.add(shared.clone());
        let reader = Reader {
            text,
            everything,
            macros,
        };
        reader.module(path, &file.attrs, &file.items, modules);
    }
}

struct Reader<'a> {
    text: &'a str,
    everything: bool,
    macros: Macros,
}

impl Reader<'_> {
    fn module(&self, path: &str, attrs: &[Attribute], items: &[Item], modules: &mut Modules) {
        let mut module = modules.remove(path).unwrap_or_default();
        module.docs += &docs(attrs);
        for item in items {
            self.item(item, path, &mut module);
        }
        for item in items {
            if let Item::Mod(inner) = item
                && let Some((_, items)) = &inner.content
                && inner.ident != "tests"
            {
                let path = format!("{path}::{}", inner.ident);
                self.module(&path, &inner.attrs, items, modules);
            }
        }
        modules.insert(path.to_owned(), module);
    }

    fn item(&self, item: &Item, path: &str, module: &mut Module) {
        let (vis, attrs, name, kind) = match item {
            Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident, "function"),
            Item::Struct(item) => (&item.vis, &item.attrs, &item.ident, "struct"),
            Item::Enum(item) => (&item.vis, &item.attrs, &item.ident, "enum"),
            Item::Trait(item) => (&item.vis, &item.attrs, &item.ident, "trait"),
            Item::Type(item) => (&item.vis, &item.attrs, &item.ident, "type"),
            Item::Const(item) => (&item.vis, &item.attrs, &item.ident, "const"),
            Item::Static(item) => (&item.vis, &item.attrs, &item.ident, "const"),
            Item::Mod(item) => (&item.vis, &item.attrs, &item.ident, "mod"),
            Item::Use(item) => {
                let shared = is_public(&item.vis) && !is_hidden(&item.attrs);
                module.import(&item.tree, &mut Vec::new(), shared);
                return;
            }
            Item::Impl(block) => {
                module.impls.push(self.implementation(block));
                return;
            }
            Item::Macro(call) => {
                if let Some(text) = self.macros.expand(&call.mac, self.text)
                    && let Ok(file) = syn::parse_file(&text)
                {
                    let reader = Reader {
                        text: &text,
                        everything: self.everything,
                        macros: Macros::default(),
                    };
                    for item in &file.items {
                        reader.item(item, path, module);
                    }
                }
                return;
            }
            _ => return,
        };
        if !self.shows(vis) || is_hidden(attrs) {
            return;
        }
        let start = match vis {
            Visibility::Inherited => without_attributes(item),
            _ => vis.span().byte_range().start,
        };
        let mut entry = Entry {
            path: format!("{path}::{name}"),
            kind: kind.to_owned(),
            signature: self.signature(item, start),
            docs: docs(attrs),
            ..Entry::default()
        };
        match item {
            Item::Trait(item) => {
                for member in &item.items {
                    if let TraitItem::Fn(function) = member
                        && !is_hidden(&function.attrs)
                    {
                        entry
                            .methods
                            .push(self.method(&function.sig, &function.attrs));
                    }
                }
            }
            Item::Struct(item) => {
                for (index, field) in item.fields.iter().enumerate() {
                    if self.shows(&field.vis) {
                        let name = field.ident.as_ref().map(ToString::to_string);
                        entry.members.push(Member {
                            name: name.unwrap_or_else(|| index.to_string()),
                            text: self.text_of(&field.ty),
                            docs: docs(&field.attrs),
                        });
                    }
                }
            }
            Item::Enum(item) => {
                for variant in &item.variants {
                    let start = variant.ident.span().byte_range().start;
                    entry.members.push(Member {
                        name: variant.ident.to_string(),
                        text: one_line(&self.text[start..variant.span().byte_range().end]),
                        docs: docs(&variant.attrs),
                    });
                }
            }
            _ => {}
        }
        module.entries.insert(name.to_string(), entry);
    }

    fn implementation(&self, block: &ItemImpl) -> Impl {
        let parameters = block.generics.type_params();
        let mut found = Impl {
            parameters: parameters.map(|known| known.ident.to_string()).collect(),
            target: self.text_of(&block.self_ty),
            implements: block.trait_.as_ref().map(|(path, _)| self.text_of(path)),
            methods: Vec::new(),
            types: BTreeMap::new(),
        };
        for item in &block.items {
            match item {
                ImplItem::Fn(function)
                    if found.implements.is_none()
                        && self.shows(&function.vis)
                        && !is_hidden(&function.attrs) =>
                {
                    found
                        .methods
                        .push(self.method(&function.sig, &function.attrs));
                }
                ImplItem::Macro(call) if found.implements.is_none() => {
                    found.methods.extend(self.expanded_methods(&call.mac));
                }
                ImplItem::Type(item) => {
                    let text = self.text_of(&item.ty);
                    found.types.insert(item.ident.to_string(), text);
                }
                _ => {}
            }
        }
        found
    }

    /// The methods that a macro of this file makes.
    fn expanded_methods(&self, call: &syn::Macro) -> Vec<Method> {
        let Some(body) = self.macros.expand(call, self.text) else {
            return Vec::new();
        };
        let text = format!("impl Expanded {{ {body} }}");
        let Ok(block) = syn::parse_str::<ItemImpl>(&text) else {
            return Vec::new();
        };
        let reader = Reader {
            text: &text,
            everything: self.everything,
            macros: Macros::default(),
        };
        reader.implementation(&block).methods
    }

    fn method(&self, sig: &Signature, attrs: &[Attribute]) -> Method {
        Method {
            name: sig.ident.to_string(),
            signature: self.text_of(sig),
            docs: docs(attrs),
            has_receiver: sig.receiver().is_some(),
        }
    }

    fn text_of(&self, node: &impl Spanned) -> String {
        one_line(&self.text[node.span().byte_range()])
    }

    fn shows(&self, vis: &Visibility) -> bool {
        self.everything || is_public(vis)
    }

    /// The text of an item from `start` on, without bodies and what does not show.
    fn signature(&self, item: &Item, start: usize) -> String {
        let whole = item.span().byte_range().end;
        let (end, hidden) = match item {
            Item::Fn(item) => (item.sig.span().byte_range().end, ""),
            Item::Struct(item) => {
                let shown = |fields: &Fields| fields.iter().all(|field| self.shows(&field.vis));
                match (&item.fields, shown(&item.fields)) {
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
            Item::Mod(item) => (item.ident.span().byte_range().end, ""),
            _ => (whole, ""),
        };
        let text = self.text.get(start..end).unwrap_or_default();
        format!("{text}{hidden}").trim().to_owned()
    }
}

impl Module {
    fn import(&mut self, tree: &UseTree, parents: &mut Vec<String>, shared: bool) {
        match tree {
            UseTree::Path(node) => {
                parents.push(node.ident.to_string());
                self.import(&node.tree, parents, shared);
                parents.pop();
            }
            UseTree::Group(node) => {
                for tree in &node.items {
                    self.import(tree, parents, shared);
                }
            }
            UseTree::Name(node) if node.ident == "self" => {
                if let Some(name) = parents.last() {
                    let (name, path) = (name.clone(), parents.clone());
                    self.stands_for(name, path, shared);
                }
            }
            UseTree::Name(node) => {
                let path = [parents.as_slice(), &[node.ident.to_string()]].concat();
                self.stands_for(node.ident.to_string(), path, shared);
            }
            UseTree::Rename(node) => {
                let path = [parents.as_slice(), &[node.ident.to_string()]].concat();
                self.stands_for(node.rename.to_string(), path, shared);
            }
            UseTree::Glob(_) if shared => self.globs.push(parents.clone()),
            UseTree::Glob(_) => self.own_globs.push(parents.clone()),
        }
    }

    fn stands_for(&mut self, name: String, path: Vec<String>, shared: bool) {
        let imports = match shared {
            true => &mut self.imports,
            false => &mut self.own_imports,
        };
        imports.insert(name, path);
    }
}

/// Where an item without a visibility begins, behind its attributes.
fn without_attributes(item: &Item) -> usize {
    let token = match item {
        Item::Fn(item) => item.sig.span(),
        Item::Struct(item) => item.struct_token.span,
        Item::Enum(item) => item.enum_token.span,
        Item::Trait(item) => item.trait_token.span,
        Item::Type(item) => item.type_token.span,
        Item::Const(item) => item.const_token.span,
        Item::Static(item) => item.static_token.span,
        Item::Mod(item) => item.mod_token.span,
        other => other.span(),
    };
    token.byte_range().start
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

/// A text with one space between its words.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
