//! Macro calls that make items.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Item, ItemMacro, Macro, Stmt};

/// Macros that make items whatever stands in them.
const ITEM_MACROS: [&str; 3] = ["thread_local", "lazy_static", "bitflags"];

/// Words that begin an item, with a name behind them.
const KEYWORDS: [&str; 8] = [
    "fn", "struct", "enum", "union", "trait", "mod", "static", "type",
];

/// The last identifier of a macro's path.
pub fn name(call: &Macro) -> String {
    call.path
        .segments
        .last()
        .map_or_else(String::new, |segment| segment.ident.to_string())
}

/// The statements of a chunk, with the calls of macros that make items as items. `known` says it of the macros of
/// earlier cells.
pub fn with_items(statements: Vec<Stmt>, known: &dyn Fn(&str) -> bool) -> Vec<Stmt> {
    let own: BTreeMap<String, &ItemMacro> = statements
        .iter()
        .filter_map(|statement| match statement {
            Stmt::Item(Item::Macro(node)) => Some((node.ident.as_ref()?.to_string(), node)),
            _ => None,
        })
        .collect();
    let own_makes: BTreeMap<&str, bool> = own
        .iter()
        .map(|(name, node)| (name.as_str(), makes_items(node.mac.tokens.clone())))
        .collect();
    let known = |name: &str| own_makes.get(name).copied().unwrap_or_else(|| known(name));
    // `with_types!(make)` makes what `make` does, if all that it does is to call it.
    let makes_for_another =
        |call: &Macro| {
            own.get(&name(call))
                .is_some_and(|node| only_calls(node.mac.tokens.clone()))
                && call.tokens.clone().into_iter().any(
                    |tree| matches!(tree, TokenTree::Ident(other) if known(&other.to_string())),
                )
        };
    let makes = |call: &Macro| known(&name(call)) || makes_for_another(call);
    let item = |statement: &Stmt| as_item(statement, &makes);
    let items: Vec<Option<Item>> = statements.iter().map(item).collect();
    statements
        .into_iter()
        .zip(items)
        .map(|(statement, item)| item.map_or(statement, Stmt::Item))
        .collect()
}

/// The item that a statement is, if it is a call of a macro that makes items.
fn as_item(statement: &Stmt, makes: &dyn Fn(&Macro) -> bool) -> Option<Item> {
    let Stmt::Macro(call) = statement else {
        return None;
    };
    let name = name(&call.mac);
    let is_item = ITEM_MACROS.contains(&name.as_str())
        || makes(&call.mac)
        || begins_item(call.mac.tokens.clone())
        || name == "cfg_if" && chooses_items(call.mac.tokens.clone());
    is_item.then(|| {
        Item::Macro(ItemMacro {
            attrs: call.attrs.clone(),
            ident: None,
            mac: call.mac.clone(),
            semi_token: call.semi_token,
        })
    })
}

/// Whether the first branch of a `cfg_if!` has items in it.
fn chooses_items(tokens: TokenStream) -> bool {
    let mut trees = tokens.into_iter();
    let branch = trees.find_map(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
        _ => None,
    });
    branch.is_some_and(|items| begins_item(items.clone()) && ends_item(items))
}

/// Whether every rule of a macro is the call of a macro that the caller names.
fn only_calls(rules: TokenStream) -> bool {
    let calls = |stream: TokenStream| {
        let trees: Vec<TokenTree> = stream.into_iter().take(3).collect();
        matches!(&trees[..], [TokenTree::Punct(dollar), TokenTree::Ident(_), TokenTree::Punct(call)]
            if dollar.as_char() == '$' && call.as_char() == '!')
    };
    let transcribers = transcribers(rules);
    !transcribers.is_empty() && transcribers.into_iter().all(calls)
}

/// Whether every rule of a macro with something in it makes items.
pub fn makes_items(rules: TokenStream) -> bool {
    let transcribers = transcribers(rules);
    !transcribers.is_empty()
        && transcribers
            .into_iter()
            .all(|stream| begins_item(stream.clone()) && ends_item(stream))
}

/// What the rules of a macro expand to, as far as it is something: a rule is a matcher, `=>`, and a transcriber.
fn transcribers(rules: TokenStream) -> Vec<TokenStream> {
    let trees: Vec<TokenTree> = rules.into_iter().collect();
    trees
        .windows(3)
        .filter_map(|window| match window {
            [
                TokenTree::Punct(equal),
                TokenTree::Punct(arrow),
                TokenTree::Group(group),
            ] if equal.as_char() == '=' && arrow.as_char() == '>' => Some(group.stream()),
            _ => None,
        })
        .filter(|stream| !stream.is_empty())
        .collect()
}

