//! What stopped a cell: panics, errors by `?`, interrupts, and what destructors and `Display` do meanwhile.
//!
//! A user's code can panic wherever it is called, also where it is called to describe or to drop a panic. Here nothing of that
//! goes further than the failure that the host is told of.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::VecDeque,
    error::Error,
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Once, OnceLock},
    thread,
};

use patchbay_protocol::{Failure, FailureKind, Location};

use crate::{
    interrupt::{self, Interrupted},
    parts, place, questions,
    trace::Trace,
};

/// The most errors behind an error that are told of. A chain of sources may be a circle.
const MOST_CAUSES: usize = 16;

/// How many of the last panics are remembered: the one that unwound, and that of a destructor on its way.
const MOST_RECORDED: usize = 2;

/// Called where the process would abort; does not return where it has found a way to go on without the thread.
static BEFORE_ABORT: OnceLock<fn(&Failure)> = OnceLock::new();

/// A panic that has not been told of.
struct Recorded {
    location: Location,
    message: String,
    trace: Trace,
}

thread_local! {
    /// Whether panics of this thread are recorded in place of being printed.
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    static RECORDED: RefCell<VecDeque<Recorded>> = const { RefCell::new(VecDeque::new()) };
}

/// Any error that reaches the top level of a cell by `?`.
pub struct CellError {
    error: Box<dyn Error>,
    location: &'static panic::Location<'static>,
}

impl<E: Into<Box<dyn Error>>> From<E> for CellError {
    #[track_caller]
    fn from(error: E) -> Self {
        CellError {
            error: error.into(),
            location: panic::Location::caller(),
        }
    }
}

impl CellError {
    /// Describes the error as what an interrupted cell noticed the interrupt by, and drops it.
    pub(crate) fn into_interruption(self) -> Failure {
        let noticed = self.into_failure();
        interrupted(Some(noticed.message))
    }

    /// Describes the error and drops it.
    pub(crate) fn into_failure(self) -> Failure {
        let CellError { error, location } = self;
        let frames = questions::take()
            .into_iter()
            .map(protocol_location)
            .collect();
        let described = guarded(|| describe(error.as_ref()));
        let dropped = guarded(|| drop(error));
        let (message, mut causes) = described.unwrap_or_else(|message| {
            (
                "an error that cannot be shown, because its `Display` or `source` panicked"
                    .to_owned(),
                vec![message],
            )
        });
        if let Err(message) = dropped {
            causes.push(format!("a panic while the error was dropped: {message}"));
        }
        Failure {
            kind: FailureKind::Error,
            message,
            causes,
            location: Some(protocol_location(location)),
            functions: Vec::new(),
            frames,
        }
    }
}

/// The message of an error and of those behind it.
fn describe(error: &dyn Error) -> (String, Vec<String>) {
    let message = parts::explained(error.to_string());
    let mut causes: Vec<String> = Vec::new();
    let mut cause = error.source();
    for _ in 0..MOST_CAUSES {
        let Some(error) = cause else {
            return (message, causes);
        };
        let text = error.to_string();
        // Many errors repeat their source's text in their own.
        if text != *causes.last().unwrap_or(&message) {
            causes.push(text);
        }
        cause = error.source();
    }
    if cause.is_some() {
        causes.push(format!(
            "further errors, left out after {MOST_CAUSES}; their `source` may lead in a circle"
        ));
    }
    (message, causes)
}

/// Runs code of the user's that must not stop what is being done. A panic becomes its message.
///
/// What the closure leaves half done is not looked at again.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = text_of(payload.as_ref());
        discard(payload);
        // It is told of by its message.
        RECORDED.with_borrow_mut(VecDeque::pop_back);
        message
    })
}

/// Drops a value whose destructor may panic, and so may that of the panic's payload.
pub(crate) fn discard<T: ?Sized>(value: Box<T>) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // It could go on so for ever.
        mem::forget(payload);
    }
}

/// Describes a caught panic and drops its payload.
pub(crate) fn of_panic(payload: Box<dyn Any + Send>) -> Failure {
    let failure = panic_failure(payload.as_ref());
    discard(payload);
    failure
}

/// Makes panics of the calling thread be recorded for the failure of its cell in place of being printed; those of other threads
/// are printed, with the cell's place. The runtime calls this on each thread that runs cells.
pub fn record_panics_of_this_thread() {
    static HOOK: Once = Once::new();
    RECORDS.set(true);
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if RECORDS.get() {
                record(info);
            } else if !print_with_place(info) {
                print(info);
            }
        }));
    });
}

/// Sets what is called on a cell's thread where a panic that cannot unwind is about to abort the process.
pub fn before_abort(call: fn(&Failure)) {
    // The runtime sets it once.
    let _ = BEFORE_ABORT.set(call);
}

fn record(info: &PanicHookInfo<'_>) {
    let message = text_of(info.payload());
    if cannot_unwind(info, &message) {
        if let Some(call) = BEFORE_ABORT.get() {
            call(&abort_failure(&message));
        }
        return;
    }
    let recorded = Recorded {
        location: info.location().map_or_else(
            || Location {
                file: String::new(),
                line: 0,
                column: 0,
            },
            protocol_location,
        ),
        message,
        // An interrupt is told of without a place.
        trace: if info.payload().is::<Interrupted>() {
            Trace::default()
        } else {
            Trace::capture()
        },
    };
    RECORDED.with_borrow_mut(|all| {
        if all.len() == MOST_RECORDED {
            all.pop_front();
        }
        all.push_back(recorded);
    });
}

