//! Places of syntax trees in their source.

use std::ops::Range;

use quote::ToTokens;

/// The range of a syntax tree in its source.
pub fn range(tree: &impl ToTokens) -> Range<usize> {
    let tokens = tree.to_token_stream();
    let mut spans = tokens.into_iter().map(|token| token.span().byte_range());
    let first = spans.next().unwrap_or(0..0);
    let end = spans.last().map_or(first.end, |last| last.end);
    first.start..end
}

/// Where an error of syn lies: at the end of the text, or before it.
pub fn error_is_at_the_end(error: &syn::Error, source: &str) -> bool {
    let range = error.span().byte_range();
    range == (0..0) || range.start >= source.trim_end().len()
}
