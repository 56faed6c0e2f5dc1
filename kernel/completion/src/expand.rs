//! What macros of a file make, where a macro is a text with names in it: `unary_op!(relu, Relu)` of candle's tensors.
//!
//! Macros that repeat or nest their arguments are left out.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Item, Macro};

/// The macros of a file, or those that the files of a crate share.
#[derive(Clone, Default)]
pub struct Macros(BTreeMap<String, Vec<Arm>>);

#[derive(Clone)]
struct Arm {
    parameters: Vec<String>,
    body: String,
}

impl Macros {
    /// The macros that are defined among items.
    pub fn of(items: &[Item], text: &str) -> Macros {
        let mut found = BTreeMap::new();
        for item in items {
            if let Item::Macro(definition) = item
                && let Some(name) = &definition.ident
            {
                found.insert(name.to_string(), arms(definition.mac.tokens.clone(), text));
            }
        }
        Macros(found)
    }

    /// Adds macros of other files; those that are here already stay.
    pub fn add(&mut self, others: Macros) {
        for (name, arms) in others.0 {
            self.0.entry(name).or_insert(arms);
        }
    }

    /// The text that a call stands for.
    pub fn expand(&self, call: &Macro, text: &str) -> Option<String> {
        let arms = self.0.get(&call.path.get_ident()?.to_string())?;
        let arguments = arguments(call.tokens.clone(), text);
        let arm = arms
            .iter()
            .find(|arm| arm.parameters.len() == arguments.len())?;
        let mut expanded = String::new();
        let mut rest = arm.body.as_str();
        while let Some(at) = rest.find('$') {
            expanded.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let end = rest
                .find(|character: char| character != '_' && !character.is_alphanumeric())
                .unwrap_or(rest.len());
            let name = &rest[..end];
            match arm.parameters.iter().position(|known| known == name) {
                Some(index) => expanded.push_str(&arguments[index]),
                // `$crate`
                None => expanded.push_str(name),
            }
            rest = &rest[end..];
        }
        expanded.push_str(rest);
        Some(expanded)
    }
}

/// The arms whose parameters are a list of names.
fn arms(tokens: TokenStream, text: &str) -> Vec<Arm> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if let (TokenTree::Group(pattern), Some(TokenTree::Group(body))) =
            (token, tokens.get(index + 3))
            && matches!(tokens.get(index + 1), Some(TokenTree::Punct(mark)) if mark.as_char() == '=')
            && let Some(parameters) = parameters(pattern.stream())
        {
            let start = body.span_open().byte_range().end;
            let end = body.span_close().byte_range().start;
            found.push(Arm {
                parameters,
                body: text.get(start..end).unwrap_or_default().to_owned(),
            });
        }
    }
    found
}

/// The names of `$name:fragment, ...`.
fn parameters(pattern: TokenStream) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut tokens = pattern.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_dollar = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '$');
        let TokenTree::Ident(name) = tokens.next().filter(|_| is_dollar)? else {
            return None;
        };
        names.push(name.to_string());
        // The colon and the fragment, then the comma.
        tokens.next()?;
        tokens.next()?;
        match tokens.next() {
            None => break,
            Some(TokenTree::Punct(mark)) if mark.as_char() == ',' => {}
            Some(_) => return None,
        }
    }
    Some(names)
}

/// The texts between the commas.
fn arguments(tokens: TokenStream, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut range: Option<(usize, usize)> = None;
    for token in tokens {
        match &token {
            TokenTree::Punct(mark) if mark.as_char() == ',' => {
                found.extend(range.take());
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {}
            other => {
                let bytes = other.span().byte_range();
                let start = range.map_or(bytes.start, |(start, _)| start);
                range = Some((start, bytes.end));
            }
        }
    }
    found.extend(range);
    let text_of = |(start, end)| text.get(start..end).unwrap_or_default().to_owned();
    found.into_iter().map(text_of).collect()
}
