//! Items: what the engine must know about a function, a type, an impl or an import beyond its text.

pub mod attributes;
mod change;
pub mod layout;
pub mod macros;
pub mod scope;
pub mod select;
pub mod static_sites;
pub mod statics;
pub mod text;
pub mod write;

use std::{collections::BTreeSet, ops::Range};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, Visibility, visit::Visit};

use super::{imports::import_leaves, names, spans::range};
use static_sites::{StaticSite, StaticSites};

/// How an item is built, as far as programs change or leave out parts of it.
#[derive(Debug, Default)]
pub struct Shape {
    /// What the user calls the item, "`fn f`" or "impl of `Net`".
    pub title: String,
    /// The members of an inherent impl, each of which a later cell can define anew.
    pub members: Vec<Member>,
    /// The traits that a type derives, each of which a later cell can implement by hand.
    pub derives: Vec<Derive>,
    /// The trait and the type of an impl.
    pub implements: Option<Implements>,
    /// Where a visibility goes if the item stands in a module of its own.
    pub visible_at: Option<usize>,
    /// Whether the item can stand in a module of its own.
    pub can_move: bool,
    /// The first identifiers of the paths of a type.
    pub heads: Vec<(String, Range<usize>)>,
    /// The statics in it.
    pub statics: Vec<StaticSite>,
    /// What other items see of this one: all of it but a function's body.
    pub interface: String,
    /// What decides how a value lies in memory, for types and constants.
    pub layout: Option<String>,
    /// The place in a program that its kind has.
    pub stage: Stage,
    /// The item macro that makes this item.
    pub called_macro: Option<String>,
    /// For a macro: whether a call of it makes items.
    pub makes_items: bool,
    /// The path of an import, with the new name.
    pub import: Option<String>,
    /// Lint levels of the cell that defines the item, as attributes.
    pub lint_levels: String,
    /// Whether it is a type alias.
    pub is_alias: bool,
    /// Whether it is a trait.
    pub is_trait: bool,
    /// For a trait: where the bodies of its methods begin. For a module that takes all names from outside: where it
    /// begins.
    pub bodies: Vec<usize>,
    /// The names that a module binds itself.
    pub bound_inside: BTreeSet<String>,
}

/// A member of an inherent impl.
#[derive(Debug)]
pub struct Member {
    /// The member's name.
    pub name: String,
    /// The member's bytes in the item's text.
    pub range: Range<usize>,
    /// The offset at which `pub` can be written; `None` where the member has a visibility.
    pub visible_at: Option<usize>,
    /// The member's signature, by which edits are told from changes of a body.
    pub interface: String,
}

/// A `derive` attribute.
#[derive(Debug)]
pub struct Derive {
    /// The derive's bytes in the item's text.
    pub range: Range<usize>,
    /// The last identifier and the whole path of each trait.
    pub traits: Vec<(String, String)>,
}

/// The header of an impl.
#[derive(Debug, PartialEq, Eq)]
pub struct Implements {
    /// The last identifier of the trait's path; `None` for an inherent impl.
    pub trait_name: Option<String>,
    /// Whether the trait has arguments.
    pub has_arguments: bool,
    /// The last identifier of the type's path.
    pub target: String,
    /// Whether it has associated types or constants.
    pub has_associated_types: bool,
}

/// Where an item stands in a program. A macro has to stand before its users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A `macro_rules`.
    Macro,
    /// A call of a macro that makes items.
    MacroCall,
    /// All other items.
    #[default]
    Rest,
}

