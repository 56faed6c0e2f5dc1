//! The handle that reaches a session while a cell runs.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use patchbay_contract::{Answer, Completeness, Completions, Control};
use patchbay_engine::{completeness, magic::Magics};
use patchbay_protocol::{CommMessage, Command, question::MemoryOfGpu};
use patchbay_runtime_client::Sender;

use crate::shared::Shared;

/// How long the runtime may take to stop a cell or to give it up. A further interrupt within this time is the same one.
const GIVING_UP: Duration = Duration::from_secs(4);

/// How long anything that a cell waits for may go on after an interrupt before the runtime is ended.
const HANGING: Duration = Duration::from_secs(10);

/// A cheap handle that reaches a session while a cell runs.
pub(crate) struct EngineControl {
    pub(crate) shared: Arc<Shared>,
    pub(crate) magics: Magics,
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
        completeness::judge(code, self.magics)
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
