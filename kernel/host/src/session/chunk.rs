//! Compiling and running one chunk of Rust, and keeping account of the variables.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use patchbay_protocol::{Command, Outcome};
use tokio::sync::mpsc;

use super::{CellError, Session, SessionEvent, StreamName, error};
use crate::engine::{
    cache::{Cache, Record},
    diagnostics::{self, Diagnostic},
    directive::Timing,
    history::Variable,
    names,
    parse::{self, Chunk},
    plan::{self, Binding, ENTRY, Lessons, Plan},
    program::Source,
};

/// A chunk that compiled.
struct Compiled {
    plan: Plan,
    library: PathBuf,
    record: Record,
}

/// How many times a chunk is compiled at most: each attempt but the last has taught something about
/// a variable.
const MOST_ATTEMPTS: usize = 12;

/// How long a first interrupt may take to show an effect before the user is told what a second one
/// does.
const INTERRUPT_PATIENCE: Duration = Duration::from_secs(2);

impl Session {
    /// Compiles and runs a chunk.
    pub(super) async fn run_chunk(
        &mut self,
        text: Arc<str>,
        first_line: u32,
        timing: Timing,
        shows: bool,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let source = Source {
            text,
            cell: self.cell,
            first_line,
        };
        let start = Instant::now();
        let compiled = self
            .compile_unless_interrupted(&source, timing, shows)
            .await;
        self.timings.compile_nanoseconds += nanoseconds(start.elapsed());
        let (mut chunk, compiled) = compiled?;

        let warnings: Vec<&Diagnostic> = compiled
            .record
            .warnings
            .iter()
            // A semicolon behind a value keeps it from being shown; behind a `Result` it may hide
            // an error.
            .filter(|diagnostic| {
                !diagnostic.is_unused_value() || diagnostic.message.contains("Result")
            })
            .collect();
        if !warnings.is_empty() {
            let program = &compiled.plan.program;
            let rendered = diagnostics::render(&warnings, program, &program.file_name(), &|_| None);
            say(events, &format!("{rendered}\n"));
        }
        let stale = self.engine.variables_made_stale(&chunk, &source);
        if !stale.is_empty() {
            self.drop_stale(&stale, events).await?;
        }
        self.engine.add_items(&mut chunk, &source);
        if compiled.plan.items_only {
            return Ok(());
        }

        let file = compiled.plan.program.file_name();
        self.programs.insert(file, compiled.plan.program.clone());
        let library = compiled.library.clone();
        let hint = tokio::spawn(explain_second_interrupt(
            self.shared.clone(),
            events.clone(),
        ));
        let outcome = self
            .command(
                |id| Command::Run {
                    id,
                    library,
                    symbol: ENTRY.to_owned(),
                },
                events,
            )
            .await;
        hint.abort();
        let outcome = outcome?;
        self.timings.load_nanoseconds += outcome.load_nanoseconds;
        self.timings.run_nanoseconds += outcome.run_nanoseconds;
        self.account_for_variables(&compiled, &outcome, events)
            .await?;
        if timing == Timing::Once {
            let seconds = Duration::from_nanos(outcome.run_nanoseconds).as_secs_f64();
            let text = format!("Wall time: {}\n", super::magic::describe_seconds(seconds));
            let _ = events.send(SessionEvent::Stream {
                name: StreamName::Stdout,
                text,
            });
        }
        match &outcome.failure {
            Some(failure) => Err(error::failure(failure, |file| {
                self.programs.get(file).cloned()
            })),
            None => Ok(()),
        }
    }

    async fn compile_unless_interrupted(
        &mut self,
        source: &Source,
        timing: Timing,
        shows: bool,
    ) -> Result<(Chunk, Compiled), CellError> {
        let shared = self.shared.clone();
        let interrupted = shared.interrupted.notified();
        tokio::pin!(interrupted);
        interrupted.as_mut().enable();
        if shared.interrupts.load(Ordering::SeqCst) > 0 {
            return Err(interrupted_while_compiling());
        }
        tokio::select! {
            compiled = self.compile(source, timing, shows) => compiled,
            () = interrupted => Err(interrupted_while_compiling()),
        }
    }

