//! Magics, as far as a reader of cells has to know them. Whoever runs cells has the table.

use crate::timing::Timing;

/// A magic. One that runs a line and one that runs a cell (`%time`, `%%time`) are two.
#[derive(Debug)]
pub struct Magic {
    /// Its names with their signs, the usual one first: `%who`, `:vars`.
    pub names: &'static [&'static str],
    /// The form of its argument: `NAME[=VALUE]`.
    pub usage: &'static str,
    /// One line that says what it does.
    pub summary: &'static str,
    /// How its argument is written.
    pub argument: Argument,
    /// Whether later programs are others once it has run.
    pub changes_programs: bool,
    /// Whether help and completion list it.
    pub is_listed: bool,
    /// The command of evcxr that does the same, if there is one.
    pub evcxr: Option<&'static str>,
}

/// How the argument of a magic is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Words to the end of the line; `//` begins a comment.
    Words,
    /// A statement of Rust, which is timed; behind `%%name` all Rust of the cell is.
    Statement(Timing),
    /// An entry of a Cargo.toml, whose brackets may take in further lines.
    Manifest,
    /// Words, and the cell behind is a text that is no Rust.
    Text,
}

/// All magics that there are.
#[derive(Clone, Copy, Debug)]
pub struct Magics(pub fn() -> &'static [&'static Magic]);

impl Magics {
    /// No magics.
    pub const NONE: Magics = Magics(|| &[]);

    /// Returns the magics in the order of the help.
    pub fn iter(self) -> impl Iterator<Item = &'static Magic> {
        (self.0)().iter().copied()
    }

    /// Returns the magic of a line `%name` or `:name`.
    pub fn of_line(self, name: &str) -> Option<&'static Magic> {
        self.iter().find(|magic| magic.is_of_line(name))
    }

    /// Returns the magic of a cell that begins with `%%name`.
    pub fn of_cell(self, name: &str) -> Option<&'static Magic> {
        self.iter().find(|magic| magic.is_of_cell(name))
    }
}

impl Magic {
    /// Tells whether a line `%name` or `:name` is this magic.
    pub fn is_of_line(&self, name: &str) -> bool {
        let bare =
            |known: &&str| !known.starts_with("%%") && known.trim_start_matches(['%', ':']) == name;
        self.names.iter().any(bare)
    }

    /// Tells whether a cell that begins with `%%name` is this magic.
    pub fn is_of_cell(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|known| known.strip_prefix("%%") == Some(name))
    }
}
