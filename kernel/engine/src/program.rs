//! The text of a program, with a map from its bytes back to the cells.

use std::{ops::Range, sync::Arc};

use patchbay_protocol::{LineMap, LineRange};
use sha2::{Digest, Sha256};

use super::own_places;

/// A piece of a cell's source that programs repeat.
#[derive(Clone, Debug)]
pub struct Source {
    /// The text of the chunk that it comes from.
    pub text: Arc<str>,
    /// The cell's number, as the user sees it.
    pub cell: u32,
    /// How far into the cell the chunk begins, in lines.
    pub first_line: u32,
}

impl Source {
    /// The line of the cell (from 1) in which a byte of the text is.
    pub fn line_of(&self, byte: usize) -> u32 {
        self.first_line + newlines(&self.text[..byte]) + 1
    }
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

/// A program for rustc.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The program's text.
    pub text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    /// Where it lies in the program.
    program: Range<usize>,
    /// Where it begins in the source.
    start: usize,
    source: Source,
    /// Whether the text is the source's own, byte for byte; a stand-in maps to its whole range.
    stand_in: Option<Range<usize>>,
}

/// A place in a cell.
#[derive(Clone, Debug)]
pub struct Location {
    /// The text that the location is in.
    pub source: Source,
    /// The bytes in that text.
    pub range: Range<usize>,
}

impl Program {
    /// Appends text of the engine's own.
    pub fn generated(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a range of a source, with `insertion` behind each of the positions `at`.
    pub fn source(&mut self, source: &Source, range: Range<usize>, at: &[usize], insertion: &str) {
        let insertions: Vec<(usize, &str)> = at.iter().map(|&at| (at, insertion)).collect();
        self.source_with(source, range, &insertions);
    }

    /// Appends a range of a source, with each insertion behind its position.
    pub fn source_with(
        &mut self,
        source: &Source,
        range: Range<usize>,
        insertions: &[(usize, &str)],
    ) {
        let mut start = range.start;
        for &(position, insertion) in insertions
            .iter()
            .filter(|(position, _)| range.start < *position && *position <= range.end)
        {
            self.segment(source, start..position);
            self.text.push_str(insertion);
            start = position;
        }
        self.segment(source, start..range.end);
    }

    /// Appends text that stands for a range of a source.
    pub fn stand_in(&mut self, source: &Source, range: Range<usize>, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.segments.push(Segment {
            program: start..self.text.len(),
            start: range.start,
            source: source.clone(),
            stand_in: Some(range),
        });
    }

    fn segment(&mut self, source: &Source, range: Range<usize>) {
        let mut start = range.start;
        for replacement in own_places::replacements(source) {
            if replacement.range.start >= start && replacement.range.end <= range.end {
                self.copy(source, start..replacement.range.start);
                self.stand_in(source, replacement.range.clone(), &replacement.text);
                start = replacement.range.end;
            }
        }
        self.copy(source, start..range.end);
    }

    fn copy(&mut self, source: &Source, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(&source.text[range.clone()]);
        self.segments.push(Segment {
            program: start..self.text.len(),
            start: range.start,
            source: source.clone(),
            stand_in: None,
        });
    }

    /// The place in a cell's text that stands for a place in the program byte for byte, so that an edit there is one of the cell;
    /// an empty range is a place between two bytes.
    pub fn editable(&self, range: Range<usize>) -> Option<Location> {
        let same = |location: &Location, range: Range<usize>| {
            let own = location.source.text.get(location.range.clone());
            own.is_some() && own == self.text.get(range)
        };
        if !range.is_empty() {
            return self
                .location(range.clone())
                .filter(|location| same(location, range));
        }
        let at = range.start;
        let before = at
            .checked_sub(1)
            .and_then(|start| self.location(start..at))
            .filter(|location| same(location, at - 1..at));
        let after = || {
            self.location(at..at + 1)
                .filter(|location| same(location, at..at + 1))
        };
        let (source, at) = match before {
            Some(before) => (before.source, before.range.end),
            None => after().map(|after| (after.source, after.range.start))?,
        };
        Some(Location {
            source,
            range: at..at,
        })
    }

    /// The place in a cell of a range of the program; `None` where the text is the engine's own.
    /// A range that begins in the engine's own text stands for the cell's part of it.
    pub fn location(&self, range: Range<usize>) -> Option<Location> {
        let index = self
            .segments
            .partition_point(|segment| segment.program.end <= range.start);
        let segment = self.segments.get(index)?;
        if segment.program.start >= range.end.max(range.start + 1) {
            return None;
        }
        let range = range.start.max(segment.program.start)..range.end;
        if let Some(whole) = &segment.stand_in {
            return Some(Location {
                source: segment.source.clone(),
                range: whole.clone(),
            });
        }
        let start = segment.start + (range.start - segment.program.start);
        // The end may lie behind an insertion, in a later segment of the same source.
        let last = self.segments[index..]
            .iter()
            .take_while(|other| Arc::ptr_eq(&other.source.text, &segment.source.text))
            .take_while(|other| other.program.start < range.end.max(range.start + 1))
            .last()
            .unwrap_or(segment);
        let end = last.start
            + range
                .end
                .min(last.program.end)
                .saturating_sub(last.program.start);
        Some(Location {
            source: segment.source.clone(),
            range: start..end.max(start),
        })
    }

    /// The place of a line and column (in characters, both from 1), as panics give them.
    pub fn location_of_line(&self, line: u32, column: u32) -> Option<Location> {
        let start = self.line_start(line)?;
        let column = usize::try_from(column).ok()?.checked_sub(1)?;
        let offset = self.text[start..]
            .char_indices()
            .nth(column)
            .map(|(offset, _)| offset)?;
        let at = start + offset;
        // In a text that the engine inserted, what follows it in the line is meant.
        let end = self.text[at..].find('\n').map_or(at, |length| at + length);
        self.location(at..at + 1).or_else(|| self.location(at..end))
    }

    fn line_start(&self, line: u32) -> Option<usize> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        if index == 0 {
            return Some(0);
        }
        self.text
            .match_indices('\n')
            .nth(index - 1)
            .map(|(offset, _)| offset + 1)
    }

