//! What compiles teach about a cell: which variables it keeps, and how it must be cut into segments.
//!
//! rustc accepts a cell if it accepts the cell's text as the body of one function. The engine's own
//! lines around that text (segments that hand variables on, lines that store them) can be refused
//! where the text alone is not. So there is a ladder of programs:
//!
//! 1. The cell in segments, every variable stored.
//! 2. The same without what the borrow checker says cannot be stored.
//! 3. Statements that its errors tie together are one segment.
//! 4. The text in one function, unchanged, and then the variables are stored that can be.
//! 5. The text in one function, and none of its variables is stored.
//!
//! Between 1 and 2 the text alone is checked, in one function with nothing stored. If that is
//! refused, so is the cell, with rustc's words about the cell's own text. Otherwise its types say which
//! variables can borrow at all.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Engine,
    chunk::{Chunk, Statement},
    diagnostics::Diagnostic,
    lessons::{Binding, Lessons, bindings, is_nameable},
    planned::{Mark, Plan},
    program::{Location, Source},
    questions,
};

/// Returns what can be told without a compiler.
///
/// A variable that is given away and defined anew will not be put back (a wrong guess only means
/// that it is lost if the cell panics). A cell with raw pointers is run in one piece, because between
/// segments variables change their place. A closure has no type that a later cell could name.
pub fn predict(chunk: &Chunk, engine: &Engine) -> Lessons {
    let statements = &chunk.statements;
    let defined: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| &statement.defines)
        .map(|definition| definition.name.as_str())
        .collect();
    let is_moved = |name: &&String| {
        let variable = engine.variables.get(*name);
        defined.contains(name.as_str()) && variable.is_some_and(|variable| !variable.is_plain())
    };
    let moved = statements
        .iter()
        .flat_map(|statement| &statement.gives_away)
        .filter(is_moved)
        .map(|name| Binding {
            name: name.clone(),
            ordinal: 0,
        })
        .collect();
    let unnameable: BTreeSet<Binding> = bindings(chunk)
        .into_iter()
        .filter(|(_, position)| statements[*position].is_closure)
        .map(|(binding, _)| binding)
        .collect();
    let given_away = |binding: &&Binding| {
        statements
            .iter()
            .chain(&chunk.last)
            .any(|statement| statement.gives_away.contains(&binding.name))
    };
    Lessons {
        moved,
        unreleased: unnameable.iter().filter(given_away).cloned().collect(),
        unnameable,
        whole: statements
            .iter()
            .chain(&chunk.last)
            .any(|statement| statement.mentions.contains("unsafe")),
        ..Lessons::default()
    }
}

/// Errors about two uses of which one forbids the other.
const AT_ODDS: [&str; 6] = ["E0499", "E0502", "E0503", "E0505", "E0506", "E0713"];

/// What to do after a program was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Compile again, with what was learned.
    Again,
    /// Check the text alone: the errors do not say which of the engine's lines is at fault.
    CheckText,
    /// The cell itself is at fault.
    Refuse,
}

/// What the check of the text alone has said about the variables.
pub struct Checked {
    /// The types of the variables.
    pub types: Vec<(Binding, String)>,
}

impl Checked {
    /// Whether a variable can borrow, as far as the text of its type tells.
    fn can_borrow(&self, binding: &Binding) -> bool {
        self.types
            .iter()
            .find(|(known, _)| known == binding)
            .is_none_or(|(_, text)| text.contains(['&', '\'', '{']) || text.contains("impl "))
    }
}

/// Errors that are the text's, whatever is around it.
const OF_THE_TEXT: [&str; 10] = [
    "E0425", "E0432", "E0433", "E0412", "E0405", "E0404", "E0423", "E0599", "E0560", "E0609",
];

/// Whether a note names the library's methods of tensors as one of several candidates.
fn is_of_tensor_methods(note: &str) -> bool {
    note.starts_with("candidate #") && note.contains("TensorMethods")
}

/// A refused program with all that decided it.
pub struct Refused<'a> {
    /// The session that the chunk was planned for.
    pub engine: &'a Engine,
    /// The chunk.
    pub chunk: &'a Chunk,
    /// The chunk's text.
    pub source: &'a Source,
    /// The program that was refused.
    pub plan: &'a Plan,
    /// The program's file, as the compiler names it.
    pub file: String,
    /// The errors.
    pub errors: Vec<&'a Diagnostic>,
}

