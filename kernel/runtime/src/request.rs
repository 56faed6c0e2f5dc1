//! What the user asks of the guard, and what wakes it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::Thread,
};

use crate::clock;

static GUARD: OnceLock<Thread> = OnceLock::new();

/// When the user has asked the running cell to stop; 0 where nobody has.
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);

/// Whether the processes that the cell has started are still to be told.
static TELL_PROCESSES: AtomicBool = AtomicBool::new(false);

/// The guard's thread, which [`wake`] wakes; once.
pub fn set_guard(thread: Thread) {
    let _ = GUARD.set(thread);
}

/// The user asks the running cell to stop.
pub fn interrupt() {
    // A second request within the same second is part of the first.
    let _ = INTERRUPTED.compare_exchange(0, clock::now(), Ordering::SeqCst, Ordering::SeqCst);
    TELL_PROCESSES.store(true, Ordering::SeqCst);
    wake();
}

/// The cell has ended, or another begins.
pub fn clear() {
    INTERRUPTED.store(0, Ordering::SeqCst);
}

/// Makes the thread look at once.
pub fn wake() {
    if let Some(guard) = GUARD.get() {
        guard.unpark();
    }
}

/// When the user has asked the running cell to stop; `None` where nobody has.
pub fn since() -> Option<u64> {
    let since = INTERRUPTED.load(Ordering::SeqCst);
    (since != 0).then_some(since)
}

/// Whether the processes that the cell has started are to be told; only one caller is told so.
pub fn take_telling() -> bool {
    TELL_PROCESSES.swap(false, Ordering::SeqCst)
}
