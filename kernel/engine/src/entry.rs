//! The entry of a cell's program: what takes the variables, runs the cell's text and stores them.

use std::{fmt::Write, sync::Arc};

use super::{
    chunk::{Chunk, Statement},
    closure::Closure,
    history::Engine,
    item::Item,
    lessons::{Binding, Lessons, is_unwanted},
    planned::{CHECK, ENTRY, Mark, Plan},
    program::Source,
    questions,
    segments::{Export, Segments},
    timing::Timing,
};

/// What stands in front of the cell's own statements.
pub(super) struct Earlier {
    /// Macros whose bodies name variables.
    pub macros: Vec<Arc<Item>>,
    pub closures: Vec<Closure>,
}

/// How a segment ends when nothing has stopped it.
const DONE: &str = "::core::result::Result::<(), ::patchbay::cell::CellError>::Ok(())";

impl Plan {
    fn line(&mut self, text: &str) {
        self.program.generated(text);
        self.program.generated("\n");
    }

    fn marked_line(&mut self, text: &str, mark: Mark) {
        let line = self.program.line_of(self.program.text.len());
        self.marks.insert(line, mark);
        self.line(text);
    }

    pub(super) fn write_entry(
        &mut self,
        engine: &Engine,
        chunk: &Chunk,
        source: &Source,
        lessons: &Lessons,
        timing: Timing,
        earlier: &Earlier,
    ) {
        self.line("#[unsafe(no_mangle)]");
        self.line(&format!(
            "pub fn {ENTRY}(__cell: &mut ::patchbay::cell::Cell<'_>) {{"
        ));
        self.write_takes(engine, lessons);
        for item in &earlier.macros {
            let range = item.parsed.range.clone();
            self.program.source(&item.source, range, &[], "");
            self.program.generated("\n");
        }
        self.write_closures(&earlier.closures, lessons);
        let repeated = timing == Timing::Repeated;
        let whole = lessons.is_whole() || lessons.checks_text || repeated;
        let segments = Segments::of(chunk, &self.takes, lessons, whole, !repeated);
        let count = segments.statements.len();
        for (index, statements) in segments.statements.iter().enumerate() {
            let is_last = index + 1 == count;
            let exports = if whole {
                Vec::new()
            } else {
                segments.handed_on(index, lessons)
            };
            let hands_on = !(is_last && exports.is_empty());
            if hands_on {
                let pattern: String = exports
                    .iter()
                    .map(|Export { binding, mutable }| {
                        format!("{}{}, ", if *mutable { "mut " } else { "" }, binding.name)
                    })
                    .collect();
                // What is handed on is in no variable besides those of the pattern, which would borrow as long.
                self.line(&format!(
                    "let ::core::option::Option::Some(({pattern})) = ({{"
                ));
            }
            self.line("let mut __done = ::core::option::Option::None;");
            self.line("::patchbay::cell::run(::std::boxed::Box::new(|| {");
            if chunk.awaits {
                self.line("::patchbay::cell::block_on(async {");
            }
            if repeated {
                self.line("::patchbay::timing::timeit(|| {");
            }
            if lessons.returns_nothing {
                self.line("(|| -> () {");
            }
            let mut macros: Vec<_> = chunk
                .items
                .iter()
                .filter(|item| item.is_local_macro(lessons))
                .collect();
            // A block, so that no line of the engine's completes what the cell left open.
            if chunk.is_unparsed {
                self.line("{");
            }
            for &position in statements {
                let statement = &chunk.statements[position];
                while let Some(first) = macros.first()
                    && first.range.start < statement.range.start
                {
                    self.program.source(source, first.range.clone(), &[], "");
                    self.program.generated("\n");
                    macros.remove(0);
                }
                if !lessons.left_to_callers.contains(&position) {
                    self.write_statement(source, statement, lessons);
                }
                self.program.generated("\n");
            }
            for item in macros {
                self.program.source(source, item.range.clone(), &[], "");
                self.program.generated("\n");
            }
            if chunk.is_unparsed {
                self.line("};");
            }
            if is_last && let Some(last) = &chunk.last {
                self.write_last(source, last, lessons, timing);
            }
            if repeated {
                self.line(DONE);
                self.line("})?;");
            }
            if whole && !lessons.checks_text {
                self.write_stores(&segments, index, lessons);
            } else if is_last {
                self.write_releases(segments.endings(index, lessons), lessons);
            }
            let names: String = exports
                .iter()
                .map(|export| format!("{}, ", export.binding.name))
                .collect();
            self.marked_line(
                &format!("__done = ::core::option::Option::Some(({names}));"),
                Mark::Segment,
            );
            let asked: Vec<Binding> = if whole {
                segments.defined_at_end().cloned().collect()
            } else if is_last {
                segments.endings(index, lessons).cloned().collect()
            } else {
                Vec::new()
            };
            if lessons.returns_nothing {
                self.ask_types(&asked, "return;");
                self.line("})();");
                self.line(DONE);
            } else if asked.is_empty() {
                self.line(DONE);
            } else {
                self.ask_types(&asked, &format!("return {DONE};"));
            }
            if chunk.awaits {
                self.line("})");
            }
            self.line("}));");
            if !hands_on {
                continue;
            }
            self.line("__done }) else {");
            self.write_stores(&segments, index, lessons);
            self.line("return; };");
        }
        if lessons.checks_text {
            // Nothing is stored.
        } else if whole {
            self.write_put_backs(&segments, lessons);
        } else {
            self.write_stores(&segments, count, lessons);
            let asked: Vec<Binding> = segments
                .defined_at_end()
                .filter(|binding| {
                    !segments
                        .endings(count - 1, lessons)
                        .any(|end| end == *binding)
                })
                .cloned()
                .collect();
            self.ask_types(&asked, "return;");
        }
        self.line("}");
    }

