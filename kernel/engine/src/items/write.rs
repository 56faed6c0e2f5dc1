//! Writing items into a program.

use std::{ops::Range, sync::Arc};

use super::{
    Stage,
    change::Change,
    scope::{Move, Root},
    statics::{self, Symbols},
    text::{Omitted, omissions},
};
use crate::{
    chunk::{Chunk, ParsedItem},
    item::Item,
    lessons::Lessons,
    program::{Program, Source},
    questions,
};

/// Writes items; what all of them need.
pub struct Writer<'a> {
    /// The symbols of statics.
    pub symbols: Symbols,
    /// What stands at the beginning of loops.
    pub check: &'a str,
    /// What earlier attempts have taught.
    pub lessons: &'a Lessons,
}

impl Writer<'_> {
    /// Writes the earlier items that a program needs and those of its chunk: macros first, because they must stand
    /// before their users, whichever was defined first. Returns where the earlier ones lie.
    pub fn write_all(
        &self,
        program: &mut Program,
        earlier: &[Arc<Item>],
        chunk: &Chunk,
        source: &Source,
        root: &Root<'_>,
    ) -> Vec<(Range<usize>, Arc<Item>)> {
        let mut places = Vec::new();
        // A cell that defines one macro twice means each for what follows it.
        let keeps_order = chunk.items.iter().enumerate().any(|(index, item)| {
            item.shape.stage == Stage::Macro
                && chunk.items[..index]
                    .iter()
                    .any(|other| other.keys == item.keys)
        });
        let none = Omitted::default();
        for stage in [Stage::Macro, Stage::MacroCall, Stage::Rest] {
            for item in earlier
                .iter()
                .filter(|item| item.parsed.shape.stage == stage)
            {
                let start = program.text.len();
                match root.must_move(item) {
                    Some(how) => self.write_moved(program, item, &how),
                    None => self.write(program, &item.parsed, &item.source, &item.omitted, &[]),
                }
                places.push((start..program.text.len(), item.clone()));
            }
            let own = chunk.items.iter().filter(|item| match keeps_order {
                true => stage == Stage::Rest,
                false => item.shape.stage == stage,
            });
            // Those whose bodies name variables stand where the variables are.
            let own = own.filter(|item| !item.is_local_macro(self.lessons));
            for item in own {
                self.write(program, item, source, &none, &[]);
            }
        }
        places
    }

    /// Writes an item in a module that has the names that it was compiled with.
    fn write_moved(&self, program: &mut Program, item: &Item, how: &Move) {
        program.generated(&how.opening);
        let changes: Vec<Change> = how
            .changes
            .iter()
            .map(|(range, text)| Change {
                range: range.clone(),
                text: text.clone(),
            })
            .collect();
        self.write(program, &item.parsed, &item.source, &item.omitted, &changes);
        program.generated(&how.closing);
    }

    fn write(
        &self,
        program: &mut Program,
        item: &ParsedItem,
        source: &Source,
        omitted: &Omitted,
        more: &[Change],
    ) {
        program.generated(&item.shape.lint_levels);
        if let Some(text) = &item.replacement {
            program.stand_in(source, item.range.clone(), text);
            program.generated("\n");
            return;
        }
        let mut changes = statics::changes(&item.shape.statics, source, &self.symbols);
        changes.extend(omissions(item, omitted));
        changes.extend(more.iter().map(|change| Change {
            range: change.range.clone(),
            text: change.text.clone(),
        }));
        changes.extend(item.loop_bodies.iter().map(|&at| Change {
            range: at..at,
            text: self.check.to_owned(),
        }));
        changes.extend(
            questions::insertions(&item.questions, self.lessons).map(|(at, text)| Change {
                range: at..at,
                text: text.to_owned(),
            }),
        );
        if self.lessons.opens_modules {
            changes.extend(item.private_types.iter().map(|&at| Change {
                range: at..at,
                text: "pub(crate) ".to_owned(),
            }));
        }
        // The longest of those that begin together holds the others.
        changes.sort_by_key(|change| (change.range.start, std::cmp::Reverse(change.range.end)));
        let mut at = item.range.start;
        for change in changes {
            // Within what another change has replaced.
            if change.range.start < at {
                continue;
            }
            program.source(source, at..change.range.start, &[], "");
            if change.range.is_empty() {
                program.generated(&change.text);
            } else if !change.text.is_empty() {
                program.stand_in(source, change.range.clone(), &change.text);
            }
            at = change.range.end;
        }
        program.source(source, at..item.range.end, &[], "");
        program.generated("\n");
    }
}