    async fn compile(
        &mut self,
        source: &Source,
        timing: Timing,
        shows: bool,
    ) -> Result<(Chunk, Compiled), CellError> {
        let Ok(mut chunk) = parse::parse(&source.text) else {
            return Err(self.explain_syntax_error(source).await);
        };
        if !shows && let Some(last) = chunk.last.take() {
            chunk.statements.push(last);
        }
        let mut lessons = self.predicted(&chunk);
        let first = plan::plan(&self.engine, &chunk, source, &lessons, self.level, timing);
        let key = Cache::key(&self.config.compiler, &first);
        if let Some(found) = self.find_in_cache(&key, &chunk, source, timing) {
            return Ok((chunk, found));
        }
        self.timings.cached = false;

        let mut plan = first;
        for _ in 0..MOST_ATTEMPTS {
            let output = self.next_library();
            let file = plan.program.file_name();
            let compilation = self
                .config
                .compiler
                .compile(&plan, self.scratch.path(), &output)
                .await
                .map_err(|error| self.no_compiler(&error))?;
            if compilation.succeeded {
                let record = self.record(&plan, &compilation.diagnostics, &file, &lessons);
                let library = self.keep(&key, &plan, &output, &record);
                return Ok((
                    chunk,
                    Compiled {
                        plan,
                        library,
                        record,
                    },
                ));
            }
            let errors: Vec<&Diagnostic> = compilation
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.is_error())
                .collect();
            let mut learned = false;
            for error in &errors {
                learned |= diagnostics::learn(error, &plan, &file, &mut lessons);
            }
            if !learned {
                return Err(self.compile_error(
                    &compilation.diagnostics,
                    &plan,
                    &compilation.other_output,
                ));
            }
            plan = plan::plan(&self.engine, &chunk, source, &lessons, self.level, timing);
        }
        Err(error::plain(
            "CompileError",
            "the cell's variables could not be sorted out; split the cell into smaller ones",
        ))
    }

    /// What can be told without a compiler: a variable that is given away and defined anew will not
    /// be put back. A wrong guess only means that it is lost if the cell panics.
    fn predicted(&self, chunk: &Chunk) -> Lessons {
        let defined: BTreeSet<&str> = chunk
            .statements
            .iter()
            .flat_map(|statement| &statement.defines)
            .map(|definition| definition.name.as_str())
            .collect();
        let moved = chunk
            .statements
            .iter()
            .flat_map(|statement| &statement.gives_away)
            .filter(|name| defined.contains(name.as_str()))
            .filter(|name| {
                self.engine
                    .variables
                    .get(*name)
                    .is_some_and(|variable| !is_plain(&variable.type_text))
            })
            .map(|name| Binding {
                name: name.clone(),
                ordinal: 0,
            })
            .collect();
        Lessons {
            moved,
            ..Lessons::default()
        }
    }

    fn find_in_cache(
        &self,
        key: &str,
        chunk: &Chunk,
        source: &Source,
        timing: Timing,
    ) -> Option<Compiled> {
        let (library, record) = self.config.cache.as_ref()?.get(key)?;
        let plan = plan::plan(
            &self.engine,
            chunk,
            source,
            &record.lessons,
            self.level,
            timing,
        );
        // Two runs of a program with state of its own must not share it; a library is loaded once
        // for each path.
        let library = if plan.has_state {
            self.copy(&library)?
        } else {
            library
        };
        Some(Compiled {
            plan,
            library,
            record,
        })
    }

    fn copy(&self, library: &Path) -> Option<PathBuf> {
        let copy = tempfile::Builder::new()
            .suffix(".so")
            .tempfile_in(self.scratch.path())
            .ok()?;
        std::fs::copy(library, copy.path()).ok()?;
        copy.keep().ok().map(|(_, path)| path)
    }

    fn next_library(&mut self) -> PathBuf {
        self.libraries += 1;
        self.scratch
            .path()
            .join(format!("cell-{}.so", self.libraries))
    }

    fn record(
        &self,
        plan: &Plan,
        diagnostics: &[Diagnostic],
        file: &str,
        lessons: &Lessons,
    ) -> Record {
        let types = diagnostics
            .iter()
            .filter_map(|diagnostic| diagnostic.type_answer(plan, file))
            .collect();
        let warnings = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.level == "warning" && !diagnostic.spans.is_empty())
            .filter(|diagnostic| diagnostic.marks(plan, file).is_empty())
            .cloned()
            .collect();
        Record {
            digest: String::new(),
            types,
            lessons: lessons.clone(),
            warnings,
        }
    }

    /// Puts a compiled cell into the cache. The copy in the session's folder serves where the cache
    /// cannot be written.
    fn keep(&self, key: &str, plan: &Plan, output: &Path, record: &Record) -> PathBuf {
        let library = (!plan.items_only).then_some(output);
        let kept = self
            .config
            .cache
            .as_ref()
            .and_then(|cache| cache.put(key, library, record.clone()).ok());
        match kept {
            Some(path) if !plan.has_state && !plan.items_only => {
                let _ = std::fs::remove_file(output);
                path
            }
            _ => output.to_path_buf(),
        }
    }

    fn no_compiler(&self, error: &std::io::Error) -> CellError {
        error::plain(
            "CompilerError",
            format!(
                "the compiler does not start: {}: {error}. See what is missing with: patchbay doctor",
                self.config.compiler.rustc.display()
            ),
        )
    }

    async fn explain_syntax_error(&mut self, source: &Source) -> CellError {
        let plan = plan::plan_unparsed(source);
        let output = self.next_library();
        match self
            .config
            .compiler
            .compile(&plan, self.scratch.path(), &output)
            .await
        {
            Ok(compilation) if !compilation.succeeded => {
                self.compile_error(&compilation.diagnostics, &plan, &compilation.other_output)
            }
            Ok(_) => error::plain(
                "CompileError",
                "this syntax is valid Rust but not understood here; put it into a function",
            ),
            Err(error) => self.no_compiler(&error),
        }
    }

    fn compile_error(&self, all: &[Diagnostic], plan: &Plan, other: &str) -> CellError {
        let file = plan.program.file_name();
        let in_cells = |diagnostic: &&Diagnostic| diagnostic.marks(plan, &file).is_empty();
        let errors: Vec<&Diagnostic> = all
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            // "aborting due to 2 previous errors" says nothing of its own.
            .filter(|diagnostic| !diagnostic.message.starts_with("aborting due to"))
            .collect();
        let own: Vec<&Diagnostic> = errors.iter().copied().filter(in_cells).collect();
        let shown = if own.is_empty() { &errors } else { &own };
        let Some(first) = shown.first() else {
            return error::plain(
                "CompileError",
                format!("rustc failed without a diagnostic:\n{other}"),
            );
        };
        let hint = |diagnostic: &Diagnostic| self.hint(diagnostic, plan);
        let rendered = diagnostics::render(shown, &plan.program, &file, &hint);
        error::compile_error(&first.message, rendered)
    }

    /// What the session knows and the compiler does not: why a name is gone, where a variable that
    /// cannot be changed was defined.
    fn hint(&self, diagnostic: &Diagnostic, plan: &Plan) -> Option<String> {
        let name = diagnostic.message.split('`').nth(1)?;
        match diagnostic.code.as_ref()?.code.as_str() {
            "E0425" | "E0423" | "E0424" => self
                .engine
                .lost
                .get(name)
                .map(|why| format!("there is no `{name}` any more: {why}")),
            "E0596" | "E0594" | "E0384" if plan.takes.iter().any(|taken| taken == name) => {
                let variable = self.engine.variables.get(name)?;
                (!variable.mutable).then(|| {
                    format!(
                        "`{name}` was defined without `mut` in cell [{}]; to change it, write first: \
                         let mut {name} = {name};",
                        variable.cell
                    )
                })
            }
            _ => None,
        }
    }

    /// Drops the variables whose type is being redefined.
    async fn drop_stale(
        &mut self,
        names: &[String],
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let one = names.len() == 1;
        say(
            events,
            &format!(
                "note: {} {} dropped, because cell [{}] redefines a type that {} made of\n",
                list(names),
                if one { "was" } else { "were" },
                self.cell,
                if one { "it is" } else { "they are" },
            ),
        );
        for name in names {
            let why = format!("cell [{}] redefined a type that it was made of", self.cell);
            self.engine.lose(name, why);
        }
        let names = names.to_vec();
        self.command(|id| Command::DropVariables { id, names }, events)
            .await?;
        Ok(())
    }

    /// Notes which variables are alive after a run.
    async fn account_for_variables(
        &mut self,
        compiled: &Compiled,
        outcome: &Outcome,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let cell = self.cell;
        let failed = outcome.failure.is_some();
        let stored = |name: &str| {
            outcome
                .stored
                .iter()
                .rfind(|variable| variable.name == name)
        };
        let mut unnameable = Vec::new();
        for name in &compiled.plan.takes {
            if stored(name).is_none() && self.engine.variables.contains_key(name) {
                // A refused run has not taken anything.
                if !matches!(&outcome.failure, Some(failure)
                    if failure.kind == patchbay_protocol::FailureKind::Refused)
                {
                    self.engine
                        .lose(name, format!("cell [{cell}] moved it away"));
                }
            }
        }
        for definition in &compiled.plan.defines {
            let name = &definition.name;
            match stored(name) {
                Some(variable) if variable.ordinal > 0 => {
                    let stored_as = Binding {
                        name: name.clone(),
                        ordinal: variable.ordinal,
                    };
                    let type_text = compiled
                        .record
                        .types
                        .iter()
                        .find(|(known, _)| *known == stored_as);
                    match type_text
                        .map(|(_, text)| text)
                        .filter(|text| is_nameable(text))
                    {
                        Some(text) => {
                            let variable = Variable {
                                type_text: text.clone(),
                                type_names: type_names(text),
                                mutable: definition.mutable,
                                cell,
                                bytes: variable.bytes,
                            };
                            self.engine.lost.remove(name);
                            self.engine.variables.insert(name.clone(), variable);
                        }
                        None => {
                            let text = type_text.map_or("unknown", |(_, text)| text.as_str());
                            let why = why_unnameable(text);
                            say(
                                events,
                                &format!("note: `{name}` is not kept for later cells: {why}\n"),
                            );
                            self.engine
                                .lose(name, format!("cell [{cell}] could not keep it: {why}"));
                            unnameable.push(name.clone());
                        }
                    }
                }
                Some(_) => {}
                None if compiled
                    .record
                    .lessons
                    .borrowed
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    let why = "it borrows from a variable of its own cell; keep an owned value \
                               (clone it, or use the index or a range)";
                    if !failed {
                        say(
                            events,
                            &format!("note: `{name}` is not kept for later cells: {why}\n"),
                        );
                    }
                    self.engine
                        .lose(name, format!("cell [{cell}] could not keep it: {why}"));
                }
                None if compiled
                    .record
                    .lessons
                    .moved
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    self.engine
                        .lose(name, format!("cell [{cell}] defined it and moved it away"));
                }
                None if failed && !self.engine.variables.contains_key(name) => {
                    let why = format!("cell [{cell}], which defines it, failed before its end");
                    self.engine.lose(name, why);
                }
                None => {}
            }
        }
        if !unnameable.is_empty() {
            self.command(
                |id| Command::DropVariables {
                    id,
                    names: unnameable,
                },
                events,
            )
            .await?;
        }
        Ok(())
    }
}

