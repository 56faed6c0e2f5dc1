//! The calls that note the way of an error: `__at(value)?` where a function or a closure of a cell has `value?`.
//!
//! The call takes what `?` takes and gives it back, so types and borrows are what they were. Should the compiler see that
//! otherwise for once, the text is compiled without them ([`Lessons::plain_questions`]).

use std::ops::Range;

use crate::lessons::Lessons;

/// What stands in front of the value.
pub const OPENING: &str = "::patchbay::__at(";

/// What stands behind it.
const CLOSING: &str = ")";

/// The insertions for the expressions in front of `?`, the outer ones first. Those that begin together are in the order of
/// their brackets.
pub fn insertions<'a>(
    questions: &'a [Range<usize>],
    lessons: &Lessons,
) -> impl Iterator<Item = (usize, &'static str)> + use<'a> {
    let questions = if lessons.plain_questions {
        &[]
    } else {
        questions
    };
    let pair = |range: &Range<usize>| [(range.start, OPENING), (range.end, CLOSING)];
    questions.iter().flat_map(pair)
}

/// Whether a range of a program's text touches what a note is made of.
pub fn is_noted(text: &str, range: &Range<usize>) -> bool {
    let end = range.end.min(text.len());
    let mut at = 0;
    while let Some(found) = text.get(at..end).and_then(|rest| rest.find(OPENING)) {
        let start = at + found + OPENING.len();
        let mut depth = 1usize;
        let close = text[start..].char_indices().find(|(_, character)| {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let close = close.map_or(text.len(), |(offset, _)| start + offset);
        if range.start <= close && start <= end {
            return true;
        }
        at = start;
    }
    false
}