    /// Writes the last expression, whose value is shown.
    fn write_last(&mut self, source: &Source, last: &Statement, lessons: &Lessons, timing: Timing) {
        if lessons.checks_text {
            // What the expression makes in passing lives to the end of the `match`.
            self.program.generated("match ");
            self.write_statement(source, last, lessons);
            self.line(" { __shown => {");
            self.marked_line(
                "::core::mem::drop(&__shown);",
                Mark::AskType(Binding::shown()),
            );
            self.line("} };");
            return;
        }
        self.program.generated(match timing {
            Timing::Repeated => "let _ = ::core::hint::black_box(",
            _ => "::patchbay::__show_result!(",
        });
        // A number that nothing but the fallback to `i32` and `f64` gives a type has none yet where it is shown.
        if let Some(type_text) = &lessons.shown_type {
            self.program
                .generated(&format!("::core::convert::identity::<{type_text}>("));
        }
        self.write_statement(source, last, lessons);
        if lessons.shown_type.is_some() {
            self.program.generated(")");
        }
        self.program.generated(");\n");
    }

    /// Writes a statement with the interruption checks in its loops; where it returns from the cell, it
    /// returns what a segment returns.
    fn write_statement(&mut self, source: &Source, statement: &Statement, lessons: &Lessons) {
        let checks = statement
            .loop_bodies
            .iter()
            .map(|&position| (position, CHECK));
        let returns = statement
            .returns
            .iter()
            .map(|insertion| (insertion.position, insertion.text));
        let mut insertions: Vec<(usize, &str)> = checks
            .chain(returns)
            .chain(questions::insertions(&statement.questions, lessons))
            .collect();
        insertions.sort_by_key(|(position, _)| *position);
        self.program
            .source_with(source, statement.range.clone(), &insertions);
    }

    /// Makes the compiler name the types of bindings, behind a statement that leaves the function: what
    /// cannot be reached is type-checked, and the borrow checker does not look at it.
    fn ask_types(&mut self, bindings: &[Binding], leave: &str) {
        if bindings.is_empty() {
            return;
        }
        self.line(leave);
        for binding in bindings {
            self.marked_line(
                &format!("::core::mem::drop(&{});", binding.name),
                Mark::AskType(binding.clone()),
            );
        }
    }

