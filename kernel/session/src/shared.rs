//! What a session shares with those that reach it while a cell runs.

use parking_lot::{Mutex, MutexGuard};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use patchbay_completion::Completer;
use patchbay_protocol::{
    Command,
    question::{GpuMemory, MemoryOfGpu},
};
use patchbay_runtime_client::Sender;
use tokio::sync::Notify;

use crate::upcoming::Upcoming;

/// What a session shares with the handles that reach it while a cell runs.
pub(crate) struct Shared {
    pub(crate) upcoming: Arc<Upcoming>,
    /// Whether a cell is being compiled or run. Locked from this decision on until the runtime has been told, so that an
    /// interrupt is for the cell that runs and for no other.
    pub(crate) running: Mutex<bool>,
    /// The interrupts since the cell began.
    pub(crate) interrupts: AtomicU32,
    /// When the first of them came.
    pub(crate) first_interrupt: Mutex<Option<Instant>>,
    /// Whether the runtime was ended because the cell did not.
    pub(crate) killed: AtomicBool,
    /// Counts the cells, so that what is late for one does not hit another.
    pub(crate) cells: AtomicU64,
    pub(crate) interrupted: Notify,
    pub(crate) runtime: Mutex<Sender>,
    /// The plugins that the notebook has loaded, in order: what each was made of, and its library.
    pub(crate) plugins: Mutex<Vec<(String, PathBuf)>>,
    pub(crate) completer: Arc<Completer>,
}

impl Shared {
    /// Notes that a cell begins or has ended. The runtime forgets interrupts then, in order with those that are sent.
    pub(crate) fn set_running(&self, running: bool) {
        let mut state = self.running();
        *state = running;
        if running {
            self.interrupts.store(0, Ordering::SeqCst);
            self.killed.store(false, Ordering::SeqCst);
            *self.first_interrupt() = None;
        }
        self.cells.fetch_add(1, Ordering::SeqCst);
        self.runtime().send(Command::ClearInterrupt);
    }

    pub(crate) fn first_interrupt(&self) -> MutexGuard<'_, Option<Instant>> {
        self.first_interrupt.lock()
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, bool> {
        self.running.lock()
    }

    /// Whether the user has interrupted the cell that runs, or ran last.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupts.load(Ordering::SeqCst) > 0
    }

    pub(crate) async fn gpu_memory(&self) -> Option<MemoryOfGpu> {
        let runtime = self.runtime();
        let answer = runtime.ask(GpuMemory {});
        match tokio::time::timeout(Duration::from_secs(1), answer).await {
            Ok(Ok(memory)) => memory,
            _ => None,
        }
    }

    pub(crate) fn runtime(&self) -> Sender {
        self.runtime.lock().clone()
    }

    /// Notes a plugin's newest library. `source` tells plugins apart.
    pub(crate) fn remember_plugin(&self, source: &str, library: PathBuf) {
        let mut plugins = self.plugins.lock();
        match plugins.iter_mut().find(|(known, _)| known == source) {
            Some((_, known)) => *known = library,
            None => plugins.push((source.to_owned(), library)),
        }
    }
}