    /// Where the program's lines stand in cells, for messages that are made while it runs. `cell` is the one that it is for.
    pub fn line_map(&self, cell: u32) -> LineMap {
        let mut lines: Vec<LineRange> = Vec::new();
        let (mut line, mut counted) = (1, 0);
        for segment in &self.segments {
            line += newlines(&self.text[counted..segment.program.start]);
            counted = segment.program.start;
            let count = match &segment.stand_in {
                Some(_) => 1,
                None => {
                    let text = &self.text[segment.program.clone()];
                    newlines(text) + u32::from(!text.ends_with('\n'))
                }
            };
            let in_cell = segment.source.line_of(segment.start);
            // A line belongs to what stands first in it.
            let taken = lines
                .last()
                .map_or(0, |last| (last.first + last.count).saturating_sub(line));
            if taken >= count {
                continue;
            }
            let range = LineRange {
                first: line + taken,
                count: count - taken,
                cell: segment.source.cell,
                line: in_cell + taken,
            };
            match lines.last_mut() {
                Some(last)
                    if last.cell == range.cell
                        && last.first + last.count == range.first
                        && last.line + last.count == range.line =>
                {
                    last.count += range.count;
                }
                _ => lines.push(range),
            }
        }
        LineMap {
            file: self.file_name(),
            cell,
            lines,
        }
    }

    /// The line (from 0) that begins at or before this byte.
    pub fn line_of(&self, byte: usize) -> usize {
        self.text[..byte.min(self.text.len())].matches('\n').count()
    }

    /// A name for the program's file that depends on its text alone.
    pub fn file_name(&self) -> String {
        let digest = Sha256::digest(self.text.as_bytes());
        let hex: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("cell_{hex}.rs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            text: text.into(),
            cell: 3,
            first_line: 1,
        }
    }

    #[test]
    fn ranges_map_back_across_insertions() {
        let cell = source("loop { a }\nbcd");
        let mut program = Program::default();
        program.generated("fn main() {");
        program.source(&cell, 0..14, &[6], "check();");
        assert_eq!(program.text, "fn main() {loop {check(); a }\nbcd");
        let found = program
            .text
            .find('a')
            .map(|_| program.text.rfind(" a }").unwrap() + 1)
            .unwrap();
        let location = program.location(found..found + 1).unwrap();
        assert_eq!(&cell.text[location.range.clone()], "a");
        let bcd = program.text.find("bcd").unwrap();
        let location = program.location(bcd..bcd + 3).unwrap();
        assert_eq!(&cell.text[location.range.clone()], "bcd");
        assert!(program.location(0..2).is_none());
        let whole = program.location(11..program.text.len()).unwrap();
        assert_eq!(whole.range, 0..14);
    }

    #[test]
    fn lines_and_columns_count_characters() {
        let cell = source("let é = 1; boom()");
        let mut program = Program::default();
        program.generated("x\n");
        program.source(&cell, 0..cell.text.len(), &[], "");
        let location = program.location_of_line(2, 12).unwrap();
        assert_eq!(&cell.text[location.range.start..], "boom()");
    }

    #[test]
    fn lines_have_their_places_in_cells() {
        let (early, late) = (
            Source {
                cell: 2,
                first_line: 0,
                ..source("fn f() {\n  g()\n}\n")
            },
            source("let a = 1;\nlet b = 2; loop { a }\nb"),
        );
        let mut program = Program::default();
        program.generated("head\n");
        program.source(&early, 0..early.text.len(), &[], "");
        program.generated("own\n");
        program.source(&late, 0..10, &[], "");
        program.generated("\nown {\n");
        program.source(&late, 11..late.text.len(), &[28], "check();");
        program.generated("}\n");
        let locations = program.line_map(3);
        let found: Vec<_> = (1..=9).map(|line| locations.find(line)).collect();
        assert_eq!(
            found,
            [
                (3, None),
                (2, Some(1)),
                (2, Some(2)),
                (2, Some(3)),
                (3, None),
                (3, Some(2)),
                (3, None),
                (3, Some(3)),
                (3, Some(4)),
            ],
            "{}",
            program.text
        );
    }

    #[test]
    fn the_file_name_depends_on_the_text_alone() {
        let mut one = Program::default();
        one.generated("a");
        let mut other = Program::default();
        other.source(&source("a"), 0..1, &[], "");
        assert_eq!(one.file_name(), other.file_name());
    }
}
