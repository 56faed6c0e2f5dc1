//! A closure that lives on; see [`closures`](super::closures).

use std::{collections::BTreeSet, ops::Range};

use crate::program::Source;

/// A closure that lives on as the text that makes it.
#[derive(Clone, Debug)]
pub struct Closure {
    pub name: String,
    pub source: Source,
    /// The `let` that defines it.
    pub range: Range<usize>,
    pub loop_bodies: Vec<usize>,
    /// The expressions in front of `?` in it.
    pub questions: Vec<Range<usize>>,
    /// The identifiers that the `let` mentions.
    pub mentions: BTreeSet<String>,
    /// The variables that it names.
    pub captures: BTreeSet<String>,
    pub repeats: bool,
}
