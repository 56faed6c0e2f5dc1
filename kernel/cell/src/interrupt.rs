//! Stopping a running cell with all variables alive.
//!
//! The host sets a flag; whatever runs long looks at it between two steps and unwinds to the
//! cell's top level, where the variables are put back. The engine inserts such a look into the
//! loops that a cell writes; progress iterators, slots and training helpers have their own.

use std::{
    cell::Cell,
    panic,
    sync::atomic::{AtomicU8, Ordering},
    thread,
};

/// The cell is to stop.
const CELL: u8 = 1;
/// The handler of a comm is to stop.
const HANDLER: u8 = 2;

static REQUESTED: AtomicU8 = AtomicU8::new(0);

thread_local! {
    /// Whether this thread runs the handlers of comms.
    static IS_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// The panic payload of an interrupted cell.
#[derive(Debug)]
pub struct Interrupted;

/// Asks the running cell to stop.
pub fn request() {
    REQUESTED.fetch_or(CELL, Ordering::Relaxed);
}

/// Forgets a request; the runtime does so where a cell begins or ends.
pub fn clear() {
    REQUESTED.fetch_and(!CELL, Ordering::Relaxed);
}

/// Asks the handler of a comm to stop; cells and other threads go on.
pub(crate) fn request_handler() {
    REQUESTED.fetch_or(HANDLER, Ordering::Relaxed);
}

/// Forgets that a handler is to stop.
pub(crate) fn clear_handler() {
    REQUESTED.fetch_and(!HANDLER, Ordering::Relaxed);
}

/// This thread runs the handlers of comms from here on.
pub(crate) fn is_of_handlers() {
    IS_HANDLER.set(true);
}

/// Whether the user has asked the running cell to stop. For loops that want to end on their own
/// terms, with partial results.
#[inline]
pub fn requested() -> bool {
    let requested = REQUESTED.load(Ordering::Relaxed);
    requested != 0 && concerns_this_thread(requested)
}

#[cold]
#[inline(never)]
fn concerns_this_thread(requested: u8) -> bool {
    requested & CELL != 0 || IS_HANDLER.get()
}

/// Stops the cell here if the user has asked for it.
///
/// Unwinds to the cell's top level without running the panic hook. Call it once per step of a
/// long computation; it costs one load where nothing was asked.
#[inline]
pub fn check() {
    if requested() {
        stop();
    }
}

#[cold]
#[inline(never)]
fn stop() {
    // A destructor that runs during unwinding must not start a second one: that would abort.
    if !thread::panicking() {
        panic::resume_unwind(Box::new(Interrupted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A request for cells concerns every thread of the process, so its test is a process of its own: `tests/interrupt.rs`.
    #[test]
    fn a_request_for_the_handlers_concerns_no_other_thread() {
        request_handler();
        check();
        let of_handlers = thread::spawn(|| {
            is_of_handlers();
            requested()
        });
        assert!(of_handlers.join().unwrap());
        clear_handler();
    }
}
