//! Compiling and running one chunk of Rust, and keeping account of the variables.

use std::{
    collections::BTreeSet,
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use patchbay_protocol::{Command, FailureKind};
use tokio::sync::mpsc;

use crate::{
    EngineSession,
    ahead::Ahead,
    builder::{BuildError, Compiled, Job},
    defined::after_success,
    parsed::parse_chunk,
    say::{describe_seconds, print_note},
};
use patchbay_contract::{CellError, SessionEvent, StreamName};
use patchbay_engine::{
    compile::CompileError,
    diagnostics::{self, Diagnostic},
    directive::Timing,
    edits, nesting, parse,
    plan::{self, ENTRY, Plan},
    program::Source,
};
use patchbay_engine::{error, habits};

impl EngineSession {
    /// Compiles and runs a chunk.
    pub(crate) async fn run_chunk(
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
        let (job, compiled) = compiled?;
        self.timings.cached &= compiled.cached;
        if !compiled.cached {
            self.timings.programs += compiled.record.programs;
        }

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
            print_note(events, &format!("{rendered}\n"));
        }
        // What follows the last chunk is the next cell.
        if shows {
            self.compile_ahead(&job, &compiled);
        }
        let mut stale = self.engine.variables_made_stale(&job.chunk);
        stale.extend(self.made_stale_by_files(&compiled.record.files));
        if !stale.is_empty() {
            self.drop_stale(&stale, events).await?;
        }
        let set_aside = &compiled.record.lessons.set_aside;
        for note in self.engine.add_items(&job.chunk, &source, set_aside) {
            print_note(events, &note);
        }
        if compiled.plan.items_only {
            return Ok(());
        }

        self.prepare_crates(events).await?;
        let file = compiled.plan.program.file_name();
        self.programs.insert(file, compiled.plan.program.clone());
        let library = compiled.library.clone();
        // The runtime would stop it at its first step; a cell without one would run to its end.
        if self.shared.is_interrupted() {
            return Err(interrupted_before());
        }
        let line_map = compiled.plan.program.line_map(self.cell);
        let outcome = self
            .command(
                |id| Command::Run {
                    id,
                    library,
                    symbol: ENTRY.to_owned(),
                    line_map,
                },
                events,
            )
            .await?;
        self.timings.load_nanoseconds += outcome.load_nanoseconds;
        self.timings.run_nanoseconds += outcome.run_nanoseconds;
        let lost = if outcome.given_up {
            self.lost_with_the_cell(&compiled, &outcome)
        } else {
            Vec::new()
        };
        self.account_for_variables(&job, &compiled, &outcome, events)
            .await?;
        if timing == Timing::Once {
            let seconds = Duration::from_nanos(outcome.run_nanoseconds).as_secs_f64();
            let text = format!("Wall time: {}\n", describe_seconds(seconds));
            let _ = events.send(SessionEvent::Stream {
                name: StreamName::Stdout,
                text,
            });
        }
        match outcome.failure {
            Some(mut failure) => {
                if outcome.given_up {
                    let left = what_is_left(&lost);
                    if failure.kind == FailureKind::Interrupted {
                        failure.message = format!("{}; {left}", failure.message);
                    } else {
                        failure.causes.push(left);
                    }
                }
                Err(error::failure(&failure, |file| {
                    self.programs.get(file).cloned()
                }))
            }
            None => Ok(()),
        }
    }

    async fn compile_unless_interrupted(
        &mut self,
        source: &Source,
        timing: Timing,
        shows: bool,
    ) -> Result<(Arc<Job>, Compiled), CellError> {
        let (shared, builder) = (self.shared.clone(), self.builder.clone());
        let interrupted = shared.interrupted.notified();
        tokio::pin!(interrupted);
        interrupted.as_mut().enable();
        if shared.is_interrupted() {
            return Err(interrupted_before());
        }
        tokio::select! {
            compiled = self.compile(source, timing, shows) => compiled,
            () = interrupted => {
                builder.abandon_all();
                Err(interrupted_before())
            }
        }
    }

    pub(crate) async fn compile(
        &mut self,
        source: &Source,
        timing: Timing,
        shows: bool,
    ) -> Result<(Arc<Job>, Compiled), CellError> {
        let parsed = parse_chunk(&source.text, shows, &self.engine).ok();
        let is_parsed = parsed.is_some();
        // The compiler may know syntax that the parser does not.
        let unparsed = || nesting::read(&source.text, || parse::one_statement(&source.text));
        let Some(chunk) = parsed.or_else(|| unparsed().ok().flatten()) else {
            return Err(self.explain_syntax_error(source).await);
        };
        if let Some((range, problem)) = &chunk.refused {
            return Err(error::in_cell(source, range.clone(), problem));
        }
        let job = Arc::new(Job {
            engine: Arc::new(self.engine.clone()),
            chunk: Arc::new(chunk),
            source: source.clone(),
            level: self.level,
            timing,
        });
        match self.builder.build(&job).await {
            Ok(compiled) => Ok((job, compiled)),
            Err(_) if !is_parsed => Err(self.explain_syntax_error(source).await),
            Err(result) => Err(match &*result {
                Err(BuildError::Rejected {
                    plan,
                    diagnostics,
                    other_output,
                }) => self.compile_error(diagnostics, plan, other_output),
                Err(error @ (BuildError::NoCompiler(_) | BuildError::NoWorkplace(_))) => {
                    self.no_compiler(error)
                }
                Err(BuildError::Unsettled) | Ok(_) => CellError::plain(
                    "CompileError",
                    "the cell's variables could not be sorted out; split the cell into smaller ones",
                ),
                Err(BuildError::Abandoned) => interrupted_before(),
            }),
        }
    }

    /// Begins to compile the cells that wait, from the state that this chunk will leave.
    fn compile_ahead(&mut self, job: &Job, compiled: &Compiled) {
        let ahead = self.ahead.as_ref();
        if ahead.is_some_and(|ahead| ahead.foresaw(self.cell, &compiled.key)) {
            return;
        }
        let mut engine = self.engine.clone();
        after_success(&mut engine, job, compiled);
        self.ahead = Some(Ahead::start(
            self.builder.clone(),
            self.shared.upcoming.clone(),
            engine,
            self.magics,
            self.level,
            self.cell,
        ));
    }

    /// Why the compiler could not do its work.
    pub(crate) fn no_compiler(&self, error: &BuildError) -> CellError {
        let error = match error {
            BuildError::NoCompiler(error) => error,
            BuildError::NoWorkplace(text) => return CellError::plain("StartError", text.clone()),
            _ => return interrupted_before(),
        };
        if self.builder.compiler.sealed {
            return CellError::plain(
                "NotCompiled",
                "this cell was not compiled when the notebook was built: it has changed since, or a cell \
                 before it failed then or now. Build it again: patchbay build NOTEBOOK -o DIR",
            );
        }
        match error {
            CompileError::NoRoom { .. } => CellError::plain("NoRoom", error.to_string()),
            CompileError::NotWritten { .. } => CellError::plain("StartError", error.to_string()),
            CompileError::NotStarted(error) => CellError::plain(
                "CompilerError",
                format!(
                    "the compiler does not start: {}: {error}. See what is missing with: patchbay doctor",
                    self.builder.compiler.rustc.display()
                ),
            ),
            CompileError::Sealed => CellError::plain("CompilerError", error.to_string()),
        }
    }

    async fn explain_syntax_error(&mut self, source: &Source) -> CellError {
        if let Err(error) = nesting::check(&source.text) {
            return CellError::plain(error.name(), error.to_string());
        }
        let plan = plan::plan_unparsed(source);
        let output = self.builder.next_library();
        match self.builder.call_compiler(&plan, &output).await {
            Ok(compilation) if !compilation.succeeded => {
                self.compile_error(&compilation.diagnostics, &plan, &compilation.other_output)
            }
            Ok(_) => CellError::plain(
                "CompileError",
                "this syntax is valid Rust but not understood here; put it into a function",
            ),
            Err(error) => self.no_compiler(&error),
        }
    }

    pub(crate) fn compile_error(&self, all: &[Diagnostic], plan: &Plan, other: &str) -> CellError {
        let file = plan.program.file_name();
        let in_cells = |diagnostic: &&Diagnostic| diagnostic.marks(plan, &file).is_empty();
        let errors: Vec<&Diagnostic> = all
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            // "aborting due to 2 previous errors" says nothing of its own.
            .filter(|diagnostic| !diagnostic.message.starts_with("aborting due to"))
            .collect();
        let mut own: Vec<&Diagnostic> = errors.iter().copied().filter(in_cells).collect();
        // An earlier item that does not fit either is not what the cell must mend.
        let of_cell = |diagnostic: &&Diagnostic| edits::is_own(diagnostic, plan, &file);
        if own.iter().any(of_cell) {
            own.retain(of_cell);
        }
        let shown = if own.is_empty() { &errors } else { &own };
        self.last_errors.note(shown);
        let Some(first) = shown.first() else {
            if let Some(signal) = other.split_once("rustc interrupted by ") {
                let signal: String = signal.1.chars().take_while(|c| *c != ',').collect();
                let depth = nesting::depth(&plan.program.text);
                return CellError::plain(
                    "CompileError",
                    format!(
                        "the compiler crashed on this cell ({signal}). It is nested {depth} levels deep; where these are \
                         many, give parts of it names with `let`, or compute it in a loop"
                    ),
                );
            }
            return CellError::plain(
                "CompileError",
                format!("rustc failed without a diagnostic:\n{other}"),
            );
        };
        let hint = |diagnostic: &Diagnostic| self.hint(diagnostic, plan);
        let rendered = diagnostics::render(shown, &plan.program, &file, &hint);
        error::compile_error(&first.message, rendered)
    }

    /// What the session knows and the compiler does not: why a name is gone, where a variable that
    /// cannot be changed was defined, how a crate is brought.
    fn hint(&self, diagnostic: &Diagnostic, plan: &Plan) -> Option<String> {
        if let Some(hint) = edits::hint(diagnostic, plan) {
            return Some(hint);
        }
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
            "E0432" | "E0433" => {
                let missing = diagnostic.children.iter().find_map(|child| {
                    let (_, rest) = child.message.split_once("missing a crate named `")?;
                    rest.split('`').next()
                })?;
                // A crate of such a name is a stranger's.
                if habits::is_module_of_python(missing) {
                    return None;
                }
                Some(format!(
                    "a cell before this one can bring the crate: :dep {missing} = \"*\""
                ))
            }
            _ => None,
        }
    }

    /// Drops the variables whose type is being redefined; `stale` has the name of each and the type's.
    async fn drop_stale(
        &mut self,
        stale: &[(String, String)],
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let names: Vec<String> = stale.iter().map(|(name, _)| name.clone()).collect();
        let types: BTreeSet<&str> = stale.iter().map(|(_, name)| name.as_str()).collect();
        let cells: BTreeSet<u32> = names
            .iter()
            .filter_map(|name| self.engine.variables.get(name))
            .map(|variable| variable.cell)
            .collect();
        // One that the redefining cell makes anew is there again at its end.
        let cells: Vec<String> = cells.iter().map(|cell| format!("[{cell}]")).collect();
        let one = names.len() == 1;
        print_note(
            events,
            &format!(
                "note: {} {} dropped, because cell [{}] redefines {}, of which {} made; to make {} anew, run cell {} \
                 again\n",
                list(&names),
                if one { "was" } else { "were" },
                self.cell,
                list(&types),
                if one { "it is" } else { "they are" },
                if one { "it" } else { "them" },
                cells.join(", "),
            ),
        );
        for (name, redefined) in stale {
            let cell = self
                .engine
                .variables
                .get(name)
                .map(|variable| variable.cell);
            let again = cell.map_or_else(String::new, |cell| {
                format!("; to make it anew, run cell [{cell}] again")
            });
            let why = format!(
                "cell [{}] redefined `{redefined}`, of which it was made{again}",
                self.cell
            );
            self.engine.lose(name, why);
        }
        self.command(|id| Command::DropVariables { id, names }, events)
            .await?;
        Ok(())
    }
}

/// What a cell that was given up has left: the variables that it took with it, and the cells that make them.
fn what_is_left(lost: &[(String, u32)]) -> String {
    if lost.is_empty() {
        return "all variables are still there".to_owned();
    }
    let names: Vec<String> = lost.iter().map(|(name, _)| name.clone()).collect();
    let mut cells: Vec<u32> = lost.iter().map(|(_, cell)| *cell).collect();
    cells.sort_unstable();
    cells.dedup();
    let cells: Vec<String> = cells.iter().map(|cell| format!("[{cell}]")).collect();
    let them = if lost.len() == 1 { "it" } else { "them" };
    format!(
        "{} went with it: run cell {} again for {them}. All other variables are still there",
        list(&names),
        cells.join(", ")
    )
}

/// An interrupt came before the cell, or the rest of it, ran.
pub(crate) fn interrupted_before() -> CellError {
    CellError::plain(
        "Interrupted",
        "the cell was interrupted before it ran; all variables are still there",
    )
}

fn list<'a>(names: impl IntoIterator<Item = &'a (impl Display + 'a)>) -> String {
    names
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
