//! The thread that runs cells; `account.rs` is what it is doing.
//!
//! There is one at a time. Where a command does not end, its thread is given up (`guard.rs`) and another takes over: the queue and
//! the variables belong to no thread.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError, mpsc::Receiver},
    thread,
};

use patchbay::cell;
use patchbay_protocol::Command;

use crate::{
    account::{self, NAME, Rest},
    commands, freeze, streams,
};

/// Address space for the stack of the cells; only what is used is ever backed by memory.
const STACK_BYTES: usize = 256 << 20;

static QUEUE: OnceLock<Mutex<Receiver<Command>>> = OnceLock::new();

/// Sets the queue that commands come from; once.
pub fn open(queue: Receiver<Command>) {
    let _ = QUEUE.set(Mutex::new(queue));
}

/// Starts the thread. It begins with what is left of the one before.
///
/// # Errors
///
/// Returns the system's error.
pub fn start(rest: Option<Rest>) -> io::Result<()> {
    account::forget_thread();
    thread::Builder::new()
        .name(NAME.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            account::note_thread();
            freeze::note_stack();
            cell::record_panics_of_this_thread();
            streams::note_thread();
            account::make_pool();
            if let Some(rest) = rest {
                commands::finish(rest);
            }
            commands::serve(next);
        })
        .map(drop)
}

/// The next command; `None` once the host is gone.
fn next() -> Option<Command> {
    // The thread before never has the lock when it is given up: it has then got its command.
    let queue = QUEUE.get()?.lock().unwrap_or_else(PoisonError::into_inner);
    queue.recv().ok()
}
