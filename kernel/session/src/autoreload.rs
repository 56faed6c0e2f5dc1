//! `%plugin PATH` and `%autoreload on`: plugins that are built again when their source is saved.

use std::{path::Path, sync::Arc, time::Duration};

use patchbay_protocol::question::LoadPlugin;
use tokio::{
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use crate::shared::Shared;
use patchbay_contract::{SessionEvent, StreamName};
use patchbay_runtime_client::runtime::Sink;
use patchbay_toolchain::{
    plugin::{self, Sdk, Watcher},
    workplace::Workplace,
};

/// How often the sources are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Builds the plugins whose source a notebook has named, and loads them.
pub struct Autoreload {
    workshop: Arc<Mutex<Workshop>>,
    task: Option<AbortHandle>,
}

struct Workshop {
    sdk: Sdk,
    /// Whose folder holds the libraries.
    place: Arc<Workplace>,
    shared: Arc<Shared>,
    sources: Watcher,
    /// What happened while no cell ran that could have shown it.
    untold: Vec<SessionEvent>,
}

impl Autoreload {
    pub(crate) fn new(sdk: Sdk, place: Arc<Workplace>, shared: Arc<Shared>) -> Self {
        let workshop = Workshop {
            sdk,
            place,
            shared,
            sources: Watcher::default(),
            untold: Vec::new(),
        };
        Autoreload {
            workshop: Arc::new(Mutex::new(workshop)),
            task: None,
        }
    }

    /// Builds and loads a plugin and remembers its source. Returns the words of the registry.
    ///
    /// # Errors
    ///
    /// Returns the compiler's words, or the registry's.
    pub(crate) async fn load(&self, path: &Path) -> Result<String, String> {
        let mut workshop = self.workshop.lock().await;
        // Noted before it is built: what is saved meanwhile is a change.
        workshop.sources.add(path);
        workshop.load(path).await
    }

    pub(crate) fn is_on(&self) -> bool {
        self.task.is_some()
    }

    pub(crate) fn switch_off(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Builds and loads every source that is saved from here on. Outputs go to `sink`, the cell that
    /// runs at that time, or wait for the next.
    pub(crate) async fn switch_on(&mut self, sink: Sink) {
        self.switch_off();
        // What was saved before is not a change.
        self.workshop.lock().await.sources.changed();
        let workshop = self.workshop.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let mut workshop = workshop.lock().await;
                let events = workshop.look().await;
                let is_running = *workshop.shared.running();
                for event in events {
                    if !(is_running && sink.send(event.clone())) {
                        workshop.untold.push(event);
                    }
                }
            }
        });
        self.task = Some(task.abort_handle());
    }

    /// Waits until everything that was saved before now is loaded, so that the cell which is about to
    /// run sees it.
    pub(crate) async fn settle(&self, events: &mpsc::UnboundedSender<SessionEvent>) {
        if !self.is_on() {
            return;
        }
        let mut workshop = self.workshop.lock().await;
        let mut said = std::mem::take(&mut workshop.untold);
        said.append(&mut workshop.look().await);
        for event in said {
            let _ = events.send(event);
        }
    }
}

impl Drop for Autoreload {
    fn drop(&mut self) {
        self.switch_off();
    }
}

impl Workshop {
    /// Builds and loads what has changed.
    async fn look(&mut self) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        for path in self.sources.changed() {
            let (name, text) = match self.load(&path).await {
                Ok(text) => (StreamName::Stdout, text),
                Err(text) => (
                    StreamName::Stderr,
                    format!("{text}\nwhat was loaded before stays in use"),
                ),
            };
            let text = format!("{text}\n");
            events.push(SessionEvent::Stream { name, text });
        }
        events
    }

    async fn load(&self, path: &Path) -> Result<String, String> {
        self.place.restore().map_err(|error| format!("{error:#}"))?;
        let folder = self.place.path().join("plugins");
        let built = plugin::build(&self.sdk, path, &folder)
            .await
            .map_err(|error| format!("{}: {error:#}", path.display()))?;
        let runtime = self.shared.runtime();
        let answer = runtime
            .ask(LoadPlugin {
                path: built.library.clone(),
            })
            .await?;
        self.shared
            .remember_plugin(&path.display().to_string(), built.library);
        let text = answer.text.trim_end();
        let warnings = built.warnings.trim_end();
        let separator = if warnings.is_empty() { "" } else { "\n" };
        let seconds = built.duration.as_secs_f64();
        Ok(format!(
            "{warnings}{separator}{text} (built in {seconds:.2} s)"
        ))
    }
}
