//! `%plugin PATH` and `%autoreload on`: plugins that are built again when their source is saved.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::task::AbortHandle;

use super::{SessionEvent, StreamName};
use crate::{
    plugin::{self, Sdk, Watcher},
    runtime::{Sender, Sink},
};

/// How often the sources are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// The sources that a notebook has loaded plugins from.
#[derive(Default)]
pub struct Autoreload {
    sources: Arc<Mutex<Watcher>>,
    task: Option<AbortHandle>,
}

/// Where built plugins go.
#[derive(Clone)]
pub struct Workshop {
    pub sdk: Sdk,
    /// The folder of the libraries.
    pub folder: PathBuf,
    pub runtime: Sender,
    pub sink: Sink,
}

impl Autoreload {
    /// Remembers a source.
    pub fn add(&self, path: &Path) {
        lock(&self.sources).add(path);
    }

    pub fn is_on(&self) -> bool {
        self.task.is_some()
    }

    pub fn switch_off(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Builds and loads every source that is saved from here on.
    pub fn switch_on(&mut self, workshop: Workshop) {
        self.switch_off();
        let sources = self.sources.clone();
        // What was saved before is not a change.
        lock(&sources).changed();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let changed = lock(&sources).changed();
                for path in changed {
                    let (name, text) = match workshop.load(&path).await {
                        Ok((_, text)) => (StreamName::Stdout, text),
                        Err(text) => (StreamName::Stderr, text),
                    };
                    workshop.sink.send(SessionEvent::Stream {
                        name,
                        text: format!("{text}\n"),
                    });
                }
            }
        });
        self.task = Some(task.abort_handle());
    }
}

impl Drop for Autoreload {
    fn drop(&mut self) {
        self.switch_off();
    }
}

impl Workshop {
    /// Builds the plugin at `path` and loads it into the runtime. Returns its library and the words of
    /// the registry.
    ///
    /// # Errors
    ///
    /// Returns the compiler's words, or the registry's.
    pub async fn load(&self, path: &Path) -> Result<(PathBuf, String), String> {
        let built = plugin::build(&self.sdk, path, &self.folder)
            .await
            .map_err(|error| format!("{}: {error:#}", path.display()))?;
        let question = json!({ "request": "load", "path": built.library });
        let answer = self.runtime.ask("plugin", question).await?;
        let text = answer["text"].as_str().unwrap_or_default().trim_end();
        let warnings = built.warnings.trim_end();
        let separator = if warnings.is_empty() { "" } else { "\n" };
        let seconds = built.duration.as_secs_f64();
        Ok((
            built.library,
            format!("{warnings}{separator}{text} (built in {seconds:.2} s)"),
        ))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
