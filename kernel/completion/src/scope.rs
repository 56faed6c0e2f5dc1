//! What an unfinished cell has opened in front of the cursor: definitions, loops and functions that the cursor is in the
//! scope of.

use crate::cursor::Scan;

/// A piece of text that gives names to what follows it.
pub enum Opening {
    /// `let x = 1;`
    Let(String),
    /// `let Some(x) = y`, in front of a bracket.
    IfLet(String),
    /// `for x in y`.
    For(String),
    /// The head of a function.
    Function(String),
    /// The head of an `impl`.
    Impl(String),
}

/// A text up to the cursor.
pub struct Scope<'a> {
    text: &'a str,
    scan: Scan,
}

const WORDS: [&str; 4] = ["let", "for", "fn", "impl"];

impl<'a> Scope<'a> {
    pub fn of(text: &'a str) -> Scope<'a> {
        Scope {
            text,
            scan: Scan::of(text),
        }
    }

    /// What is open at the end of the text, in order.
    pub fn openings(&self) -> Vec<Opening> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let length = rest
                .find(|character: char| character != '_' && !character.is_alphanumeric())
                .unwrap_or(rest.len());
            let word = &rest[..length];
            if WORDS.contains(&word) && self.is_visible(at) {
                found.extend(self.opening(word, at));
            }
            at += length;
            let skipped = self.text[at..].chars().next();
            if length == 0 || skipped.is_some() {
                at += skipped.map_or(1, char::len_utf8);
            }
        }
        found
    }

    /// Whether a place is in no bracket that has been closed, and in no text.
    fn is_visible(&self, at: usize) -> bool {
        let is_around = |(start, end): &(usize, usize)| *start < at && at < *end;
        !self.scan.closed.iter().any(is_around) && !self.scan.texts.iter().any(is_around)
    }

    fn opening(&self, word: &str, at: usize) -> Option<Opening> {
        let block = self
            .scan
            .open
            .iter()
            .copied()
            .find(|&open| open > at && self.text.as_bytes()[open] == b'{');
        let head = || Some(self.text[at..block?].to_owned());
        if word == "let" {
            let before = self.text[..at].trim_end();
            let is_condition =
                before.ends_with("if") || before.ends_with("while") || before.ends_with("&&");
            if is_condition {
                return Some(Opening::IfLet(head()?));
            }
            let end = self.text[at..]
                .match_indices(';')
                .map(|(offset, _)| at + offset)
                .find(|&end| !self.is_inside_since(at, end))?;
            return Some(Opening::Let(self.text[at..=end].to_owned()));
        }
        match word {
            "for" => head().map(Opening::For),
            "fn" => head().map(Opening::Function),
            _ => head().map(Opening::Impl),
        }
    }

    /// Whether a place is in a bracket or a text that begins behind `start`.
    fn is_inside_since(&self, start: usize, at: usize) -> bool {
        let mut closed = self.scan.closed.iter().chain(&self.scan.texts);
        closed.any(|&(open, close)| open > start && open < at && at < close)
            || self.scan.open.iter().any(|&open| open > start && open < at)
    }
}
