//! Compiling and running one chunk of Rust, and keeping account of the variables.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use patchbay_protocol::Command;
use tokio::sync::mpsc;

use super::{
    CellError, Session, SessionEvent, StreamName,
    ahead::Ahead,
    build::{BuildError, Compiled, Job},
    error,
    variables::after_success,
};
use crate::engine::{
    diagnostics::{self, Diagnostic},
    directive::Timing,
    nesting,
    parse::{self, Chunk},
    plan::{self, ENTRY, Plan},
    program::Source,
};

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
        let (job, compiled) = compiled?;
        self.timings.cached &= compiled.cached;

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
        // What follows the last chunk is the next cell.
        if shows {
            self.compile_ahead(&job, &compiled);
        }
        let stale = self.engine.variables_made_stale(&job.chunk, &source);
        if !stale.is_empty() {
            self.drop_stale(&stale, events).await?;
        }
        self.engine.add_items(&job.chunk, &source);
        if compiled.plan.items_only {
            return Ok(());
        }

        let file = compiled.plan.program.file_name();
        self.programs.insert(file, compiled.plan.program.clone());
        let library = compiled.library.clone();
        // The runtime would stop it at its first step; a cell without one would run to its end.
        if self.shared.is_interrupted() {
            return Err(interrupted_before());
        }
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

    pub(super) async fn compile(
        &mut self,
        source: &Source,
        timing: Timing,
        shows: bool,
    ) -> Result<(Arc<Job>, Compiled), CellError> {
        let Ok(chunk) = parse_chunk(&source.text, shows) else {
            return Err(self.explain_syntax_error(source).await);
        };
        let job = Arc::new(Job {
            engine: Arc::new(self.engine.clone()),
            chunk: Arc::new(chunk),
            source: source.clone(),
            level: self.level,
            timing,
        });
        match self.builder.build(&job).await {
            Ok(compiled) => Ok((job, compiled)),
            Err(result) => Err(match &*result {
                Err(BuildError::Rejected {
                    plan,
                    diagnostics,
                    other_output,
                }) => self.compile_error(diagnostics, plan, other_output),
                Err(BuildError::NoCompiler(error)) => self.no_compiler(error),
                Err(BuildError::Unsettled) | Ok(_) => error::plain(
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
            self.level,
            self.cell,
        ));
    }

    pub(super) fn no_compiler(&self, error: &std::io::Error) -> CellError {
        if self.builder.compiler.sealed {
            return error::plain(
                "NotCompiled",
                "this cell was not compiled when the notebook was built: it has changed since, or a cell \
                 before it failed then or now. Build it again: patchbay build NOTEBOOK -o DIR",
            );
        }
        error::plain(
            "CompilerError",
            format!(
                "the compiler does not start: {}: {error}. See what is missing with: patchbay doctor",
                self.builder.compiler.rustc.display()
            ),
        )
    }

    async fn explain_syntax_error(&mut self, source: &Source) -> CellError {
        if let Err(error) = nesting::check(&source.text) {
            return error::plain(error.name(), error.to_string());
        }
        let plan = plan::plan_unparsed(source);
        let output = self.builder.next_library();
        match self
            .builder
            .compiler
            .compile(&plan, self.builder.scratch(), &output)
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

    pub(super) fn compile_error(&self, all: &[Diagnostic], plan: &Plan, other: &str) -> CellError {
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
            if let Some(signal) = other.split_once("rustc interrupted by ") {
                let signal: String = signal.1.chars().take_while(|c| *c != ',').collect();
                let depth = nesting::depth(&plan.program.text);
                return error::plain(
                    "CompileError",
                    format!(
                        "the compiler crashed on this cell ({signal}). It is nested {depth} levels deep; where these are \
                         many, give parts of it names with `let`, or compute it in a loop"
                    ),
                );
            }
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
    /// cannot be changed was defined, how a crate is brought.
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
            "E0432" | "E0433" => {
                let missing = diagnostic.children.iter().find_map(|child| {
                    let (_, rest) = child.message.split_once("missing a crate named `")?;
                    rest.split('`').next()
                })?;
                Some(format!(
                    "a cell before this one can bring the crate: :dep {missing} = \"*\""
                ))
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
}

/// Parses a chunk; one that does not show its last expression runs it as a statement.
///
/// # Errors
///
/// Returns syn's error.
pub(super) fn parse_chunk(text: &str, shows: bool) -> syn::Result<Chunk> {
    let mut chunk = nesting::read(text, || parse::parse(text))??;
    if !shows && let Some(last) = chunk.last.take() {
        chunk.statements.push(last);
    }
    Ok(chunk)
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

/// An interrupt came before the cell, or the rest of it, ran.
pub(super) fn interrupted_before() -> CellError {
    error::plain(
        "Interrupted",
        "the cell was interrupted before it ran; all variables are still there",
    )
}

/// A line of the session's own, on stderr.
pub(super) fn say(events: &mpsc::UnboundedSender<SessionEvent>, text: &str) {
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

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
