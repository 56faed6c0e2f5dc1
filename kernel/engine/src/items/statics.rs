//! Statics have one life in a session.
//!
//! Every program that needs a static has it in its text. Each copy gets the same exported symbol, so the dynamic
//! loader makes all programs use the one that was loaded first, as it does for inline variables in C++. The symbol
//! is weak: the optimiser may not assume that its initial value is the one that counts. A thread-local's key is such
//! a static, and what `lazy_static!` makes holds one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use quote::ToTokens;
use sha2::{Digest, Sha256};
use syn::{
    Attribute, Block, Expr, Item, ItemStatic, Token, Type, Visibility,
    parse::{Parse, ParseStream, Parser, Result},
    visit::{self, Visit},
};

use super::{macros, mentions};
use crate::{history::Item as Known, parse::range, program::Source};

/// A static, wherever it stands in an item.
#[derive(Debug)]
pub struct StaticSite {
    /// The functions and modules around it, and its name.
    pub path: String,
    /// Its text, or that of the item around it if the types may be defined there.
    text: String,
    /// The identifiers of its type.
    type_names: BTreeSet<String>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A static, which begins here.
    Plain(usize),
    /// One of the declarations of a `thread_local!` or a `lazy_static!`.
    Declared {
        /// The whole call; the same for all its declarations.
        call: Range<usize>,
        is_lazy: bool,
        attributes: String,
        visibility: String,
        name: String,
        type_range: Range<usize>,
        init: Range<usize>,
    },
}

/// Finds statics.
#[derive(Default)]
pub struct StaticSites {
    path: Vec<String>,
    found: Vec<StaticSite>,
    has_definitions: bool,
}

impl StaticSites {
    pub fn finish(mut self, item: &Item) -> Vec<StaticSite> {
        if self.has_definitions && !self.found.is_empty() {
            let text = item.to_token_stream().to_string();
            for site in &mut self.found {
                site.text.clone_from(&text);
            }
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for site in &mut self.found {
            let count = counts.entry(site.path.clone()).or_default();
            *count += 1;
            if *count > 1 {
                site.path = format!("{}#{count}", site.path);
            }
        }
        self.found
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.path.push(name);
        visit(self);
        self.path.pop();
    }

    fn path_of(&self, name: &str) -> String {
        let mut path = self.path.join("::");
        if !path.is_empty() {
            path.push_str("::");
        }
        path + name
    }

    fn declared(&mut self, call: &syn::Macro, whole: Range<usize>) {
        let is_lazy = match macros::name(call).as_str() {
            "thread_local" => false,
            "lazy_static" => true,
            _ => return,
        };
        let Ok(declarations) = declarations.parse2(call.tokens.clone()) else {
            return;
        };
        for declaration in declarations {
            // The macro's other forms stay as they are.
            if declaration.is_lazy != is_lazy {
                return;
            }
            let name = declaration.name.to_string();
            let attributes: Vec<String> = declaration
                .attributes
                .iter()
                .map(|attribute| attribute.to_token_stream().to_string())
                .collect();
            self.found.push(StaticSite {
                path: self.path_of(&name),
                text: declaration.text,
                type_names: mentions(declaration.ty.to_token_stream()),
                form: Form::Declared {
                    call: whole.clone(),
                    is_lazy,
                    attributes: attributes.join(" "),
                    visibility: declaration.visibility.to_token_stream().to_string(),
                    name,
                    type_range: range(&declaration.ty),
                    init: declaration.init,
                },
            });
        }
    }
}

impl<'ast> Visit<'ast> for StaticSites {
    fn visit_item(&mut self, node: &'ast Item) {
        self.has_definitions |= !self.path.is_empty()
            && matches!(
                node,
                Item::Struct(_)
                    | Item::Enum(_)
                    | Item::Union(_)
                    | Item::Type(_)
                    | Item::Trait(_)
                    | Item::Use(_)
                    | Item::Const(_)
            );
        visit::visit_item(self, node);
    }

    fn visit_item_static(&mut self, node: &'ast ItemStatic) {
        // A static with a symbol of its own has one life by that name.
        const OWN: [&str; 5] = [
            "no_mangle",
            "export_name",
            "linkage",
            "thread_local",
            "unsafe",
        ];
        let has_own = node
            .attrs
            .iter()
            .any(|attribute| OWN.iter().any(|name| attribute.path().is_ident(name)));
        let name = node.ident.to_string();
        if !has_own {
            self.found.push(StaticSite {
                path: self.path_of(&name),
                text: node.to_token_stream().to_string(),
                type_names: mentions(node.ty.to_token_stream()),
                form: Form::Plain(range(node).start),
            });
        }
        self.within(name, |this| visit::visit_item_static(this, node));
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.within(node.sig.ident.to_string(), |this| {
            visit::visit_item_fn(this, node);
        });
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        self.within(node.ident.to_string(), |this| {
            visit::visit_item_mod(this, node);
        });
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        let mut name = node.self_ty.to_token_stream().to_string();
        if let Some((path, _)) = &node.trait_ {
            name = format!("<{name} as {}>", path.to_token_stream());
        }
        self.within(name, |this| visit::visit_item_impl(this, node));
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.within(node.ident.to_string(), |this| {
            visit::visit_item_trait(this, node);
        });
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.within(node.sig.ident.to_string(), |this| {
            visit::visit_impl_item_fn(this, node);
        });
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.within(node.sig.ident.to_string(), |this| {
            visit::visit_trait_item_fn(this, node);
        });
    }

    fn visit_item_macro(&mut self, node: &'ast syn::ItemMacro) {
        self.declared(&node.mac, range(node));
    }

    fn visit_stmt_macro(&mut self, node: &'ast syn::StmtMacro) {
        self.declared(&node.mac, range(node));
    }
}

struct Declaration {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    is_lazy: bool,
    name: syn::Ident,
    ty: Type,
    init: Range<usize>,
    text: String,
}

fn declarations(input: ParseStream<'_>) -> Result<Vec<Declaration>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        found.push(input.parse()?);
    }
    Ok(found)
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> Result<Declaration> {
        let attributes = Attribute::parse_outer(input)?;
        let visibility = input.parse()?;
        input.parse::<Token![static]>()?;
        let is_lazy = input.parse::<Option<Token![ref]>>()?.is_some();
        let name: syn::Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty: Type = input.parse()?;
        input.parse::<Token![=]>()?;
        let start = input.span().byte_range().start;
        let (end, init) = if input.peek(Token![const]) && input.peek2(syn::token::Brace) {
            input.parse::<Token![const]>()?;
            let block: Block = input.parse()?;
            (range(&block).end, block.to_token_stream().to_string())
        } else {
            let value: Expr = input.parse()?;
            (range(&value).end, value.to_token_stream().to_string())
        };
        input.parse::<Option<Token![;]>>()?;
        Ok(Declaration {
            text: format!("{name}: {} = {init}", ty.to_token_stream()),
            attributes,
            visibility,
            is_lazy,
            name,
            ty,
            init: start..end,
        })
    }
}

/// A change of an item's text.
#[derive(Debug)]
pub struct Change {
    pub range: Range<usize>,
    pub text: String,
}

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
    for index in super::select::layout_of(&site.type_names, items) {
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
