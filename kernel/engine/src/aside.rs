//! Items that no longer compile.

use serde::{Deserialize, Serialize};

/// Why an item is set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// The compiler's words.
    pub reason: String,
    /// Whether a newer item is in its place.
    #[serde(default)]
    pub replaced: bool,
}

impl Aside {
    /// A newer item is in the place of an older one.
    pub fn replaced(reason: String) -> Aside {
        Aside {
            reason,
            replaced: true,
        }
    }

    /// Returns the note for the user when the item of this title and cell is set aside.
    pub fn note(&self, title: &str, cell: u32) -> String {
        if self.replaced {
            return format!(
                "note: {title} makes way for a newer definition: {}\n",
                self.reason
            );
        }
        format!(
            "note: {title} no longer compiles: {}; run cell [{cell}] again when it is mended\n",
            self.reason
        )
    }

    /// Returns the words for the user when a cell needs the item.
    pub fn hint(&self, title: &str, cell: u32) -> String {
        format!(
            "{title} no longer compiles ({}): mend cell [{cell}] and run it again",
            self.reason
        )
    }
}