/// Whether tokens begin as an item does, after attributes and a visibility.
fn begins_item(tokens: TokenStream) -> bool {
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            // An attribute.
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if !matches!(trees.next(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
                {
                    return false;
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '$' => match trees.next() {
                // What is repeated may be attributes, or the items themselves.
                Some(TokenTree::Group(group)) => {
                    let inner = group.stream();
                    let is_attribute = matches!(inner.clone().into_iter().next(),
                        Some(TokenTree::Punct(punct)) if punct.as_char() == '#')
                        && inner.clone().into_iter().count() == 2;
                    if !is_attribute {
                        return begins_item(inner);
                    }
                    while let Some(TokenTree::Punct(punct)) = trees.peek() {
                        if !matches!(punct.as_char(), '*' | '+' | '?') {
                            break;
                        }
                        trees.next();
                    }
                }
                // `$vis`, if an item follows.
                Some(TokenTree::Ident(_)) => {
                    if !matches!(trees.peek(), Some(TokenTree::Ident(_))) {
                        return false;
                    }
                }
                _ => return false,
            },
            TokenTree::Ident(word) => {
                let word = word.to_string();
                match word.as_str() {
                    "pub" => {
                        if matches!(trees.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                        {
                            trees.next();
                        }
                    }
                    "unsafe" | "async" => {
                        // `unsafe { … }` is an expression.
                        if !matches!(trees.peek(), Some(TokenTree::Ident(_))) {
                            return false;
                        }
                    }
                    "const" => {
                        return !matches!(trees.peek(), Some(TokenTree::Group(_)));
                    }
                    _ if ITEM_MACROS.contains(&word.as_str()) => return true,
                    "impl" | "use" | "extern" | "macro_rules" => return trees.peek().is_some(),
                    _ => {
                        let has_name = match trees.peek() {
                            Some(TokenTree::Ident(_)) => true,
                            Some(TokenTree::Punct(punct)) => punct.as_char() == '$',
                            _ => false,
                        };
                        return KEYWORDS.contains(&word.as_str()) && has_name;
                    }
                }
            }
            _ => return false,
        }
    }
    false
}

/// Whether tokens end as an item does: with a brace, a semicolon, or a repetition of items.
fn ends_item(tokens: TokenStream) -> bool {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    match trees.as_slice() {
        [.., TokenTree::Group(group)] => group.delimiter() == Delimiter::Brace,
        [.., TokenTree::Group(_), TokenTree::Punct(punct)] => {
            matches!(punct.as_char(), '*' | '+' | '?' | ';')
        }
        [.., TokenTree::Punct(punct)] => punct.as_char() == ';',
        _ => false,
    }
}

/// The names that the text of a call defines, types and values apart.
pub fn defined_names(tokens: TokenStream) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut types, mut values) = (BTreeSet::new(), BTreeSet::new());
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, pair) in trees.windows(2).enumerate() {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else {
            continue;
        };
        // `&'static str` defines nothing.
        let before = index.checked_sub(1).and_then(|before| trees.get(before));
        if matches!(before, Some(TokenTree::Punct(punct)) if punct.as_char() == '\'') {
            continue;
        }
        let name = name.to_string();
        match keyword.to_string().as_str() {
            "struct" | "enum" | "union" | "trait" | "type" | "mod" => types.insert(name),
            "fn" | "const" | "static" | "ref" | "mut" => values.insert(name),
            _ => false,
        };
    }
    values.remove("ref");
    values.remove("mut");
    (types, values)
}

/// The names that a macro may define of those that its call mentions.
pub fn possible_names(mentions: &BTreeSet<String>) -> BTreeSet<String> {
    const OTHERS: [&str; 34] = [
        "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8",
        "u16", "u32", "u64", "u128", "usize", "String", "Vec", "Option", "Result", "Box", "Self",
        "self", "std", "core", "crate", "super", "derive", "Debug", "Clone", "Copy", "Default",
        "as",
    ];
    let names = mentions.iter();
    names
        .filter(|name| !OTHERS.contains(&name.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_that_make_items_are_told_from_others() {
        let makes = |rules: &str| makes_items(rules.parse().unwrap());
        assert!(makes("($n:ident) => { fn $n() -> i32 { 1 } };"));
        assert!(makes(
            "($(#[$m:meta])* $v:vis $n:ident) => { $(#[$m])* $v struct $n; };"
        ));
        assert!(makes(
            "($($n:ident),*) => { $( #[derive(Debug)] pub struct $n; )* };"
        ));
        assert!(makes("($t:ty) => { unsafe impl Send for $t {} };"));
        assert!(!makes("($e:expr) => { $e + 1 };"));
        assert!(!makes("() => { unsafe { f() } };"));
        assert!(!makes("() => { const { 1 } };"));
        assert!(!makes("() => { fn helper() {} helper() };"));
        assert!(!makes("() => {};"));
        assert!(!makes("() => { struct A; }; ($e:expr) => { $e };"));
    }
}