/// Tells the user, once a first interrupt has had no effect for a while, what a second one does.
async fn explain_second_interrupt(
    shared: Arc<super::Shared>,
    events: mpsc::UnboundedSender<SessionEvent>,
) {
    while shared.interrupts.load(Ordering::SeqCst) == 0 {
        let interrupted = shared.interrupted.notified();
        let _ = tokio::time::timeout(Duration::from_millis(200), interrupted).await;
    }
    tokio::time::sleep(INTERRUPT_PATIENCE).await;
    say(
        &events,
        "note: the cell has not reached a point where it can stop. It stops at the next step of a \
         loop; a second interrupt kills it at once, and all variables are lost\n",
    );
}

fn interrupted_while_compiling() -> CellError {
    error::plain(
        "Interrupted",
        "the cell was interrupted before it ran; all variables are still there",
    )
}

/// A line of the session's own, on stderr.
fn say(events: &mpsc::UnboundedSender<SessionEvent>, text: &str) {
    let _ = events.send(SessionEvent::Stream {
        name: StreamName::Stderr,
        text: text.to_owned(),
    });
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a type is copied when it is given away, as far as its text tells.
fn is_plain(type_text: &str) -> bool {
    const PLAIN: [&str; 17] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize", "()",
    ];
    PLAIN.contains(&type_text) || type_text.starts_with('&') && !type_text.starts_with("&mut")
}

