//! What a front end may ask of whatever runs cells.

use std::{future::Future, pin::Pin, sync::Arc};

use patchbay_protocol::{CommMessage, Completions, question::MemoryOfGpu};
use tokio::sync::mpsc;

use crate::{CellReply, CellRequest, Completeness, SessionEvent};

/// An answer that takes its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs the cells of one notebook, one after the other.
pub trait Session: Send {
    /// Returns a handle that reaches the session while a cell runs.
    fn control(&self) -> Arc<dyn Control>;

    /// Runs a cell and sends what it shows to `events` before the answer is there.
    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply>;

    /// Returns the events from before the first cell. Only the first call has them.
    fn take_early_events(&mut self) -> Option<mpsc::UnboundedReceiver<SessionEvent>> {
        None
    }
}

/// Reaches a session while a cell runs. The defaults are those of a session that knows nothing but cells.
pub trait Control: Send + Sync {
    /// Stops the running cell: it is asked, and given up where it does not end. A call some seconds after the first kills.
    fn interrupt(&self);

    /// Hands the user's answer to the cell that asked; `None` where there is nobody to ask.
    fn answer_input(&self, value: Option<String>);

    /// Announces a cell that will be executed after those announced before, so that it can be compiled in the meantime.
    fn announce(&self, _code: &str) {}

    /// Hands a front end's comm message to the cells' process.
    fn comm(&self, _message: CommMessage) {}

    /// Judges whether a text can be executed as it stands.
    fn completeness(&self, _code: &str) -> Completeness {
        Completeness::Complete
    }

    /// Serves completion in the background, until the session ends.
    fn attend_completion(&self) -> Answer<'_, ()> {
        Box::pin(async {})
    }

    /// Returns the completions at a byte of a cell.
    fn complete<'a>(&'a self, _code: &'a str, offset: usize) -> Answer<'a, Completions> {
        Box::pin(async move { Completions::none(offset) })
    }

    /// Describes the name at a byte of a cell, as Markdown.
    fn inspect<'a>(&'a self, _code: &'a str, _offset: usize) -> Answer<'a, Option<String>> {
        Box::pin(async { None })
    }

    /// Returns the memory of the cells' GPU; nothing where there is none.
    fn gpu_memory(&self) -> Answer<'_, Option<MemoryOfGpu>> {
        Box::pin(async { None })
    }
}
