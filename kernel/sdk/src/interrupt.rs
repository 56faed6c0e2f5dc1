//! Stopping a running cell with all variables alive.
//!
//! The host sets a flag; whatever runs long looks at it between two steps and unwinds to the
//! cell's top level, where the variables are put back. The engine inserts such a look into the
//! loops that a cell writes; progress iterators, slots and training helpers have their own.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The panic payload of an interrupted cell.
#[derive(Debug)]
pub struct Interrupted;

/// Asks the running cell to stop.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Forgets a request; the runtime does so where a cell begins or ends.
pub fn clear() {
    REQUESTED.store(false, Ordering::Relaxed);
}

/// Whether the user has asked the running cell to stop. For loops that want to end on their own
/// terms, with partial results.
#[inline]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
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

    #[test]
    fn a_request_unwinds_with_its_own_payload_until_it_is_cleared() {
        check();
        request();
        let payload = panic::catch_unwind(check).unwrap_err();
        assert!(payload.is::<Interrupted>());
        clear();
        check();
    }
}
