//! Gives `%%plugin` and `patchbay plugin new` the kinds of component that the SDK declares.

use std::{env, fmt::Write, fs, io, path::Path};

use quote::ToTokens;
use syn::{FnArg, Item, ItemTrait, Pat, ReturnType, TraitItem, TraitItemFn};

/// Where a kind is a file with a `kind!`.
const KINDS: &str = "../plugin/src/kinds";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={KINDS}");
    let mut files: Vec<_> = fs::read_dir(KINDS)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut table = String::from("&[\n");
    for file in files {
        if file.file_type()?.is_dir() {
            continue;
        }
        let text = fs::read_to_string(file.path())?;
        println!("cargo::rerun-if-changed={}", file.path().display());
        let Ok(parsed) = syn::parse_file(&text) else {
            continue;
        };
        for item in parsed.items {
            if let Item::Macro(call) = item
                && call.mac.path.is_ident("kind")
            {
                let kind: ItemTrait = call
                    .mac
                    .parse_body()
                    .map_err(|error| io::Error::other(format!("{:?}: {error}", file.path())))?;
                add(&kind, &mut table).map_err(io::Error::other)?;
            }
        }
    }
    table += "]\n";
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("kinds.rs"), table)
}

/// Adds a kind: its name, its trait, and the arguments of its function where a function is enough.
fn add(kind: &ItemTrait, table: &mut String) -> std::fmt::Result {
    let name = kind.attrs.iter().find_map(|attribute| {
        let pair = attribute.meta.require_name_value().ok()?;
        let literal = pair.value.to_token_stream().to_string();
        (pair.path.is_ident("name")).then_some(literal)
    });
    let required: Vec<&TraitItemFn> = kind
        .items
        .iter()
        .filter_map(|item| match item {
            TraitItem::Fn(function) if function.default.is_none() => Some(function),
            _ => None,
        })
        .collect();
    let function = match required.as_slice() {
        [function] => arguments(function),
        _ => None,
    };
    let function = match function {
        Some((name, arguments)) => format!("Some(({name:?}, &{arguments:?}))"),
        None => "None".to_owned(),
    };
    writeln!(
        table,
        "    Kind {{ name: {}, trait_name: {:?}, function: {function} }},",
        name.unwrap_or_default(),
        kind.ident.to_string()
    )
}

/// The function's name and its arguments, if it takes tensors and returns one.
fn arguments(function: &TraitItemFn) -> Option<(String, Vec<String>)> {
    let returns = match &function.sig.output {
        ReturnType::Type(_, of) => of.to_token_stream().to_string(),
        ReturnType::Default => String::new(),
    };
    let mut names = Vec::new();
    for argument in &function.sig.inputs {
        if let FnArg::Typed(argument) = argument {
            let of = argument.ty.to_token_stream().to_string();
            let Pat::Ident(name) = &*argument.pat else {
                return None;
            };
            if of.replace(' ', "") != "&Tensor" {
                return None;
            }
            names.push(name.ident.to_string());
        }
    }
    (returns.replace(' ', "") == "Result<Tensor>").then(|| (function.sig.ident.to_string(), names))
}
