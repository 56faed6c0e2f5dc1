//! Completion and inspection: what the kernel knows answers at once, rust-analyzer adds the rest.
//!
//! rust-analyzer is in the side process, which is started in the background after the first idle second,
//! runs at a low priority, stands still while a cell runs until it is up, and is ended after a while
//! without a question. A question about members
//! waits for it; all others are answered with what is there.

mod cells;
pub mod cursor;
mod expand;
mod infer;
mod library;
mod own;
mod program;
mod scope;
mod source;
mod types;

use parking_lot::{Mutex, MutexGuard};
use std::{
    env,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use patchbay_evcxr_protocol::{Event, Request};
use patchbay_protocol::{Completion, Completions};
use tokio::sync::watch;

use cursor::CursorContext;
use patchbay_contract::log;
use patchbay_engine::{Engine, magic::Magics};
use patchbay_runtime_client::Sender;
use patchbay_side::{SideConfig, package, process::SideProcess};
use patchbay_toolchain::dependency;

/// `off`, or after how many seconds without a question rust-analyzer's memory is freed.
const SETTING: &str = "PATCHBAY_COMPLETION";

/// After how many seconds without a question rust-analyzer's memory is freed, if nothing else is set.
const KEPT: Duration = Duration::from_secs(900);

/// How long the kernel is idle before rust-analyzer is started.
const IDLE: Duration = Duration::from_secs(1);

/// A cell that runs for longer shares the machine with a rust-analyzer that starts.
const LONG_CELL: Duration = Duration::from_secs(2);

/// How long a question about members waits while rust-analyzer is being started.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a question waits for rust-analyzer when it is up.
const PATIENCE: Duration = Duration::from_secs(3);

/// The look by which rust-analyzer reads what most questions need.
const FIRST_LOOK: &str = "let t = Tensor::zeros(1, DType::F32, &Device::Cpu)?; t.";

/// Completes and inspects for one session.
pub struct Completer {
    magics: Magics,
    side: Option<SideConfig>,
    folder: PathBuf,
    scratch: PathBuf,
    enabled: AtomicBool,
    /// Whether rust-analyzer has been started ahead of the first question.
    warmed: AtomicBool,
    kept: Duration,
    state: Mutex<State>,
    /// The analyzer that answers, if one is up.
    ready: watch::Sender<Option<SideProcess>>,
}

struct State {
    /// What the cells have defined.
    engine: Arc<Engine>,
    /// The crates that `:dep` has added.
    crates: Vec<dependency::Request>,
    /// Whether a cell runs, and since when that is so.
    busy: bool,
    changed: Instant,
    asked: Instant,
    starting: bool,
    /// The process that starts in the background, and stands still while a cell runs.
    opening: Option<SideProcess>,
}

impl Completer {
    /// `scratch` is a folder for the package that rust-analyzer reads; `side` is missing where the side
    /// process has not been built.
    pub fn new(
        magics: Magics,
        side: Option<SideConfig>,
        folder: PathBuf,
        scratch: PathBuf,
    ) -> Completer {
        let setting = env::var(SETTING).unwrap_or_default();
        let now = Instant::now();
        Completer {
            magics,
            side,
            folder,
            scratch,
            enabled: AtomicBool::new(setting != "off"),
            warmed: AtomicBool::new(false),
            kept: setting.parse().map_or(KEPT, Duration::from_secs),
            state: Mutex::new(State {
                engine: Arc::default(),
                crates: Vec::new(),
                busy: false,
                changed: now,
                asked: now,
                starting: false,
                opening: None,
            }),
            ready: watch::Sender::new(None),
        }
    }

    /// Starts rust-analyzer when the kernel is idle, and ends it when nobody asks; until the session
    /// ends.
    pub async fn attend(self: Arc<Completer>) {
        tokio::task::spawn_blocking(library::warm_up);
        let mut interval = tokio::time::interval(Duration::from_millis(200));
        let completer = Arc::downgrade(&self);
        drop(self);
        loop {
            interval.tick().await;
            let Some(completer) = completer.upgrade() else {
                return;
            };
            let (idle, unused) = {
                let state = completer.state();
                if let Some(opening) = &state.opening
                    && state.changed.elapsed() >= LONG_CELL
                {
                    opening.resume();
                }
                (
                    !state.busy && state.changed.elapsed() >= IDLE,
                    state.asked.elapsed() >= completer.kept,
                )
            };
            if idle && completer.is_enabled() && !completer.warmed.swap(true, Ordering::SeqCst) {
                completer.start(true);
            }
            if unused || !completer.is_enabled() {
                completer
                    .ready
                    .send_if_modified(|ready| ready.take().is_some());
            }
        }
    }

    /// Notes that a cell begins.
    pub fn cell_begins(&self) {
        let mut state = self.state();
        state.busy = true;
        state.changed = Instant::now();
        if let Some(opening) = &state.opening {
            opening.pause();
        }
    }

    /// Notes what the cells have defined, and that none runs.
    pub fn cell_ends(&self, engine: &Engine) {
        self.note(engine);
        let mut state = self.state();
        state.busy = false;
        state.changed = Instant::now();
        if let Some(opening) = &state.opening {
            opening.resume();
        }
    }

    /// Notes what the cells have defined so far.
    pub fn note(&self, engine: &Engine) {
        self.state().engine = Arc::new(engine.clone());
    }

    /// Notes the crates that `:dep` has added. A rust-analyzer that does not know them is ended; the
    /// next one starts when the kernel is idle or somebody asks.
    pub fn crates_change(&self, crates: &[dependency::Request]) {
        let mut state = self.state();
        if state.crates == crates {
            return;
        }
        state.crates = crates.to_vec();
        drop(state);
        if self.ready.send_replace(None).is_some() {
            self.warmed.store(false, Ordering::SeqCst);
        }
    }

    /// Whether rust-analyzer may be asked: it was not switched off.
    pub fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::SeqCst)
    }

    /// Switches rust-analyzer on or off; what the kernel itself knows stays.
    pub fn enable(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::SeqCst);
    }

    /// In what state rust-analyzer is, in words.
    pub fn describe(&self) -> String {
        if self.side.is_none() {
            return format!(
                "rust-analyzer has not been built; type in a terminal: {}",
                patchbay_side::config::INSTALL
            );
        }
        let state = if !self.is_enabled() {
            "off"
        } else if self.ready.borrow().is_some() {
            "on"
        } else {
            "on, and rust-analyzer will start when it is needed"
        };
        format!("completion by rust-analyzer is {state}")
    }

    /// Returns the completions at a byte of a cell.
    pub async fn complete(
        self: &Arc<Self>,
        runtime: &Sender,
        code: &str,
        cursor: usize,
    ) -> Completions {
        let context = cursor::context(code, cursor);
        let Some(start) = context.start() else {
            return Completions::none(cursor);
        };
        library::ready().await;
        let engine = self.engine();
        let mut own = Completions {
            start,
            end: cursor,
            items: own::complete(
                &context,
                own::Place {
                    code,
                    start,
                    cursor,
                },
                &engine,
                self.magics,
                runtime,
            )
            .await,
        };
        let members = matches!(context, CursorContext::Member { .. });
        if !members && !matches!(context, CursorContext::Name { .. }) {
            return own;
        }
        // Where the signatures do not tell what a value is, only rust-analyzer knows its members.
        let Some(process) = self.process(members && own.items.is_empty()).await else {
            return own;
        };
        let view = program::view(&engine, self.magics, code);
        let answer = process.ask(|id| Request::Complete {
            id,
            cursor: view.offset + cursor,
            text: view.text,
        });
        let Ok(Some(Event::Completed { completions, .. })) =
            tokio::time::timeout(PATIENCE, answer).await
        else {
            return own;
        };
        if completions.items.is_empty() {
            return own;
        }
        let in_cell = |at: usize| at.saturating_sub(view.offset).min(code.len());
        let found = Completions {
            start: in_cell(completions.start),
            end: in_cell(completions.end),
            items: completions.items,
        };
        if found.start != own.start {
            return found;
        }
        own.end = found.end.max(cursor);
        merge(&mut own.items, found.items);
        own
    }

    /// What is known about the name at a byte of a cell, as Markdown: inside a call's brackets about what is called.
    pub async fn inspect(
        self: &Arc<Self>,
        runtime: &Sender,
        code: &str,
        cursor: usize,
    ) -> Option<String> {
        let engine = self.engine();
        if let CursorContext::PluginId { start } =
            cursor::context(code, cursor::word_at(code, cursor).0)
        {
            let id = code[start..].split('"').next()?;
            return own::describe(runtime, id).await;
        }
        library::ready().await;
        let (start, word) = cursor::name_at(code, cursor);
        let context = cursor::context(code, start);
        let own = own::inspect(&context, word, &engine, self.magics, runtime).await;
        if !matches!(
            context,
            CursorContext::Name { .. } | CursorContext::Member { .. }
        ) || word.is_empty()
        {
            return own;
        }
        let place = own::Place {
            code,
            start,
            cursor: start + word.len(),
        };
        let library = match own {
            Some(_) => None,
            None => own::describe_name(&context, place, &engine),
        };
        // What the kernel knows is enough to show; of all else only rust-analyzer knows.
        let found = match self.process(own.is_none() && library.is_none()).await {
            Some(process) => {
                let view = program::view(&engine, self.magics, code);
                let answer = process.ask(|id| Request::Inspect {
                    id,
                    cursor: view.offset + start,
                    text: view.text,
                });
                match tokio::time::timeout(PATIENCE, answer).await {
                    Ok(Some(Event::Inspected { markdown, .. })) => markdown,
                    _ => None,
                }
            }
            None => None,
        };
        match (own, found) {
            (Some(own), Some(found)) => Some(format!("{own}\n\n---\n\n{found}")),
            (own, found) => own
                .or(found)
                .or(library)
                .or_else(|| own::describe_elsewhere(&context, place, &engine)),
        }
    }

    /// The analyzer that answers. One that is being started is waited for if `patient`; one that is not
    /// there is started.
    async fn process(self: &Arc<Self>, patient: bool) -> Option<SideProcess> {
        if !self.is_enabled() || self.side.is_none() {
            return None;
        }
        {
            let mut state = self.state();
            state.asked = Instant::now();
            // From here on somebody waits for it.
            if let Some(opening) = state.opening.take() {
                opening.resume();
            }
        }
        self.ready
            .send_if_modified(|ready| ready.take_if(|process| process.has_ended()).is_some());
        let mut ready = self.ready.subscribe();
        if let Some(process) = ready.borrow_and_update().clone() {
            return Some(process);
        }
        self.start(false);
        if !patient {
            return None;
        }
        let process = tokio::time::timeout(START_PATIENCE, ready.wait_for(Option::is_some)).await;
        process.ok()?.ok()?.clone()
    }

    /// Starts rust-analyzer, unless that is under way; in the `background` if nobody waits for it.
    fn start(self: &Arc<Self>, background: bool) {
        let Some(side) = self.side.clone() else {
            return;
        };
        if self.ready.borrow().is_some() || std::mem::replace(&mut self.state().starting, true) {
            return;
        }
        let completer = self.clone();
        tokio::spawn(async move {
            let opened = completer.open_with_crates(&side, background).await;
            {
                let mut state = completer.state();
                state.starting = false;
                // A cell may have begun in this moment.
                if let Some(opening) = state.opening.take() {
                    opening.resume();
                }
            }
            match opened {
                Ok(process) => drop(completer.ready.send_replace(Some(process))),
                Err(error) => log(format_args!("no completion by rust-analyzer: {error:#}")),
            }
        });
    }

    /// Opens the package with the crates that `:dep` has added, those that are added meanwhile
    /// included.
    async fn open_with_crates(
        &self,
        side: &SideConfig,
        background: bool,
    ) -> anyhow::Result<SideProcess> {
        loop {
            let crates = self.state().crates.clone();
            let mut opened = self.open(side, background, &crates).await;
            if opened.is_err() && !crates.is_empty() {
                // Cargo may not describe an added crate without a network; the rest is still of use.
                opened = self.open(side, background, &[]).await;
            }
            if self.state().crates == crates {
                return opened;
            }
        }
    }

    async fn open(
        &self,
        side: &SideConfig,
        background: bool,
        crates: &[dependency::Request],
    ) -> anyhow::Result<SideProcess> {
        let package = self.scratch.join("analysis");
        package::write_for_analysis(side, &package, crates)?;
        let process = SideProcess::start(side, &self.folder, &package)?;
        if background {
            let mut state = self.state();
            if state.busy {
                process.pause();
            }
            state.opening = Some(process.clone());
        }
        let view = program::view(&self.engine(), self.magics, FIRST_LOOK);
        let answer = process
            .ask(|id| Request::Open {
                id,
                package,
                background,
                cursor: view.offset + FIRST_LOOK.len(),
                text: view.text,
            })
            .await;
        match answer {
            Some(Event::Opened { problem: None, .. }) => Ok(process),
            Some(Event::Opened {
                problem: Some(problem),
                ..
            }) => Err(anyhow::anyhow!(problem)),
            _ => Err(anyhow::anyhow!("its process has ended")),
        }
    }

    fn engine(&self) -> Arc<Engine> {
        self.state().engine.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Adds what is not there yet.
fn merge(items: &mut Vec<Completion>, more: Vec<Completion>) {
    for completion in more {
        let known = items.iter_mut().find(|known| known.text == completion.text);
        match known {
            Some(known) if known.signature.is_empty() => known.signature = completion.signature,
            Some(_) => {}
            None => items.push(completion),
        }
    }
}
