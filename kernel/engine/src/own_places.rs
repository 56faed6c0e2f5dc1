//! `dbg!`, `file!` and `line!` in a cell: they name the cell, not the program that is made of it.
//!
//! A line is a number in the program's text. The cell's number is not, because equal programs are compiled once; the SDK knows it
//! when the program runs.

use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::program::Source;

/// A part of a source that stands in the program in another form.
pub struct Replacement {
    pub range: Range<usize>,
    pub text: String,
}

/// Where code stands, as far as it decides what can be written there.
#[derive(Clone, Copy, Default)]
struct Context {
    /// Only literals can stand here: in `concat!`, in constants.
    is_constant: bool,
    /// In the definition of a macro, whose lines are those of its calls.
    is_macro: bool,
}

/// What stands in another form, in order. Nothing where the text cannot be read; the compiler says why.
pub fn replacements(source: &Source) -> Vec<Replacement> {
    let text = &*source.text;
    let mut found = Vec::new();
    if ["dbg!", "file!", "line!"]
        .iter()
        .any(|name| text.contains(name))
        && let Ok(tokens) = text.parse()
    {
        collect(tokens, Context::default(), source, &mut found);
    }
    found
}

fn collect(tokens: TokenStream, context: Context, source: &Source, found: &mut Vec<Replacement>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut in_constant = false;
    for (index, token) in tokens.iter().enumerate() {
        let (before, after) = (&tokens[..index], &tokens[index + 1..]);
        match token {
            TokenTree::Ident(word) if word == "const" || word == "static" => {
                in_constant = !after.iter().take(3).any(|next| {
                    matches!(next, TokenTree::Ident(word) if word == "fn" || word == "unsafe" || word == "extern")
                });
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => in_constant = false,
            TokenTree::Ident(word) if is_punct(after.first(), '!') => {
                let Some(TokenTree::Group(arguments)) = after.get(1) else {
                    continue;
                };
                let context = Context {
                    is_constant: context.is_constant || in_constant,
                    ..context
                };
                let name = word.to_string();
                let Some(start) = start_of_path(before, token) else {
                    continue;
                };
                let end = arguments.span_close().byte_range().end;
                let is_empty = arguments.stream().is_empty();
                let text = match name.as_str() {
                    "dbg" => Some((word.span().byte_range().end, "::patchbay::__dbg".to_owned())),
                    "file" if is_empty && !context.is_constant => {
                        Some((end, "::patchbay::__file!()".to_owned()))
                    }
                    "line" if is_empty && !context.is_macro => {
                        let line = source.line_of(word.span().byte_range().start);
                        Some((end, format!("{line}_u32")))
                    }
                    "line" if is_empty && !context.is_constant => {
                        Some((end, "::patchbay::__line!()".to_owned()))
                    }
                    _ => None,
                };
                if let Some((end, text)) = text {
                    found.push(Replacement {
                        range: start..end,
                        text,
                    });
                }
            }
            TokenTree::Group(group) => {
                let called = |name: &str| {
                    is_punct(before.last(), '!')
                        && matches!(before.iter().rev().nth(1), Some(TokenTree::Ident(word)) if word == name)
                };
                let is_definition = matches!(before.last(), Some(TokenTree::Ident(_)))
                    && is_punct(before.iter().rev().nth(1), '!')
                    && matches!(before.iter().rev().nth(2), Some(TokenTree::Ident(word)) if word == "macro_rules");
                let is_attribute =
                    group.delimiter() == Delimiter::Bracket && is_punct(before.last(), '#');
                let inner = Context {
                    is_constant: context.is_constant
                        || in_constant
                        || is_attribute
                        || [
                            "concat",
                            "include",
                            "include_str",
                            "include_bytes",
                            "compile_error",
                            "env",
                        ]
                        .iter()
                        .any(|name| called(name)),
                    is_macro: context.is_macro || is_definition,
                };
                collect(group.stream(), inner, source, found);
            }
            _ => {}
        }
    }
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Where a name begins with the `std::` or `core::` in front of it; `None` behind another path, where the name is another macro.
fn start_of_path(before: &[TokenTree], name: &TokenTree) -> Option<usize> {
    let start = name.span().byte_range().start;
    let [rest @ .., first, second] = before else {
        return Some(start);
    };
    if !(is_punct(Some(first), ':') && is_punct(Some(second), ':')) {
        return Some(start);
    }
    let [rest @ .., TokenTree::Ident(krate)] = rest else {
        return None;
    };
    if krate != "std" && krate != "core" {
        return None;
    }
    match rest {
        [.., first, second] if is_punct(Some(first), ':') && is_punct(Some(second), ':') => {
            Some(first.span().byte_range().start)
        }
        _ => Some(krate.span().byte_range().start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with its replacements.
    fn replaced(text: &str) -> String {
        let source = Source {
            text: text.into(),
            cell: 7,
            first_line: 2,
        };
        let (mut result, mut start) = (String::new(), 0);
        for replacement in replacements(&source) {
            result.push_str(&text[start..replacement.range.start]);
            result.push_str(&replacement.text);
            start = replacement.range.end;
        }
        result + &text[start..]
    }

    #[test]
    fn places_name_the_cell() {
        for (text, expected) in [
            ("let a = 1;\nline!()", "let a = 1;\n4_u32"),
            (
                "println!(\"{}:{}\", file!(), line!())",
                "println!(\"{}:{}\", ::patchbay::__file!(), 3_u32)",
            ),
            (
                "dbg!(dbg!(x) + line!())",
                "::patchbay::__dbg!(::patchbay::__dbg!(x) + 3_u32)",
            ),
            (
                "std::dbg!(x); ::core::line!()",
                "::patchbay::__dbg!(x); 3_u32",
            ),
            // Only literals can stand in these.
            (
                "concat!(file!(), \":\", line!())",
                "concat!(file!(), \":\", 3_u32)",
            ),
            (
                "const A: (&str, u32) = (file!(), line!()); file!()",
                "const A: (&str, u32) = (file!(), 3_u32); ::patchbay::__file!()",
            ),
            (
                "const fn f() -> u32 { line!() } static S: &str = file!();",
                "const fn f() -> u32 { 3_u32 } static S: &str = file!();",
            ),
            // A macro's lines are those of its calls.
            (
                "macro_rules! here { () => { (file!(), line!()) } }",
                "macro_rules! here { () => { (::patchbay::__file!(), ::patchbay::__line!()) } }",
            ),
            // Not theirs.
            (
                "log::dbg!(x); let line = 1; a.file; \"line!()\" // dbg!(x)",
                "log::dbg!(x); let line = 1; a.file; \"line!()\" // dbg!(x)",
            ),
            ("line!(1); 'x' ) dbg!(", "line!(1); 'x' ) dbg!("),
        ] {
            assert_eq!(replaced(text), expected);
        }
    }
}
