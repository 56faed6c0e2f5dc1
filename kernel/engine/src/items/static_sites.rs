//! The statics in an item.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, Item, ItemStatic, Token, Type, Visibility,
    parse::{Parse, ParseStream, Parser, Result},
    visit::{self, Visit},
};

use super::macros;
use crate::{names::mentions, spans::range};

/// A static, wherever it stands in an item.
#[derive(Debug)]
pub struct StaticSite {
    /// The functions and modules around it, and its name.
    pub path: String,
    /// Its text, or that of the item around it if the types may be defined there.
    pub(super) text: String,
    /// The identifiers of its type.
    pub(super) type_names: BTreeSet<String>,
    pub(super) form: Form,
}

/// How a static is written.
#[derive(Debug)]
pub enum Form {
    /// A static, which begins here.
    Plain(usize),
    /// One of the declarations of a `thread_local!` or a `lazy_static!`.
    Declared {
        /// The whole call; the same for all its declarations.
        call: Range<usize>,
        /// Whether it is made at its first use.
        is_lazy: bool,
        /// The attributes' text.
        attributes: String,
        /// The visibility's text.
        visibility: String,
        /// The static's name.
        name: String,
        /// The type's bytes in the item's text.
        type_range: Range<usize>,
        /// The bytes of the expression that makes it.
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
    /// Returns the statics that were found in the item.
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
