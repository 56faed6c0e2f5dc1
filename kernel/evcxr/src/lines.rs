//! evcxr's own lines among what cells print.
//!
//! evcxr reads the stdout of the process that runs cells line by line, its own lines among those of the
//! cells. A text without an end would swallow the line behind it, and bytes that are no UTF-8 would end
//! the conversation. [`Splitter`] takes the two apart wherever they meet.

use std::io::Write;

use patchbay_protocol::{Failure, LINE_PREFIX};
use serde::{Deserialize, Serialize};

/// How a line of the relay's own begins; a [`Relayed`] as JSON follows.
pub const RELAY_PREFIX: &str = "\u{1e}relay ";

/// What the relay tells the engine through evcxr.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "relayed", rename_all = "snake_case")]
pub enum Relayed {
    /// A piece of what a cell prints.
    Stream { stderr: bool, text: String },
    /// The cells' thread has panicked; somebody may catch it.
    Panic { failure: Failure },
    /// What ended the cell.
    Failed { failure: Failure },
}

/// Prints a line of the relay's own.
pub fn print_relayed(relayed: &Relayed) {
    if let Ok(text) = serde_json::to_string(relayed) {
        let mut stdout = std::io::stdout().lock();
        // Where stdout is closed, nobody is there to be told.
        let _ = writeln!(stdout, "{RELAY_PREFIX}{text}").and_then(|()| stdout.flush());
    }
}

pub const EXECUTION_COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";
pub const PANIC_NOTIFICATION: &str = "EVCXR_PANIC_NOTIFICATION";
pub const ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";
const BEGIN_CONTENT: &str = "EVCXR_BEGIN_CONTENT ";
const END_CONTENT: &str = "EVCXR_END_CONTENT";

/// The beginnings of lines that are not a cell's text.
const MARKS: [&str; 8] = [
    EXECUTION_COMPLETE,
    PANIC_NOTIFICATION,
    ERROR_OCCURRED,
    BEGIN_CONTENT,
    "EVCXR_VARIABLE_CHANGED_TYPE:",
    "EVCXR_INPUT_REQUEST",
    LINE_PREFIX,
    RELAY_PREFIX,
];

/// A piece of stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What a cell has printed.
    Text(String),
    /// A line for evcxr or from the SDK, without its end.
    Line(String),
}

/// Takes lines of evcxr and the SDK out of a text.
#[derive(Debug, Default)]
pub struct Splitter {
    waiting: Vec<u8>,
    in_content: bool,
}

impl Splitter {
    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next piece that is complete; with `flush` also a text that may go on.
    pub fn next(&mut self, flush: bool) -> Option<Piece> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.in_content {
            let line = self.take_line(0)?;
            self.in_content = line != END_CONTENT;
            return Some(Piece::Line(line));
        }
        match self.first_mark() {
            Some(0) => {
                let line = self.take_line(0)?;
                self.in_content = line.starts_with(BEGIN_CONTENT);
                Some(Piece::Line(line))
            }
            Some(at) => Some(Piece::Text(self.take_text(at))),
            None => {
                let end = if flush {
                    self.waiting.len()
                } else {
                    self.waiting.len() - self.undecided()
                };
                (end > 0).then(|| Piece::Text(self.take_text(end)))
            }
        }
    }

    fn first_mark(&self) -> Option<usize> {
        MARKS
            .iter()
            .filter_map(|mark| find(&self.waiting, mark.as_bytes()))
            .min()
    }

    /// How many bytes at the end may be the beginning of a mark or of a character.
    fn undecided(&self) -> usize {
        let longest = MARKS.iter().map(|mark| mark.len()).max().unwrap_or(0);
        let most = self.waiting.len().min(longest);
        let of_mark = (1..=most).rev().find(|&count| {
            let end = &self.waiting[self.waiting.len() - count..];
            MARKS.iter().any(|mark| mark.as_bytes().starts_with(end))
        });
        of_mark.unwrap_or(0).max(cut_character(&self.waiting))
    }

    fn take_text(&mut self, end: usize) -> String {
        let bytes: Vec<u8> = self.waiting.drain(..end).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn take_line(&mut self, start: usize) -> Option<String> {
        let length = self.waiting[start..]
            .iter()
            .position(|byte| *byte == b'\n')?;
        let text = self.take_text(start + length + 1);
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// How many bytes at the end are the beginning of a character that is cut.
pub fn cut_character(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => 0,
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(splitter: &mut Splitter, flush: bool) -> Vec<Piece> {
        std::iter::from_fn(|| splitter.next(flush)).collect()
    }

    #[test]
    fn a_text_without_an_end_does_not_swallow_the_line_behind_it() {
        let mut splitter = Splitter::default();
        splitter.push(b"no endEVCXR_EXECUTION_COMPLETE\nmore\n");
        assert_eq!(
            pieces(&mut splitter, false),
            [
                Piece::Text("no end".into()),
                Piece::Line("EVCXR_EXECUTION_COMPLETE".into()),
                Piece::Text("more\n".into()),
            ]
        );
    }

    #[test]
    fn a_mark_that_comes_in_two_parts_is_one() {
        let mut splitter = Splitter::default();
        splitter.push(b"a EVCXR_PANIC");
        assert_eq!(pieces(&mut splitter, false), [Piece::Text("a ".into())]);
        splitter.push(b"_NOTIFICATION\n");
        assert_eq!(
            pieces(&mut splitter, false),
            [Piece::Line("EVCXR_PANIC_NOTIFICATION".into())]
        );
        splitter.push(b"E");
        assert!(pieces(&mut splitter, false).is_empty());
        assert_eq!(pieces(&mut splitter, true), [Piece::Text("E".into())]);
    }

    #[test]
    fn content_passes_as_it_is() {
        let mut splitter = Splitter::default();
        splitter.push(b"EVCXR_BEGIN_CONTENT text/html\n<b>\nEVCXR_END_CONTENT\nafter\n");
        let found = pieces(&mut splitter, false);
        assert_eq!(found.len(), 4);
        assert_eq!(found[1], Piece::Line("<b>".into()));
        assert_eq!(found[3], Piece::Text("after\n".into()));
    }

    #[test]
    fn characters_are_not_cut_and_other_bytes_are_replaced() {
        let mut splitter = Splitter::default();
        splitter.push(&"ä".as_bytes()[..1]);
        assert!(pieces(&mut splitter, false).is_empty());
        splitter.push(&"ä".as_bytes()[1..]);
        splitter.push(b"\xff!");
        assert_eq!(
            pieces(&mut splitter, false),
            [Piece::Text("ä\u{fffd}!".into())]
        );
    }
}
