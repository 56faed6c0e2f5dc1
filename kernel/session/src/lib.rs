//! One notebook session: the engine that compiles cells and the runtime process that runs them.
//!
//! The Jupyter server and `patchbay run` both drive a [`EngineSession`]; neither knows how a cell is
//! compiled.

mod ahead;
mod autoreload;
mod build;
mod chunk;
mod compile_only;
mod dependency;
mod included;
mod kept;
mod last_errors;
mod magic;
mod plugin;
mod variables;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use patchbay_protocol::{
    CommMessage, Command, Failure, FailureKind,
    question::{GpuMemory, MemoryOfGpu},
};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use ahead::{Ahead, Upcoming};
use autoreload::Autoreload;
use build::Builder;
use dependency::Crates;
use included::Included;
use last_errors::LastErrors;

pub use kept::Kept;
pub use magic::magics;
use patchbay_completion::Completer;
use patchbay_contract::{
    Answer, CellError, CellReply, CellRequest, Completeness, Completions, Control, Session,
    SessionEvent, Timings, panics,
};
use patchbay_engine::{
    Engine, Program, cache::Cache, compile::Compiler, completeness, directive, directive::Part,
    error, plan::Level,
};
use patchbay_runtime_client::runtime::{Reply, Runtime, Sender};
use patchbay_side::SideConfig;
use patchbay_toolchain::{dependency::Workshop, plugin::Sdk, snapshot::Held, workplace::Workplace};

/// How long the runtime may take to stop a cell or to give it up. A further interrupt within this time is the same one.
const GIVING_UP: Duration = Duration::from_secs(4);

/// How long anything that a cell waits for may go on after an interrupt before the runtime is ended.
const HANGING: Duration = Duration::from_secs(10);

/// What a session needs to start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    pub compiler: Compiler,
    /// The program that owns the variables.
    pub runtime: PathBuf,
    /// Where the runtime finds the SDK and the standard library.
    pub library_path: OsString,
    /// Compiled cells; `None` compiles every cell.
    pub cache: Option<Cache>,
    /// Where crates for cells are built.
    pub dependencies: Workshop,
    /// The libraries of plugins whose source is not there, by the path in `%plugin PATH`.
    pub plugins: BTreeMap<String, PathBuf>,
    /// The values of the notebook's parameters, a JSON object.
    pub parameters: Option<String>,
    /// Where the runtime starts; a notebook's folder for instance.
    pub working_directory: PathBuf,
    /// The side process with rust-analyzer, if it has been built.
    pub side: Option<SideConfig>,
    /// The snapshot, whose files are put back where somebody removes them.
    pub snapshot: Option<Arc<Held>>,
}

/// A running session. Dropping it ends the runtime process.
pub struct EngineSession {
    config: SessionConfig,
    /// What the runtime says before the first cell.
    early: Option<mpsc::UnboundedReceiver<SessionEvent>>,
    engine: Engine,
    level: Level,
    runtime: Runtime,
    shared: Arc<Shared>,
    /// The programs that were run, by file name, to find the places of panics.
    programs: HashMap<String, Program>,
    /// Programs, sockets and compiled cells of this session.
    workplace: Arc<Workplace>,
    /// Whether this runtime has done what it was told once; one that never has may have been unable to start.
    runtime_has_worked: bool,
    builder: Arc<Builder>,
    ahead: Option<Ahead>,
    autoreload: Autoreload,
    /// Loads the plugins into a runtime that has taken the place of another.
    loading_again: Option<tokio::task::JoinHandle<()>>,
    crates: Crates,
    last_errors: LastErrors,
    included: Included,
    /// What was made for the notebook and is not in the cache.
    kept: Kept,
    cell: u32,
    timings: Timings,
    /// Whether every cell tells how long it took (`:timing`).
    tells_time: bool,
}

/// What a session shares with the handles that reach it while a cell runs.
struct Shared {
    upcoming: Arc<Upcoming>,
    /// Whether a cell is being compiled or run. Locked from this decision on until the runtime has been told, so that an
    /// interrupt is for the cell that runs and for no other.
    running: Mutex<bool>,
    /// The interrupts since the cell began.
    interrupts: AtomicU32,
    /// When the first of them came.
    first_interrupt: Mutex<Option<Instant>>,
    /// Whether the runtime was ended because the cell did not.
    killed: AtomicBool,
    /// Counts the cells, so that what is late for one does not hit another.
    cells: AtomicU64,
    interrupted: Notify,
    runtime: Mutex<Sender>,
    /// The plugins that the notebook has loaded, in order: what each was made of, and its library.
    plugins: Mutex<Vec<(String, PathBuf)>>,
    completer: Arc<Completer>,
}

