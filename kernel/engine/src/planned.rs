//! A planned program.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::{aside::Aside, chunk::Definition, item::Item, lessons::Binding, program::Program};

/// The symbol of a cell's entry.
pub const ENTRY: &str = "patchbay_cell";

pub(super) const CHECK: &str = "::patchbay::interrupt::check();";

/// How hard to optimize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// By what the cell does.
    #[default]
    Auto,
    /// The level that the user has asked for.
    Fixed(u8),
}

/// A program with all that the session must know about it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program's text, and where each part of it comes from.
    pub program: Program,
    /// The earlier variables that the cell takes.
    pub takes: Vec<String>,
    /// The variables that it stores.
    pub defines: Vec<Definition>,
    /// The names of variables that the cell assigns as a whole.
    pub assigns: BTreeSet<String>,
    /// Lines of the program that stand for a variable.
    pub marks: BTreeMap<usize, Mark>,
    /// `-C opt-level`.
    pub optimization: u8,
    /// The crate's name. Equal names (and metadata) make a type that a cell defines one type in
    /// all cells.
    pub crate_name: String,
    /// Environment variables that the program reads when it is compiled.
    pub environment: Vec<(String, String)>,
    /// Whether there is nothing to run, so that the program is checked and not compiled.
    pub items_only: bool,
    /// Whether the program has state of its own and must not be shared by two runs.
    pub has_state: bool,
    /// Whether it has statics, which all programs share.
    pub has_statics: bool,
    /// Where the earlier items lie in the program.
    pub items: Vec<(Range<usize>, Arc<Item>)>,
    /// The earlier items that no longer compile.
    pub aside: Vec<(Arc<Item>, Aside)>,
}

/// What a line of the engine's own does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Makes the compiler name the type.
    AskType(Binding),
    /// Stores a variable, or puts it back.
    Store(Binding),
    /// Ends a borrow, so that what it borrows from can be stored.
    Release(Binding),
    /// Hands the variables of a segment to the next.
    Segment,
    /// Takes earlier variables, by their types.
    Take,
}

impl Mark {
    /// The variable that the line is about.
    pub fn binding(&self) -> Option<Binding> {
        match self {
            Mark::AskType(binding) | Mark::Store(binding) | Mark::Release(binding) => {
                Some(binding.clone())
            }
            Mark::Segment | Mark::Take => None,
        }
    }
}
