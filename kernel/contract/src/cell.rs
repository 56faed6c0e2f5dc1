//! Cells: what is asked and how it ended.

use serde_json::Value;

/// A cell to execute.
#[derive(Clone, Debug, Default)]
pub struct CellRequest {
    /// The cell's text.
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
    /// Lines with ANSI colors.
    pub traceback: Vec<String>,
}

/// How long the parts of a cell took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// The time to a compiled program, found or made.
    pub compile_nanoseconds: u64,
    /// The time in which the runtime loaded libraries.
    pub load_nanoseconds: u64,
    /// The time in which the cell's own code ran.
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
    /// The text can be executed.
    Complete,
    /// The front end adds a line that begins with this.
    Incomplete {
        /// The white space at which the next line begins.
        indent: String,
    },
    /// More text does not mend it.
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