impl Shape {
    /// Reads what a syntax tree says.
    pub fn of(item: &Item) -> Shape {
        let mut sites = StaticSites::default();
        sites.visit_item(item);
        let mut shape = Shape {
            statics: sites.finish(item),
            interface: item.to_token_stream().to_string(),
            ..Shape::default()
        };
        match item {
            Item::Fn(node) => {
                shape.title = format!("`fn {}`", node.sig.ident);
                shape.interface = node.sig.to_token_stream().to_string();
                if node.sig.constness.is_some() {
                    shape.layout = Some(without_notes(item.to_token_stream()));
                }
                shape.moves(&node.vis, range(&node.sig).start);
            }
            Item::Const(node) => {
                shape.title = format!("`const {}`", node.ident);
                shape.layout = Some(without_notes(item.to_token_stream()));
                shape.moves(&node.vis, range(&node.const_token).start);
            }
            Item::Static(node) => {
                shape.title = format!("`static {}`", node.ident);
                shape.moves(&node.vis, range(&node.static_token).start);
            }
            Item::Struct(node) => shape.defines_type(item, "struct", &node.ident, &node.attrs),
            Item::Enum(node) => shape.defines_type(item, "enum", &node.ident, &node.attrs),
            Item::Union(node) => shape.defines_type(item, "union", &node.ident, &node.attrs),
            Item::Type(node) => {
                shape.is_alias = true;
                shape.defines_type(item, "type", &node.ident, &[]);
            }
            Item::Trait(node) => {
                shape.title = format!("`trait {}`", node.ident);
                shape.is_trait = true;
                shape.heads = heads(item);
                node.items
                    .iter()
                    .filter_map(|item| match item {
                        syn::TraitItem::Fn(node) => node.default.as_ref(),
                        _ => None,
                    })
                    .for_each(|body| opens(&mut shape.bodies, &body.brace_token));
                shape.layout = Some(without_notes(item.to_token_stream()));
            }
            Item::Mod(node) => {
                shape.title = format!("`mod {}`", node.ident);
                shape.layout = Some(without_notes(item.to_token_stream()));
                if let Some((brace, content)) = &node.content {
                    let leaves: Vec<(String, Option<String>)> = content
                        .iter()
                        .filter_map(|item| match item {
                            Item::Use(import) => Some(import_leaves(import)),
                            _ => None,
                        })
                        .flatten()
                        .collect();
                    if leaves.iter().any(|(path, _)| path == "super::*") {
                        opens(&mut shape.bodies, brace);
                    }
                    let bound = leaves.into_iter().filter_map(|(_, bound)| bound);
                    shape.bound_inside.extend(bound);
                }
                if has_attribute(&node.attrs, "macro_use") {
                    shape.stage = Stage::MacroCall;
                }
            }
            Item::Macro(node) => shape.macro_item(node),
            Item::Impl(node) => shape.impl_block(node),
            Item::ExternCrate(node) => {
                shape.title = format!("`extern crate {}`", node.ident);
                shape.stage = Stage::MacroCall;
            }
            Item::ForeignMod(_) => shape.title = "`extern` block".to_owned(),
            _ => shape.title = "item".to_owned(),
        }
        shape
    }

    fn moves(&mut self, visibility: &Visibility, at: usize) {
        self.can_move = true;
        self.visible_at = is_private(visibility).then_some(at);
    }

    fn defines_type(
        &mut self,
        item: &Item,
        keyword: &str,
        ident: &syn::Ident,
        attributes: &[Attribute],
    ) {
        self.title = format!("`{keyword} {ident}`");
        self.layout = Some(without_notes(item.to_token_stream()));
        self.derives = attributes.iter().filter_map(derive).collect();
        self.heads = heads(item);
    }

    fn macro_item(&mut self, node: &syn::ItemMacro) {
        match &node.ident {
            Some(ident) => {
                self.title = format!("`macro_rules! {ident}`");
                self.stage = Stage::Macro;
                self.makes_items = macros::makes_items(node.mac.tokens.clone());
            }
            None => {
                let name = macros::name(&node.mac);
                self.title = format!("`{name}!`");
                self.stage = Stage::MacroCall;
                self.layout = Some(self.interface.clone());
                self.called_macro = Some(name);
            }
        }
    }

    fn impl_block(&mut self, node: &syn::ItemImpl) {
        let target = type_name(&node.self_ty);
        let shown = node.self_ty.to_token_stream().to_string().replace(' ', "");
        let has_associated_types = node
            .items
            .iter()
            .any(|item| matches!(item, ImplItem::Type(_) | ImplItem::Const(_)));
        // A macro or an attribute may make or want more than the members that are seen here.
        let is_plain = node.attrs.iter().all(is_builtin)
            && node.items.iter().all(|item| {
                matches!(
                    item,
                    ImplItem::Fn(_) | ImplItem::Const(_) | ImplItem::Type(_)
                )
            });
        self.can_move = is_plain;
        match &node.trait_ {
            Some((path, _)) => {
                let last = path.segments.last();
                let name = last.map(|segment| segment.ident.to_string());
                self.title = format!(
                    "impl of `{}` for `{shown}`",
                    path.to_token_stream().to_string().replace(' ', "")
                );
                self.implements = Some(Implements {
                    trait_name: name,
                    has_arguments: last.is_some_and(|segment| !segment.arguments.is_empty()),
                    target,
                    has_associated_types,
                });
            }
            None => {
                self.title = format!("impl of `{shown}`");
                self.implements = Some(Implements {
                    trait_name: None,
                    has_arguments: false,
                    target,
                    has_associated_types: false,
                });
                if is_plain {
                    self.members = node.items.iter().filter_map(member).collect();
                }
            }
        }
    }

