//! Attributes at the top of a cell, and items that are not for this machine.

use quote::ToTokens;
use syn::{
    Attribute, Block, Meta, Stmt,
    parse::{ParseStream, Result},
    punctuated::Punctuated,
};

use crate::{chunk::Chunk, spans::range};

/// Lints whose level stays as it is: the engine's own lines would be refused.
const ENGINES_LINTS: [&str; 2] = ["warnings", "unsafe_code"];

/// Parses a chunk: inner attributes, then statements.
///
/// # Errors
///
/// Returns syn's error.
pub fn parse(input: ParseStream<'_>) -> Result<(Vec<Attribute>, Vec<Stmt>)> {
    let attributes = Attribute::parse_inner(input)?;
    Ok((attributes, Block::parse_within(input)?))
}

/// Notes what the attributes at the top of a chunk ask for.
pub fn note(attributes: &[Attribute], chunk: &mut Chunk) {
    for attribute in attributes {
        let path = attribute.path();
        let Some(name) = path.get_ident().map(ToString::to_string) else {
            continue;
        };
        match name.as_str() {
            "allow" | "expect" => {
                let lints = lints(attribute).join(", ");
                chunk.crate_attributes.push(format!("#![allow({lints})]"));
                chunk.lint_levels.push_str(&format!("#[allow({lints})] "));
            }
            "warn" | "deny" | "forbid" => {
                let lints: Vec<String> = lints(attribute)
                    .into_iter()
                    .filter(|lint| !ENGINES_LINTS.contains(&lint.as_str()))
                    .collect();
                if !lints.is_empty() {
                    let text = format!("#[{name}({})] ", lints.join(", "));
                    chunk.lint_levels.push_str(&text);
                }
            }
            "recursion_limit" | "type_length_limit" => {
                chunk
                    .crate_attributes
                    .push(attribute.to_token_stream().to_string());
            }
            "feature" => {
                let features = lints(attribute).join(", ");
                chunk.refused = Some((
                    range(attribute),
                    format!(
                        "`#![feature({features})]` asks for unstable features, and cells are compiled as on the \
                         stable channel, where rustc refuses it (E0554). Remove the line, and what needs it"
                    ),
                ));
            }
            "no_std" | "no_core" | "crate_type" | "crate_name" | "no_main" | "no_builtins" => {
                chunk.refused = Some((
                    range(attribute),
                    format!(
                        "`#![{name}]` is for a whole crate, and a cell is a part of the notebook's program, which has \
                         the standard library, an entry and a name already. Remove the line"
                    ),
                ));
            }
            // Documentation, formatting: nothing for the compiler.
            _ => {}
        }
    }
}

/// What stands in an attribute's parentheses, without a reason.
fn lints(attribute: &Attribute) -> Vec<String> {
    let parser = Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    let Ok(metas) = attribute.parse_args_with(parser) else {
        return Vec::new();
    };
    metas
        .iter()
        .filter(|meta| matches!(meta, Meta::Path(_)))
        .map(|meta| meta.to_token_stream().to_string().replace(' ', ""))
        .collect()
}

/// Whether a `cfg` attribute leaves the item out on this machine.
pub fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .filter_map(|attribute| attribute.parse_args::<Meta>().ok())
        .any(|condition| holds(&condition) == Some(false))
}

/// Whether a condition holds; `None` where only the compiler knows.
fn holds(condition: &Meta) -> Option<bool> {
    let name = condition.path().get_ident()?.to_string();
    match condition {
        Meta::Path(_) => match name.as_str() {
            "unix" | "windows" => Some(std::env::consts::FAMILY == name),
            "test" | "debug_assertions" | "doc" | "doctest" | "miri" => Some(false),
            _ => None,
        },
        Meta::NameValue(pair) => {
            let syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(value),
                ..
            }) = &pair.value
            else {
                return None;
            };
            let value = value.value();
            match name.as_str() {
                "target_os" => Some(std::env::consts::OS == value),
                "target_arch" => Some(std::env::consts::ARCH == value),
                "target_family" => Some(std::env::consts::FAMILY == value),
                "target_pointer_width" => Some(usize::BITS.to_string() == value),
                // No cell has features of its own.
                "feature" => Some(false),
                _ => None,
            }
        }
        Meta::List(list) => {
            let parser = Punctuated::<Meta, syn::Token![,]>::parse_terminated;
            let parts: Vec<Option<bool>> = list
                .parse_args_with(parser)
                .ok()?
                .iter()
                .map(holds)
                .collect();
            match name.as_str() {
                "not" => parts.first().copied().flatten().map(|holds| !holds),
                "all" if parts.contains(&Some(false)) => Some(false),
                "all" => parts.iter().all(|part| *part == Some(true)).then_some(true),
                "any" if parts.contains(&Some(true)) => Some(true),
                "any" => parts
                    .iter()
                    .all(|part| *part == Some(false))
                    .then_some(false),
                _ => None,
            }
        }
    }
}
