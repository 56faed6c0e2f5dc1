//! Changes of an item's text.

use std::ops::Range;

/// A change of an item's text.
#[derive(Debug)]
pub struct Change {
    pub range: Range<usize>,
    pub text: String,
}
