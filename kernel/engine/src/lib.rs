//! The cell engine: from the text of a cell to a compiled program that the runtime can load.
//!
//! Nothing in here runs a cell. [`plan::plan`] reads the text and decides what the program must
//! hold, [`Program`] is its text with a map back to the cells, [`compile`] calls rustc once, and
//! [`Engine::add_items`] remembers what a cell has defined.

mod aside;
mod brackets;
pub mod bundle;
pub mod cache;
pub mod chunk;
mod closure;
pub mod closures;
pub mod compile;
pub mod completeness;
pub mod diagnostics;
pub mod directive;
pub mod edits;
mod entry;
pub mod error;
mod frames;
pub mod habits;
pub mod history;
mod imports;
mod item;
pub mod items;
pub mod kinds;
pub mod learn;
pub mod lessons;
pub mod magic;
pub mod names;
pub mod native;
mod negation;
pub mod nesting;
mod own_places;
pub mod parse;
pub mod plan;
mod planned;
pub mod plugin_cell;
pub mod program;
mod questions;
mod segments;
mod spans;
pub mod timing;
pub mod types;

pub use history::Engine;
pub use program::Program;
