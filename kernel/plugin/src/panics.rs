//! Panics of plugins as values.

use std::panic::{self, AssertUnwindSafe};

use patchbay_cell::{cell::panic_failure, interrupt::Interrupted};

/// Runs code of a plugin. A panic becomes its message, with the place where it was raised if the
/// runtime records that; an interrupt goes on to the cell's top level.
///
/// The closure may be left in the middle: callers hand in values that are valid at every step.
#[inline]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(describe)
}

#[cold]
#[inline(never)]
fn describe(payload: Box<dyn std::any::Any + Send>) -> String {
    if payload.is::<Interrupted>() {
        panic::resume_unwind(payload);
    }
    let failure = panic_failure(payload.as_ref());
    match failure.location {
        Some(place) => format!("{} ({}:{})", failure.message, place.file, place.line),
        None => failure.message,
    }
}