    /// The names of the members of an inherent impl.
    pub fn member_names(&self) -> BTreeSet<&str> {
        let names = self.members.iter().map(|member| member.name.as_str());
        names.collect()
    }

    /// Whether a type derives a trait.
    pub fn has_derive(&self, name: &str) -> bool {
        self.derives
            .iter()
            .flat_map(|derive| &derive.traits)
            .any(|(known, _)| known == name)
    }
}

/// Attributes that change nothing about which members an impl has.
fn is_builtin(attribute: &Attribute) -> bool {
    const KNOWN: [&str; 9] = [
        "allow",
        "warn",
        "deny",
        "forbid",
        "expect",
        "doc",
        "cfg",
        "automatically_derived",
        "rustfmt",
    ];
    let path = attribute.path();
    KNOWN.iter().any(|name| path.is_ident(name))
        || path
            .segments
            .first()
            .is_some_and(|first| first.ident == "rustfmt" || first.ident == "clippy")
}

fn is_private(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Inherited)
}

/// Whether one of the attributes has this name.
pub fn has_attribute(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident(name))
}

fn derive(attribute: &Attribute) -> Option<Derive> {
    if !attribute.path().is_ident("derive") {
        return None;
    }
    let mut traits = Vec::new();
    attribute
        .parse_nested_meta(|meta| {
            let text = meta.path.to_token_stream().to_string();
            if let Some(last) = meta.path.segments.last() {
                traits.push((last.ident.to_string(), text));
            }
            Ok(())
        })
        .ok()?;
    Some(Derive {
        range: range(attribute),
        traits,
    })
}

fn member(item: &ImplItem) -> Option<Member> {
    let (name, visibility, at, interface) = match item {
        ImplItem::Fn(node) => (
            &node.sig.ident,
            &node.vis,
            range(&node.sig).start,
            node.sig.to_token_stream(),
        ),
        ImplItem::Const(node) => (
            &node.ident,
            &node.vis,
            range(&node.const_token).start,
            node.to_token_stream(),
        ),
        ImplItem::Type(node) => (
            &node.ident,
            &node.vis,
            range(&node.type_token).start,
            node.to_token_stream(),
        ),
        _ => return None,
    };
    Some(Member {
        name: name.to_string(),
        range: range(item),
        visible_at: is_private(visibility).then_some(at),
        interface: interface.to_string(),
    })
}

/// The last identifier of a type's path, or its text.
fn type_name(tree: &syn::Type) -> String {
    match tree {
        syn::Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or_else(String::new, |segment| segment.ident.to_string()),
        other => other.to_token_stream().to_string(),
    }
}

/// The text of an item without the attributes that leave values as they are.
fn without_notes(tokens: TokenStream) -> String {
    const NOTES: [&str; 9] = [
        "derive", "doc", "allow", "warn", "deny", "expect", "must_use", "serde", "default",
    ];
    let mut text = String::new();
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let is_note = trees.peek().is_some_and(|next| {
                    let TokenTree::Group(group) = next else {
                        return false;
                    };
                    let first = group.stream().into_iter().next();
                    matches!(first, Some(TokenTree::Ident(name)) if NOTES.iter().any(|note| name == note))
                });
                if is_note {
                    trees.next();
                } else {
                    text.push('#');
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = names::brackets(group.delimiter());
                text.push_str(open);
                text.push_str(&without_notes(group.stream()));
                text.push_str(close);
            }
            other => {
                text.push_str(&other.to_string());
                text.push(' ');
            }
        }
    }
    text
}

/// Notes what stands behind an opening brace.
fn opens(places: &mut Vec<usize>, brace: &syn::token::Brace) {
    places.push(brace.span.open().byte_range().end);
}

fn heads(item: &Item) -> Vec<(String, Range<usize>)> {
    let mut heads = Heads::default();
    heads.visit_item(item);
    heads.0
}

/// The first identifiers of paths.
#[derive(Default)]
struct Heads(Vec<(String, Range<usize>)>);

impl<'ast> Visit<'ast> for Heads {
    fn visit_path(&mut self, node: &'ast syn::Path) {
        if node.leading_colon.is_none()
            && let Some(first) = node.segments.first()
        {
            self.0.push((first.ident.to_string(), range(&first.ident)));
        }
        syn::visit::visit_path(self, node);
    }

    // Bodies have the names that are imported into them.
    fn visit_block(&mut self, _: &'ast syn::Block) {}

    // Attributes have names of their own.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
