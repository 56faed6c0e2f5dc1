//! A session's state: the engine, the runtime process and what belongs to both.

use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use patchbay_completion::Completer;
use patchbay_contract::{CellError, SessionEvent, Timings};
use patchbay_engine::{Engine, Program, compile::Compiler, error, magic::Magics, plan::Level};
use patchbay_protocol::{Command, Failure, FailureKind, question::LoadPlugin};
use patchbay_runtime_client::{Reply, Runtime};
use patchbay_toolchain::{plugin::Sdk, workplace::Workplace};
use tokio::sync::{Notify, mpsc};

use crate::{
    Kept, SessionConfig, ahead::Ahead, autoreload::Autoreload, builder::Builder, crates::Crates,
    last_errors::LastErrors, shared::Shared,
};

/// A running session. Dropping it ends the runtime process.
pub struct EngineSession {
    pub(crate) magics: Magics,
    pub(crate) config: SessionConfig,
    /// What the runtime says before the first cell.
    pub(crate) early: Option<mpsc::UnboundedReceiver<SessionEvent>>,
    pub(crate) engine: Engine,
    pub(crate) level: Level,
    pub(crate) runtime: Runtime,
    pub(crate) shared: Arc<Shared>,
    /// The programs that were run, by file name, to find the places of panics.
    pub(crate) programs: HashMap<String, Program>,
    /// Programs, sockets and compiled cells of this session.
    pub(crate) workplace: Arc<Workplace>,
    /// Whether this runtime has done what it was told once; one that never has may have been unable to start.
    pub(crate) runtime_has_worked: bool,
    pub(crate) builder: Arc<Builder>,
    pub(crate) ahead: Option<Ahead>,
    pub(crate) autoreload: Autoreload,
    /// Loads the plugins into a runtime that has taken the place of another.
    pub(crate) loading_again: Option<tokio::task::JoinHandle<()>>,
    pub(crate) crates: Crates,
    pub(crate) last_errors: LastErrors,
    /// The files that programs of the session have included, with the digests of their contents then.
    pub(crate) included: BTreeMap<PathBuf, String>,
    /// What was made for the notebook and is not in the cache.
    pub(crate) kept: Kept,
    pub(crate) cell: u32,
    pub(crate) timings: Timings,
    /// Whether every cell tells how long it took (`:timing`).
    pub(crate) tells_time: bool,
}

impl EngineSession {
    /// Starts the runtime process. Returns before the runtime is up; the first cell waits for it.
    ///
    /// # Errors
    ///
    /// Fails where the runtime cannot be started or there is no folder for the session's files.
    pub(crate) async fn open(
        config: SessionConfig,
        magics: Magics,
    ) -> anyhow::Result<EngineSession> {
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
                magics,
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
            magics,
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
            included: BTreeMap::new(),
            kept: Kept::default(),
            cell: 0,
            timings: Timings::default(),
            tells_time: false,
        })
    }

    /// Starts a new runtime if the last one has ended.
    pub(crate) fn ensure_runtime(
        &mut self,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let Some(how) = self.runtime.has_ended() else {
            return Ok(());
        };
        self.replace_runtime(&how, events)
    }

    /// Puts a new runtime in the place of one that has ended, and forgets the variables.
    pub(crate) fn replace_runtime(
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
        *self.shared.runtime.lock() = self.runtime.sender();
        self.crates.begin_anew();
        self.load_plugins_again();
        // A front end that has gone away has no comms either.
        let _ = events.send(SessionEvent::CommsLost);
        Ok(())
    }

    /// Loads into a new runtime what the notebook had loaded into the last one; the next cell waits for it.
    pub(crate) fn load_plugins_again(&mut self) {
        let plugins = &self.shared.plugins;
        let plugins = plugins.lock();
        let (sender, plugins) = (self.runtime.sender(), plugins.clone());
        self.loading_again = Some(tokio::spawn(async move {
            for (_, path) in plugins {
                // A plugin that does not load again is missed, with a clear error, where it is used.
                let _ = sender.ask(LoadPlugin { path }).await;
            }
        }));
    }

    /// Sends a command to the runtime and turns its end into a result.
    pub(crate) async fn command(
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
    pub(crate) async fn succeed(
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
    pub(crate) fn folder(&self) -> PathBuf {
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