/// A cheap handle that reaches a session while a cell runs.
#[derive(Clone)]
pub struct EngineControl {
    shared: Arc<Shared>,
}

impl Session for EngineSession {
    fn control(&self) -> Arc<dyn Control> {
        Arc::new(EngineControl {
            shared: self.shared.clone(),
        })
    }

    /// Compiles and runs a cell.
    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply> {
        Box::pin(self.execute_cell(request, events))
    }

    /// Returns what the runtime says before the first cell, comm messages for instance.
    fn take_early_events(&mut self) -> Option<mpsc::UnboundedReceiver<SessionEvent>> {
        self.early.take()
    }
}

impl EngineSession {
    /// Starts the runtime process. Returns before the runtime is up; the first cell waits for it.
    ///
    /// # Errors
    ///
    /// Fails where the runtime cannot be started or there is no folder for the session's files.
    pub async fn start(config: SessionConfig) -> anyhow::Result<EngineSession> {
        let workplace = Arc::new(Workplace::new(config.snapshot.clone())?);
        let mut config = config;
        if let Some(cache) = &config.cache
            && let Err(text) = cache.check()
        {
            workplace.note(format!("compiled cells are neither read nor kept: {text}"));
            config.cache = None;
        }
        let (events, early) = mpsc::unbounded_channel();
        let runtime = start_runtime(&config, &workplace, events)?;
        if let Some(cache) = config.cache.clone() {
            tokio::task::spawn_blocking(move || cache.evict());
        }
        let compiler = Compiler {
            folder: config.working_directory.clone(),
            ..config.compiler.clone()
        };
        let builder = Arc::new(Builder::new(
            compiler,
            config.cache.clone(),
            workplace.clone(),
        ));
        let shared = Arc::new(Shared {
            upcoming: Arc::default(),
            running: Mutex::new(false),
            interrupts: AtomicU32::new(0),
            first_interrupt: Mutex::new(None),
            killed: AtomicBool::new(false),
            cells: AtomicU64::new(0),
            interrupted: Notify::new(),
            runtime: Mutex::new(runtime.sender()),
            plugins: Mutex::default(),
            completer: Arc::new(Completer::new(
                magic::magics(),
                config.side.clone(),
                config.working_directory.clone(),
                workplace.path().to_path_buf(),
            )),
        });
        let autoreload = Autoreload::new(
            Sdk::from(&builder.compiler),
            workplace.clone(),
            shared.clone(),
        );
        Ok(EngineSession {
            config,
            early: Some(early),
            engine: Engine::default(),
            level: Level::Auto,
            runtime,
            shared,
            programs: HashMap::new(),
            workplace,
            runtime_has_worked: false,
            builder,
            ahead: None,
            autoreload,
            loading_again: None,
            crates: Crates::default(),
            last_errors: LastErrors::default(),
            included: Included::default(),
            kept: Kept::default(),
            cell: 0,
            timings: Timings::default(),
            tells_time: false,
        })
    }

    /// Compiles and runs a cell, sending what it shows to `events` before it returns. A cell that comes to its end after
    /// an interrupt has failed like one that was stopped, so that what waits does not run.
    async fn execute_cell(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        self.cell = request.execution_count;
        self.timings = Timings {
            cached: true,
            ..Timings::default()
        };
        self.set_running(true);
        self.shared.upcoming.begin(&request.code);
        self.shared.completer.cell_begins();
        let start = Instant::now();
        let executed = panics::caught(self.execute_parts(request, events)).await;
        let mut reply = executed.unwrap_or_else(|what| CellReply {
            error: Some(CellError::plain(panics::NAME, what)),
            ..CellReply::default()
        });
        self.set_running(false);
        if reply.error.is_none() && self.shared.is_interrupted() {
            reply.error = Some(CellError::plain(
                "Interrupted",
                "the cell ended before the interrupt reached it; its variables are there, and cells that waited are \
                 not run",
            ));
        }
        self.shared.completer.cell_ends(&self.engine);
        for note in self.workplace.take_notes() {
            chunk::say(events, &format!("note: {note}\n"));
        }
        if self.tells_time {
            magic::tell_time(events, start.elapsed(), self.timings.programs);
        }
        if reply.error.is_some() {
            // What waits is dropped, or stands on another state than was thought.
            self.ahead = None;
            self.builder.abandon_all();
            self.shared.upcoming.clear();
        }
        reply
    }