/// Whether a later program can write the type: closures, futures, functions and hidden types have no
/// name.
fn is_nameable(type_text: &str) -> bool {
    let hidden = ["impl ", "{", "[closure", "[async", "<unnamed"];
    !hidden.iter().any(|mark| type_text.contains(mark))
        && syn::parse_str::<syn::Type>(type_text).is_ok()
}

fn why_unnameable(type_text: &str) -> String {
    let advice = if type_text.starts_with("{closure") || type_text.starts_with("[closure") {
        "a closure has no type that a later cell could name; box it: `let f: Box<dyn Fn(i32) -> i32> = \
         Box::new(|x| x + 1);`, or write a function"
    } else if type_text.contains("closure") {
        "its type has a closure in it, which no later cell could name; collect it into a `Vec`, or box it"
    } else if type_text.contains("async") {
        "a future has no type that a later cell could name; await it in this cell, or box it: \
         `Box::pin(...)`"
    } else if type_text.starts_with("fn") {
        "the type of a function item has no name; give it one: `let f: fn(i32) -> i32 = ...;`"
    } else {
        "its type has no name that a later cell could write; box it as a trait object"
    };
    format!("{advice} (its type: {type_text})")
}

fn type_names(type_text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(tokens) = type_text.parse() {
        names::collect(tokens, &mut found);
    }
    found
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
