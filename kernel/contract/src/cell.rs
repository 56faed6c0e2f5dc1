//! Cells: what is asked and how it ended.

use serde_json::Value;

/// A cell to execute.
#[derive(Clone, Debug, Default)]
pub struct CellRequest {
    pub code: String,
    /// The number that the user sees in front of the cell.
    pub execution_count: u32,
}

/// How a cell ended.
#[derive(Clone, Debug, Default)]
pub struct CellReply {
    /// `None` means that the cell succeeded.
    pub error: Option<CellError>,
    /// Nanoseconds by phase, for the reply's metadata.
    pub timings: Timings,
    /// Jupyter payloads: a page of help, a text for the cell.
    pub payload: Vec<Value>,
}

/// An error as Jupyter wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// The sort of error, `Panic` or `CompileError` for instance.
    pub name: String,
    /// The first line of the message.
    pub value: String,
    /// Lines with ANSI colours.
    pub traceback: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    pub compile_nanoseconds: u64,
    pub load_nanoseconds: u64,
    pub run_nanoseconds: u64,
    /// Whether the compiled cell came from the cache.
    pub cached: bool,
    /// How many programs were compiled: more than one where the borrow checker refused how the cell was cut
    /// into segments or what was to be stored.
    pub programs: usize,
}

/// Whether a cell's text can be executed as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    Incomplete { indent: String },
    Invalid,
}

const RED: &str = "\u{1b}[1;31m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

impl CellError {
    /// Returns an error that is just a message.
    pub fn plain(name: &str, message: impl Into<String>) -> CellError {
        let message = message.into();
        CellError {
            name: name.to_owned(),
            value: message.lines().next().unwrap_or_default().to_owned(),
            traceback: vec![format!("{RED}{name}{RESET}{BOLD}: {message}{RESET}")],
        }
    }
}
