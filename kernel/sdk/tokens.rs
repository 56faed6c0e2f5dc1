//! Sources without what no compiler sees in them.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Returns the tokens of a source: equal for sources that differ in comments, documentation and layout alone. A text that is no
/// Rust is returned as it is.
pub fn of(text: &str) -> String {
    let Ok(stream) = text.parse::<TokenStream>() else {
        return text.to_owned();
    };
    let mut tokens = String::with_capacity(text.len());
    write(stream, &mut tokens);
    tokens
}

fn write(stream: TokenStream, tokens: &mut String) {
    let mut rest = stream.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let is_inner = rest
                    .next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == '!'))
                    .is_some();
                if rest.next_if(is_documentation).is_none() {
                    tokens.push_str(if is_inner { "#!" } else { "#" });
                }
            }
            TokenTree::Punct(punct) => {
                tokens.push(punct.as_char());
                if punct.spacing() == Spacing::Alone {
                    tokens.push(' ');
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push_str(open);
                write(group.stream(), tokens);
                tokens.push_str(close);
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                tokens.push_str(&token.to_string());
                tokens.push(' ');
            }
        }
    }
}

/// Whether this is `[doc = "..."]`, behind a `#`.
fn is_documentation(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let mut inside = group.stream().into_iter();
    matches!(inside.next(), Some(TokenTree::Ident(name)) if name == "doc")
        && matches!(inside.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}