impl Refused<'_> {
    /// Adds to `lessons` what the errors say, and returns what to do next.
    pub fn learn(&self, lessons: &mut Lessons, checked: Option<&Checked>) -> Step {
        if !lessons.plain_questions && self.questions_can_be_at_fault() {
            lessons.plain_questions = true;
            return Step::Again;
        }
        let before = lessons.clone();
        let mut unexplained = Vec::new();
        for error in &self.errors {
            if !self.learn_from(error, lessons, &before) {
                unexplained.push(*error);
            }
        }
        if *lessons != before {
            return Step::Again;
        }
        if unexplained.is_empty() || !self.engine_can_be_at_fault() {
            return Step::Refuse;
        }
        let Some(checked) = checked else {
            return Step::CheckText;
        };
        let type_is_missing =
            |error: &&Diagnostic| matches!(error.code(), "E0282" | "E0283" | "E0284");
        for (binding, text) in &checked.types {
            if *binding == Binding::shown() {
                if is_nameable(text) && self.errors.iter().any(type_is_missing) {
                    lessons.shown_type = Some(text.clone());
                }
            } else if !is_nameable(text) {
                lessons.unnameable.insert(binding.clone());
            }
        }
        // Two borrows that are at odds: a segment that changes a variable has it mutably borrowed as long as
        // what it makes of it lives. In one segment they are two borrows.
        let (at_odds, unexplained): (Vec<&Diagnostic>, Vec<_>) = unexplained
            .into_iter()
            .filter(|error| !error.spans.is_empty())
            .partition(|error| AT_ODDS.contains(&error.code()));
        let learned = *lessons != before
            || !at_odds.is_empty() && self.join(&at_odds, lessons)
            || self.give_up_borrows(&unexplained, lessons, checked)
            || self.join(&unexplained, lessons);
        if !learned {
            lessons.store_nothing(self.chunk);
        }
        if *lessons != before {
            Step::Again
        } else {
            Step::Refuse
        }
    }

    /// Adds what the errors say about the text itself. Returns whether there was something to learn.
    pub fn learn_about_text(&self, lessons: &mut Lessons) -> bool {
        let before = lessons.clone();
        for error in &self.errors {
            match error.code() {
                "E0069" => lessons.returns_nothing = true,
                "E0425" => {
                    let marks = error.marks(self.plan, &self.file);
                    if !self.learn_undefined(error, &marks, lessons) {
                        self.learn_macro(error, lessons);
                    }
                }
                "E0282" | "E0283" | "E0284" => {
                    let closure = self.chunk.unused_closure(&self.touched(&[error]));
                    lessons.left_to_callers.extend(closure);
                }
                _ => {}
            }
        }
        *lessons != before
    }

    /// Whether an error is where the way of errors is noted, so that it may be another without the notes.
    fn questions_can_be_at_fault(&self) -> bool {
        let errors = self.errors.iter();
        errors
            .filter(|error| !OF_THE_TEXT.contains(&error.code()))
            .flat_map(|error| &error.spans)
            .filter(|span| span.is_primary && span.file_name == self.file)
            .any(|span| {
                let range = span.byte_start..span.byte_end;
                questions::is_noted(&self.plan.program.text, &range)
            })
    }

    /// Whether an error can come from the engine's own lines: a name that is not there is the
    /// cell's fault, whatever is around its text.
    fn engine_can_be_at_fault(&self) -> bool {
        self.errors
            .iter()
            .any(|error| !OF_THE_TEXT.contains(&error.code()))
    }

    /// Learns from one error whose spans touch lines of the engine's own.
    fn learn_from(&self, error: &Diagnostic, lessons: &mut Lessons, before: &Lessons) -> bool {
        let marks = error.marks(self.plan, &self.file);
        match error.code() {
            "E0603" if marks.iter().any(|mark| matches!(mark, Mark::Take)) => {
                return !std::mem::replace(&mut lessons.opens_modules, true);
            }
            "E0423" | "E0424" if self.learn_undefined(error, &marks, lessons) => return true,
            "E0069" => return !std::mem::replace(&mut lessons.returns_nothing, true),
            "E0034"
                if error
                    .children
                    .iter()
                    .any(|child| is_of_tensor_methods(&child.message)) =>
            {
                return !std::mem::replace(&mut lessons.own_tensor_methods, true);
            }
            "E0425" => {
                return self.learn_macro(error, lessons)
                    || self.learn_defining_macro(error, lessons);
            }
            "E0382" if marks.is_empty() => {
                // A variable that one segment gives away and a later one assigns: in one segment it can be.
                return !self.plan.assigns.is_empty()
                    && !std::mem::replace(&mut lessons.whole, true);
            }
            "E0382" => return self.learn_move(error, &marks, lessons),
            "E0381" if !marks.is_empty() => {
                return !std::mem::replace(&mut lessons.whole, true);
            }
            _ => {}
        }
        // "argument requires that `x` is borrowed for `'static`": the note names the line that stores.
        let marks = if marks.is_empty() {
            error.marks_of_notes(self.plan, &self.file)
        } else {
            marks
        };
        // Of several marks the last is the one whose use keeps the borrow alive.
        for mark in marks.iter().rev() {
            match mark {
                Mark::Release(binding) => {
                    lessons.unreleased.insert(binding.clone());
                    return true;
                }
                Mark::Store(stored) => {
                    let culprit = self.borrower(error, stored, before);
                    lessons.borrowed.insert(culprit);
                    return true;
                }
                Mark::AskType(_) | Mark::Segment | Mark::Take => {}
            }
        }
        false
    }

    /// The binding that borrows where `stored` cannot be stored: one that is not stored itself and is
    /// defined where the borrow stands, else `stored`.
    fn borrower(&self, error: &Diagnostic, stored: &Binding, before: &Lessons) -> Binding {
        let moves_out = error.code() == "E0505";
        if moves_out {
            let statements = self.touched(&[error]);
            let borrower = bindings(self.chunk)
                .into_iter()
                .find(|(binding, position)| {
                    statements.contains(position)
                        && binding != stored
                        && !before.ends_with_cell(binding)
                        && self.chunk.statements[*position]
                            .mentions
                            .contains(&stored.name)
                });
            if let Some((binding, _)) = borrower {
                return binding;
            }
        }
        stored.clone()
    }

    /// A variable was given away. One that the cell assigns again may be there at the end all the
    /// same: the segment is asked to hand it back, and only if it cannot, the variable is gone.
    fn learn_move(&self, error: &Diagnostic, marks: &[&Mark], lessons: &mut Lessons) -> bool {
        if let Some(Mark::Release(binding)) = marks.first() {
            return lessons.unreleased.insert(binding.clone());
        }
        let handing_on = matches!(marks.first(), Some(Mark::Segment));
        let name = error.message.split('`').nth(1);
        let not_there = lessons
            .returned
            .iter()
            .find(|binding| handing_on && Some(binding.name.as_str()) == name)
            .cloned()
            .or_else(|| marks.first().and_then(|mark| mark.binding()));
        let Some(not_there) = not_there else {
            return !std::mem::replace(&mut lessons.whole, true);
        };
        if lessons.returned.remove(&not_there) || !self.plan.assigns.contains(&not_there.name) {
            return lessons.moved.insert(not_there);
        }
        !lessons.moved.contains(&not_there) && lessons.returned.insert(not_there)
    }

    /// A macro that names a variable finds it only where the variable is in scope.
    fn learn_macro(&self, error: &Diagnostic, lessons: &mut Lessons) -> bool {
        let Some(name) = error.message.split('`').nth(1) else {
            return false;
        };
        let is_variable = self.engine.variables.contains_key(name)
            || bindings(self.chunk)
                .iter()
                .any(|(binding, _)| binding.name == name);
        if !is_variable {
            return false;
        }
        let locations: Vec<Location> = error
            .ranges_in_program(&self.file)
            .filter_map(|range| self.plan.program.location(range))
            .collect();
        let earlier = self.engine.items.iter();
        let macros = earlier
            .map(|item| (&*item.parsed, &item.source))
            .chain(self.chunk.items.iter().map(|item| (&**item, self.source)));
        let mut learned = false;
        for (item, source) in macros {
            let is_inside = |location: &Location| {
                Arc::ptr_eq(&location.source.text, &source.text)
                    && item.range.contains(&location.range.start)
            };
            if let Some(macro_name) = item.macro_name()
                && locations.iter().any(is_inside)
            {
                learned |= lessons.local_macros.insert(macro_name.to_owned());
            }
        }
        learned
    }

    /// A name in a macro's call that was taken for a variable is none.
    fn learn_undefined(&self, error: &Diagnostic, marks: &[&Mark], lessons: &mut Lessons) -> bool {
        let Some(name) = error.message.split('`').nth(1) else {
            return false;
        };
        let mut statements = self.chunk.statements.iter();
        !marks.is_empty()
            && statements.any(|statement| statement.macro_names.iter().any(|known| known == name))
            && lessons.undefined.insert(name.to_owned())
    }

    /// A variable that a macro's expansion defines is in scope to the end of its segment only.
    fn learn_defining_macro(&self, error: &Diagnostic, lessons: &mut Lessons) -> bool {
        let Some(name) = error.message.split('`').nth(1) else {
            return false;
        };
        let is_defined = self
            .chunk
            .statements
            .iter()
            .any(|statement| statement.is_macro && statement.mentions.contains(name));
        is_defined && !std::mem::replace(&mut lessons.whole, true)
    }

    /// The positions of the statements that errors and their notes point at; the last expression
    /// counts as one more.
    fn touched(&self, errors: &[&Diagnostic]) -> BTreeSet<usize> {
        let statements: Vec<&Statement> = self
            .chunk
            .statements
            .iter()
            .chain(&self.chunk.last)
            .collect();
        errors
            .iter()
            .flat_map(|error| error.all_ranges_in_program(&self.file))
            .filter_map(|range| self.plan.program.location(range))
            .filter(|location| Arc::ptr_eq(&location.source.text, &self.source.text))
            .filter_map(|location| {
                statements
                    .iter()
                    .position(|statement| statement.range.contains(&location.range.start))
            })
            .collect()
    }

    /// Gives up storing what can borrow and is defined where the errors point, else what is
    /// mentioned there, else all that can borrow.
    fn give_up_borrows(
        &self,
        errors: &[&Diagnostic],
        lessons: &mut Lessons,
        checked: &Checked,
    ) -> bool {
        let suspects: Vec<(Binding, usize)> = bindings(self.chunk)
            .into_iter()
            .filter(|(binding, _)| checked.can_borrow(binding) && !lessons.ends_with_cell(binding))
            .collect();
        let touched = self.touched(errors);
        let defined = |(_, position): &&(Binding, usize)| touched.contains(position);
        let mentioned = |(binding, _): &&(Binding, usize)| {
            touched.iter().any(|&position| {
                self.chunk
                    .statements
                    .get(position)
                    .or(self.chunk.last.as_ref())
                    .is_some_and(|statement| statement.mentions.contains(&binding.name))
            })
        };
        let mut chosen: Vec<&(Binding, usize)> = suspects.iter().filter(defined).collect();
        if chosen.is_empty() {
            chosen = suspects.iter().filter(mentioned).collect();
        }
        if chosen.is_empty() && lessons.whole {
            chosen = suspects.iter().collect();
        }
        let given_up = chosen.into_iter().map(|(binding, _)| binding.clone());
        let before = lessons.borrowed.len();
        lessons.borrowed.extend(given_up);
        lessons.borrowed.len() > before
    }

    /// Makes all that follows the first statement that the errors point at one segment; the whole cell
    /// if that changes nothing. What borrows lives to the cell's end, as it does in a function.
    fn join(&self, errors: &[&Diagnostic], lessons: &mut Lessons) -> bool {
        if lessons.is_whole() {
            return false;
        }
        let first = self.touched(errors).first().copied().unwrap_or(0);
        let before = lessons.joined.len();
        lessons.joined.extend(first..self.chunk.statements.len());
        if lessons.joined.len() == before || first == 0 {
            lessons.whole = true;
        }
        true
    }
}