    /// Notes that a cell begins or has ended. The runtime forgets interrupts then, in order with those that are sent.
    fn set_running(&self, running: bool) {
        let mut state = self.shared.running();
        *state = running;
        if running {
            self.shared.interrupts.store(0, Ordering::SeqCst);
            self.shared.killed.store(false, Ordering::SeqCst);
            *self.shared.first_interrupt() = None;
        }
        self.shared.cells.fetch_add(1, Ordering::SeqCst);
        self.shared.runtime().send(Command::ClearInterrupt);
    }

    async fn execute_parts(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        if let Err(error) = self.ensure_runtime(events) {
            return CellReply {
                error: Some(error),
                ..CellReply::default()
            };
        }
        self.runtime.set_sink(events.clone());
        if let Some(loading) = self.loading_again.take() {
            // A task that was aborted or panicked has loaded nothing, which its user will see.
            let _ = loading.await;
        }
        self.autoreload.settle(events).await;

        let mut payload = Vec::new();
        let (cell_magic, parts) = directive::split(
            &request.code,
            magic::magics(),
            &directive::names_of(&self.engine),
        );
        let result = match cell_magic {
            Some(magic) => {
                self.run_cell_magic(&magic, parts, &request.code, events, &mut payload)
                    .await
            }
            None => self.run_parts(parts, events, &mut payload).await,
        };
        CellReply {
            error: result.err(),
            timings: self.timings,
            payload,
        }
    }

    async fn run_parts(
        &mut self,
        parts: Vec<Part>,
        events: &mpsc::UnboundedSender<SessionEvent>,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let last_rust = parts
            .iter()
            .rposition(|part| matches!(part, Part::Rust { .. }));
        for (index, part) in parts.into_iter().enumerate() {
            if self.shared.is_interrupted() {
                return Err(chunk::interrupted_before());
            }
            match part {
                Part::Rust {
                    text,
                    first_line,
                    timing,
                } => {
                    // Only the last expression of a cell is its result.
                    let shows = Some(index) == last_rust;
                    self.run_chunk(text, first_line, timing, shows, events)
                        .await?;
                }
                Part::Directive(directive) => {
                    self.run_directive(&directive, events, payload).await?
                }
            }
        }
        Ok(())
    }

    /// Starts a new runtime if the last one has ended.
    fn ensure_runtime(
        &mut self,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let Some(how) = self.runtime.has_ended() else {
            return Ok(());
        };
        self.replace_runtime(&how, events)
    }

    /// Puts a new runtime in the place of one that has ended, and forgets the variables.
    fn replace_runtime(
        &mut self,
        how: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        self.engine
            .lose_all_variables(&format!("the process that held it has ended: {how}"));
        let failed = |error: anyhow::Error| CellError::plain("StartError", format!("{error:#}"));
        if !std::mem::take(&mut self.runtime_has_worked) {
            self.workplace.mend().map_err(failed)?;
        }
        self.runtime =
            start_runtime(&self.config, &self.workplace, events.clone()).map_err(failed)?;
        *self
            .shared
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.runtime.sender();
        self.crates.begin_anew();
        self.load_plugins_again();
        // A front end that has gone away has no comms either.
        let _ = events.send(SessionEvent::CommsLost);
        Ok(())
    }