/// Whether a panic is the compiler's own, raised where unwinding must end; the hook's stable interface does not tell.
fn cannot_unwind(info: &PanicHookInfo<'_>, message: &str) -> bool {
    const MESSAGES: [&str; 2] = [
        "panic in a destructor during cleanup",
        "panic in a function that cannot unwind",
    ];
    let is_of_core = info
        .location()
        .is_some_and(|location| location.file().ends_with("core/src/panicking.rs"));
    is_of_core && MESSAGES.contains(&message)
}

/// What a cell failed with that a panic would end with the whole process.
fn abort_failure(why: &str) -> Failure {
    let mut recorded = RECORDED.take().into_iter();
    let first = recorded.next();
    let mut causes: Vec<String> = recorded.map(|panic| panic.message).collect();
    causes.push(format!(
        "{why}: no destructor can run after that, so the cell's thread was stopped where it was"
    ));
    let (message, location, functions) = match first {
        Some(first) => (first.message, Some(first.location), first.trace.functions()),
        None => (why.to_owned(), None, Vec::new()),
    };
    Failure {
        kind: FailureKind::Panic,
        message,
        causes,
        location,
        functions,
        frames: Vec::new(),
    }
}

/// Prints a panic of a thread that the user has started, as the standard library does, with the cell in place of the program.
/// Returns whether its place is known.
fn print_with_place(info: &PanicHookInfo<'_>) -> bool {
    let Some(place) = info
        .location()
        .and_then(|at| place::find(at.file(), at.line()).map(|found| (found, at.column())))
    else {
        return false;
    };
    let ((cell, line), column) = place;
    let at = place::text(cell, line, Some(column));
    let current = thread::current();
    let name = current.name().unwrap_or("<unnamed>");
    eprintln!(
        "\nthread '{name}' panicked at {at}:\n{}",
        text_of(info.payload())
    );
    true
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned())
}

/// Describes a caught panic, with the place that the hook recorded.
pub fn panic_failure(payload: &(dyn Any + Send)) -> Failure {
    // A panic that was caught by the user's own code has been recorded before.
    let recorded = RECORDED.take().pop_back();
    let message = text_of(payload);
    let stopped = payload.is::<Interrupted>();
    // Where the loop of another thread was stopped, joining it panics on the thread of the cell.
    if stopped || interrupt::requested() {
        return interrupted((!stopped).then_some(message));
    }
    let (location, functions) = match recorded {
        Some(recorded) => (Some(recorded.location), recorded.trace.functions()),
        None => (None, Vec::new()),
    };
    Failure {
        kind: FailureKind::Panic,
        message: parts::explained(message),
        causes: Vec::new(),
        location,
        functions,
        frames: Vec::new(),
    }
}

/// The failure of a cell that the user has stopped; `cause` is the error by which it noticed.
fn interrupted(cause: Option<String>) -> Failure {
    Failure {
        kind: FailureKind::Interrupted,
        message: "the cell was interrupted; all variables are still there".to_owned(),
        causes: cause.into_iter().collect(),
        location: None,
        functions: Vec::new(),
        frames: Vec::new(),
    }
}

fn protocol_location(location: &panic::Location<'_>) -> Location {
    Location {
        file: location
            .file()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        line: location.line(),
        column: location.column(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Strange {
        display_panics: bool,
        is_circle: bool,
        drop_panics: bool,
    }

    impl fmt::Display for Strange {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert!(!self.display_panics, "no display");
            formatter.write_str("strange")
        }
    }

    impl Error for Strange {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            static CIRCLE: Strange = Strange {
                display_panics: false,
                is_circle: true,
                drop_panics: false,
            };
            self.is_circle.then_some(&CIRCLE as _)
        }
    }

    impl Drop for Strange {
        fn drop(&mut self) {
            assert!(!self.drop_panics, "no drop");
        }
    }

    #[test]
    fn errors_that_panic_or_run_in_a_circle_are_described() {
        let failure = CellError::from(Strange {
            display_panics: true,
            is_circle: false,
            drop_panics: true,
        })
        .into_failure();
        assert!(failure.message.contains("cannot be shown"), "{failure:?}");
        assert_eq!(failure.causes[0], "no display");
        assert!(failure.causes[1].contains("no drop"), "{failure:?}");
        let failure = CellError::from(Strange {
            display_panics: false,
            is_circle: true,
            drop_panics: false,
        })
        .into_failure();
        assert_eq!(failure.message, "strange");
        assert!(
            failure.causes.last().unwrap().contains("circle"),
            "{failure:?}"
        );
    }

    #[test]
    fn payloads_that_panic_for_ever_are_dropped() {
        struct Endless;
        impl Drop for Endless {
            fn drop(&mut self) {
                panic::panic_any(Endless);
            }
        }
        let payload = panic::catch_unwind(|| panic::panic_any(Endless)).unwrap_err();
        assert_eq!(
            of_panic(payload).message,
            "a panic whose payload is not text"
        );
    }
}
