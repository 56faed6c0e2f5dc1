//! The kernel's log, which is its stderr.

use std::{fmt::Display, io::Write};

/// Writes a line to the log. A log whose reader has gone ends nothing.
pub fn log(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "patchbay: {text}");
}
