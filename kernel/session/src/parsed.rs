//! Reading a chunk of Rust.

use patchbay_engine::{
    Engine, nesting,
    parse::{self, Chunk},
};

/// Parses a chunk; one that does not show its last expression runs it as a statement.
///
/// # Errors
///
/// Returns syn's error.
pub(crate) fn parse_chunk(text: &str, shows: bool, engine: &Engine) -> syn::Result<Chunk> {
    let parse = || parse::parse_with(text, &|name| engine.makes_items(name));
    let mut chunk = nesting::read(text, parse)??;
    chunk.expect_variables_of_macros(|name| engine.knows(name));
    if !shows && let Some(last) = chunk.last.take() {
        chunk.statements.push(last);
    }
    Ok(chunk)
}
