//! What the program of a cell is made of: the variables, the entry's frame, errors by `?`.
//!
//! Nothing here is meant to be typed by a user; the engine writes the calls.

use std::{
    any::TypeId,
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
};

use patchbay_protocol::{Failure, FailureKind, StoredVariable};

use crate::{failure, interrupt, parts};

pub use crate::{
    executor::block_on,
    failure::{CellError, before_abort, panic_failure, record_panics_of_this_thread},
    trace::note_library,
    variables::Variables,
};

/// The signature of a cell's entry. The compiler that built the SDK also built the cell, so the
/// Rust calling convention is the same on both sides.
pub type Entry = fn(&mut Cell<'_>);

/// One run of one cell.
///
/// The engine's programs call its methods; those that are generic only wrap one that is not, because
/// what a program instantiates makes its compile slower.
pub struct Cell<'a> {
    variables: &'a Variables,
}

impl<'a> Cell<'a> {
    /// Begins a cell that takes from and stores into `variables`.
    pub fn new(variables: &'a Variables) -> Self {
        Cell { variables }
    }

    /// The variables that this run stored or put back, and what stopped it.
    pub fn finish(self) -> (Vec<StoredVariable>, Option<Failure>) {
        (self.variables.settle(), FAILURE.take())
    }

    /// Checks that every variable that the program takes is there with the type it expects, before
    /// any is taken. Returns whether it is; the failure of the run names those that are not.
    #[inline(never)]
    pub fn has(&self, expected: &[(&str, TypeId)]) -> bool {
        let missing = self.variables.missing(expected);
        if missing.is_empty() {
            return true;
        }
        fail(Failure {
            kind: FailureKind::Refused,
            message: format!(
                "no value for {}: the cell that defines it did not run to its end, or the value was \
                 moved away; run that cell again",
                missing.join(", ")
            ),
            causes: Vec::new(),
            location: None,
            functions: Vec::new(),
            frames: Vec::new(),
        });
        false
    }

    /// Takes a variable out. [`Cell::has`] has seen it.
    pub fn take<T: 'static>(&mut self, name: &str) -> T {
        let place = self.take_any(name, TypeId::of::<T>(), std::mem::needs_drop::<T>());
        // SAFETY: a value of this type is there, and is moved out only here.
        unsafe { place.cast::<T>().read() }
    }

    #[inline(never)]
    fn take_any(&mut self, name: &str, type_id: TypeId, has_destructor: bool) -> *const u8 {
        self.variables
            .take(name, type_id, has_destructor)
            .unwrap_or_else(|| type_is_known(name))
    }

    /// Notes where the program has a variable that it has taken, so that it is not lost with a cell that never ends.
    ///
    /// The program promises that it neither moves nor assigns the variable before it puts it back.
    #[inline(never)]
    pub fn lend(&mut self, name: &str, place: *const u8) {
        self.variables.lend(name, place);
    }

    /// Stores a variable: the `ordinal`-th that the cell defines by that name, or with 0 one that it
    /// took and puts back.
    pub fn put<T: 'static>(&mut self, name: &str, ordinal: usize, value: T) {
        self.put_any(name, ordinal, Box::new(value), size_of::<T>());
    }

    #[inline(never)]
    fn put_any(&mut self, name: &str, ordinal: usize, value: Box<dyn std::any::Any>, bytes: usize) {
        let variables = self.variables;
        // What a component tells of its tensors may panic, and so may the destructor of the value before.
        let stored = panic::catch_unwind(AssertUnwindSafe(|| {
            drop(variables.put(name, ordinal, value, bytes));
        }));
        if let Err(payload) = stored {
            let mut failure = failure::of_panic(payload);
            if failure.kind == FailureKind::Panic {
                failure.message = format!(
                    "{} (while a new value of `{name}` took the place of the one before)",
                    failure.message
                );
            }
            fail(failure);
        }
    }

    /// Puts back a variable that the cell took, unless the cell has stored a new one of that name.
    pub fn put_back<T: 'static>(&mut self, name: &str, value: T) {
        if !self.is_stored(name) {
            self.put(name, 0, value);
        }
    }

    #[inline(never)]
    fn is_stored(&self, name: &str) -> bool {
        self.variables.contains(name)
    }
}

#[cold]
#[inline(never)]
fn type_is_known(name: &str) -> ! {
    unreachable!(
        "`Cell::has` has checked that {name} is there with the type that the program takes"
    )
}

thread_local! {
    /// What stopped the cell that ran last on this thread.
    static FAILURE: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Whether the code of a segment runs.
static IN_SEGMENT: AtomicBool = AtomicBool::new(false);

/// Whether the code of a segment runs, outside of which the engine's own lines store and drop variables.
#[doc(hidden)]
pub fn is_in_segment() -> bool {
    IN_SEGMENT.load(Ordering::SeqCst)
}

/// Notes why a cell fails, unless it has failed before.
fn fail(failure: Failure) {
    FAILURE.with_borrow_mut(|first| {
        first.get_or_insert(failure);
    });
}

/// Runs a segment of a cell. Panics, interrupts and errors end it; [`Cell::finish`] tells which.
///
/// Not generic, so that what it needs is compiled once, into the SDK, and not into every cell.
#[inline(never)]
pub fn run(body: Box<dyn FnOnce() -> Result<(), CellError> + '_>) {
    IN_SEGMENT.store(true, Ordering::SeqCst);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    IN_SEGMENT.store(false, Ordering::SeqCst);
    // What is shown at the end says itself what went wrong; it must not take the process with it.
    for at_end in parts::all().flat_map(|part| part.at_end) {
        let _ = failure::guarded(at_end);
    }
    match outcome {
        Ok(Ok(())) => {}
        // A read from stdin cannot unwind; it ends by an error, which the cell may hand on.
        Ok(Err(error)) if interrupt::requested() => fail(error.into_interruption()),
        Ok(Err(error)) => fail(error.into_failure()),
        Err(payload) => fail(failure::of_panic(payload)),
    }
}

/// Runs the whole of a command. Returns what a panic says that came from outside of all segments: from the engine's own lines
/// and what they drop.
///
/// # Errors
///
/// Returns the panic as a failure.
#[doc(hidden)]
#[expect(
    clippy::result_large_err,
    reason = "there is one failure a cell, and it is sent at once"
)]
pub fn run_command<R>(body: impl FnOnce() -> R) -> Result<R, Failure> {
    panic::catch_unwind(AssertUnwindSafe(body)).map_err(failure::of_panic)
}

/// Takes each of the SDK's locks that a cell may hold for a moment, and lets go of it. A thread that has been stopped must hold none
/// when it is given up.
#[doc(hidden)]
pub fn probe_locks(variables: &Variables) {
    variables.probe();
    crate::place::probe();
    crate::trace::probe();
    crate::channel::probe();
    crate::comm::probe();
    for probe in parts::all().flat_map(|part| part.probes) {
        probe();
    }
}
