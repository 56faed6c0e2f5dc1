//! The identifiers that a piece of Rust mentions.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Adds every identifier of `tokens` to `names`, those inside macro calls and those that format
/// strings capture (`"{loss:.3}"`) included.
///
/// This takes in too much (field and method names, words in braces of any string), which costs a
/// needless repetition of an item at worst; it must never take in too little.
pub fn collect(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => {
                names.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Literal(literal) => collect_captures(&literal.to_string(), names),
            TokenTree::Punct(_) => {}
        }
    }
}

/// The opening and the closing bracket of a group of tokens.
pub fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Writes tokens, each identifier that `other` answers for by what it answers.
pub fn write_with(tokens: TokenStream, text: &mut String, other: &dyn Fn(&str) -> Option<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                text.push_str(open);
                write_with(group.stream(), text, other);
                text.push_str(close);
            }
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                text.push_str(&other(&name).unwrap_or(name));
                text.push(' ');
            }
            other => text.push_str(&other.to_string()),
        }
    }
}

/// The identifiers that tokens mention.
pub fn mentions(tokens: TokenStream) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(tokens, &mut found);
    found
}

/// The identifiers that directly follow an opening brace or a `$` width argument in a literal.
fn collect_captures(literal: &str, names: &mut BTreeSet<String>) {
    if !literal.contains('{') {
        return;
    }
    let mut word = String::new();
    for character in literal.chars() {
        if character == '_' || character.is_alphanumeric() {
            word.push(character);
        } else {
            if word.starts_with(|first: char| first == '_' || first.is_alphabetic()) {
                names.insert(std::mem::take(&mut word));
            }
            word.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        let mut names = BTreeSet::new();
        collect(source.parse().unwrap(), &mut names);
        names.into_iter().collect()
    }

    #[test]
    fn identifiers_inside_macros_and_format_strings_count() {
        assert_eq!(names("let y = f(x);"), ["f", "let", "x", "y"]);
        assert_eq!(
            names(r#"println!("{a} {b:.3} {:width$}", c.d)"#),
            ["a", "b", "c", "d", "println", "width"]
        );
        assert_eq!(names("vec![n; 3]"), ["n", "vec"]);
        assert_eq!(names(r#"f("plain words")"#), ["f"]);
    }
}