    /// Sends a command to the runtime and turns its end into a result.
    async fn command(
        &mut self,
        command: impl FnOnce(u64) -> Command,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<patchbay_protocol::Outcome, CellError> {
        match self.runtime.call(command).await {
            Reply::Done { outcome, .. } => {
                self.runtime_has_worked = true;
                Ok(outcome)
            }
            Reply::Ended(how) => {
                let killed = self.shared.killed.load(Ordering::SeqCst);
                self.replace_runtime(&how, events)?;
                Err(error::process_ended(&how, killed))
            }
        }
    }

    /// Sends a command to the runtime whose only result is that it succeeds.
    async fn succeed(
        &mut self,
        command: impl FnOnce(u64) -> Command,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        match self.command(command, events).await?.failure {
            None => Ok(()),
            Some(Failure { kind, message, .. }) => {
                let name = match kind {
                    FailureKind::Interrupted => "Interrupted",
                    _ => "CommandError",
                };
                Err(CellError::plain(name, message))
            }
        }
    }

    /// The folder in which the cells are, which `%cd` changes.
    fn folder(&self) -> PathBuf {
        self.runtime
            .working_directory()
            .unwrap_or_else(|| self.config.working_directory.clone())
    }
}

fn start_runtime(
    config: &SessionConfig,
    workplace: &Workplace,
    events: mpsc::UnboundedSender<SessionEvent>,
) -> anyhow::Result<Runtime> {
    workplace.restore()?;
    Runtime::start(
        &config.runtime,
        &config.library_path,
        &config.working_directory,
        workplace.path(),
        config.parameters.as_deref(),
        events,
    )
}

impl Control for EngineControl {
    /// Stops the running cell. It is asked; after a second the runtime gives it up; a runtime in which that does not help is ended,
    /// or by a further call once there was time for all of it. Without a running cell the handler of a comm is stopped, if one
    /// runs.
    fn interrupt(&self) {
        let running = self.shared.running();
        if !*running {
            return self.runtime().send(Command::StopHandler);
        }
        let before = self.shared.interrupts.fetch_add(1, Ordering::SeqCst);
        self.shared.interrupted.notify_waiters();
        if before == 0 {
            *self.shared.first_interrupt() = Some(Instant::now());
            self.runtime().send(Command::Interrupt);
            let cell = self.shared.cells.load(Ordering::SeqCst);
            // Whoever interrupts is served by a task; a program that is not has nobody who could wait.
            if let Ok(handle) = tokio::runtime::Handle::try_current() {
                handle.spawn(kill_later(self.shared.clone(), cell));
            }
        } else if self
            .shared
            .first_interrupt()
            .is_some_and(|first| first.elapsed() >= GIVING_UP)
        {
            self.shared.killed.store(true, Ordering::SeqCst);
            self.runtime().kill();
        }
    }

    fn answer_input(&self, value: Option<String>) {
        self.runtime().send(Command::InputReply { value });
    }

    fn announce(&self, code: &str) {
        self.shared.upcoming.push(code);
    }

    fn comm(&self, message: CommMessage) {
        self.runtime().send(Command::Comm(message));
    }

    fn completeness(&self, code: &str) -> Completeness {
        completeness::judge(code, magic::magics())
    }

    /// Keeps rust-analyzer as it should be, until the session ends.
    fn attend_completion(&self) -> Answer<'_, ()> {
        let completer = self.shared.completer.clone();
        Box::pin(completer.attend())
    }

    fn complete<'a>(&'a self, code: &'a str, offset: usize) -> Answer<'a, Completions> {
        let completer = &self.shared.completer;
        Box::pin(async move { completer.complete(&self.runtime(), code, offset).await })
    }

    fn inspect<'a>(&'a self, code: &'a str, offset: usize) -> Answer<'a, Option<String>> {
        let completer = &self.shared.completer;
        Box::pin(async move { completer.inspect(&self.runtime(), code, offset).await })
    }

    /// Nothing also where there is no answer within a second.
    fn gpu_memory(&self) -> Answer<'_, Option<MemoryOfGpu>> {
        Box::pin(self.shared.gpu_memory())
    }
}

impl EngineControl {
    fn runtime(&self) -> Sender {
        self.shared.runtime()
    }
}

/// Ends the runtime if a cell that was interrupted is still there after a while.
async fn kill_later(shared: Arc<Shared>, cell: u64) {
    tokio::time::sleep(HANGING).await;
    let running = shared.running();
    if *running && shared.cells.load(Ordering::SeqCst) == cell {
        shared.killed.store(true, Ordering::SeqCst);
        shared.runtime().kill();
    }
}

impl Shared {
    fn first_interrupt(&self) -> MutexGuard<'_, Option<Instant>> {
        self.first_interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, bool> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the user has interrupted the cell that runs, or ran last.
    fn is_interrupted(&self) -> bool {
        self.interrupts.load(Ordering::SeqCst) > 0
    }

    async fn gpu_memory(&self) -> Option<MemoryOfGpu> {
        let runtime = self.runtime();
        let answer = runtime.ask(GpuMemory {});
        match tokio::time::timeout(Duration::from_secs(1), answer).await {
            Ok(Ok(memory)) => memory,
            _ => None,
        }
    }

    fn runtime(&self) -> Sender {
        self.runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes a plugin's newest library. `source` tells plugins apart.
    fn remember_plugin(&self, source: &str, library: PathBuf) {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        match plugins.iter_mut().find(|(known, _)| known == source) {
            Some((_, known)) => *known = library,
            None => plugins.push((source.to_owned(), library)),
        }
    }
}