    /// Drops what is not stored, so that what it borrows from can be; in the order in which a function
    /// would.
    fn write_releases<'a>(
        &mut self,
        bindings: impl DoubleEndedIterator<Item = &'a Binding>,
        lessons: &Lessons,
    ) {
        for binding in bindings.rev() {
            if lessons.ends_with_cell(binding) && !lessons.unreleased.contains(binding) {
                self.marked_line(
                    &format!("::core::mem::drop({});", binding.name),
                    Mark::Release(binding.clone()),
                );
            }
        }
    }

    fn write_takes(&mut self, engine: &Engine, lessons: &Lessons) {
        let types: Vec<(String, String, bool)> = self
            .takes
            .iter()
            .filter_map(|name| {
                let variable = engine.variables.get(name)?;
                Some((name.clone(), variable.type_text.clone(), variable.mutable))
            })
            .collect();
        if types.is_empty() {
            return;
        }
        let mut required = String::from("if !__cell.has(&[");
        for (name, type_text, _) in &types {
            let _ = write!(
                required,
                "(\"{name}\", ::core::any::TypeId::of::<{type_text}>()), "
            );
        }
        required.push_str("]) { return; }");
        self.marked_line(&required, Mark::Take);
        for (name, type_text, mutable) in &types {
            let mutable = if *mutable { "mut " } else { "" };
            self.marked_line(
                &format!("let {mutable}{name}: {type_text} = __cell.take(\"{name}\");"),
                Mark::Take,
            );
            // What stays where it is, unchanged, can be read from there if the cell has to be given up. Numbers and
            // their like come back by themselves.
            let binding = Binding {
                name: name.clone(),
                ordinal: 0,
            };
            let stays = mutable.is_empty()
                && !lessons.moved.contains(&binding)
                && !lessons.returned.contains(&binding)
                && !lessons.ends_with_cell(&binding);
            if stays && type_text.contains(char::is_uppercase) {
                self.line(&format!(
                    "__cell.lend(\"{name}\", (&raw const {name}).cast());"
                ));
            }
        }
    }

    /// Stores what is visible when segment `index` has failed, or at the end of all.
    fn write_stores(&mut self, segments: &Segments, index: usize, lessons: &Lessons) {
        let visible: Vec<Binding> = segments
            .visible_after(index)
            .filter(|binding| {
                !(segments.whole && binding.ordinal == 0 && !lessons.returned.contains(binding))
            })
            .filter(|binding| !segments.is_taken_by(index, binding))
            .filter(|binding| !segments.ended_before(index, binding, lessons))
            .filter(|binding| {
                !(lessons.moved.contains(binding) && segments.last_use(binding) <= index)
            })
            .cloned()
            .collect();
        self.write_releases(visible.iter(), lessons);
        for binding in visible {
            let name = &binding.name;
            // A leading underscore says that the value is not wanted.
            if lessons.ends_with_cell(&binding) || is_unwanted(name) && binding.ordinal > 0 {
                continue;
            }
            let ordinal = binding.ordinal;
            self.marked_line(
                &format!("__cell.put(\"{name}\", {ordinal}, {name});"),
                Mark::Store(binding),
            );
        }
    }

    /// Puts the earlier variables back, unless new ones of their names were stored.
    fn write_put_backs(&mut self, segments: &Segments, lessons: &Lessons) {
        for name in self.takes.clone() {
            let binding = Binding { name, ordinal: 0 };
            if lessons.returned.contains(&binding) {
                continue;
            }
            if !(lessons.moved.contains(&binding) && segments.last_use(&binding) < usize::MAX) {
                let name = &binding.name;
                self.marked_line(
                    &format!("__cell.put_back(\"{name}\", {name});"),
                    Mark::Store(binding.clone()),
                );
            }
        }
    }
}
