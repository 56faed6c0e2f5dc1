//! Completions as front ends show them.

use serde::{Deserialize, Serialize};

/// The completions at a place of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// The bytes of the text that a completion replaces.
    pub start: usize,
    /// The offset behind the replaced text, in bytes.
    pub end: usize,
    /// The texts to choose from, best first.
    pub items: Vec<Completion>,
}

/// A text to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What is put into the place.
    pub text: String,
    /// `function`, `class`, `module`, `instance`, `keyword`, `magic`: what JupyterLab has icons for.
    pub kind: String,
    /// The type or signature, if it is known.
    #[serde(default)]
    pub signature: String,
}

impl Completions {
    /// Returns no completions, at this byte.
    pub fn none(offset: usize) -> Completions {
        Completions {
            start: offset,
            end: offset,
            items: Vec::new(),
        }
    }
}
