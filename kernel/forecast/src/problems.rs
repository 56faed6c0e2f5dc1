//! Places in a file where something is wrong.

use std::fmt::Write as _;

use candle_core::bail;
use patchbay_show::Result;

/// An error names this many places.
const SHOWN: usize = 5;

/// Places in a file where something is wrong.
pub(super) struct Problems {
    path: String,
    shown: Vec<String>,
    count: usize,
}

impl Problems {
    /// Those of the file at `path`: none yet.
    pub(super) fn of(path: &str) -> Problems {
        Problems {
            path: path.to_owned(),
            shown: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn note(&mut self, line: u64, what: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("line {line}: {what}"));
        }
    }

    /// An error if something was noted; `hint` says what to do.
    pub(super) fn check(&self, hint: &str) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let mut text = format!("{} has {} bad places", self.path, self.count);
        for place in &self.shown {
            let _ = write!(text, "\n  {place}");
        }
        if self.count > self.shown.len() {
            let _ = write!(text, "\n  and {} more", self.count - self.shown.len());
        }
        bail!("{text}\n{hint}")
    }
}
