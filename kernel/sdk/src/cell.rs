//! What the program of a cell is made of: the variables, the entry's frame, errors by `?`.
//!
//! Nothing here is meant to be typed by a user; the engine writes the calls.

use std::{
    any::{Any, TypeId},
    backtrace::Backtrace,
    cell::RefCell,
    collections::HashMap,
    error::Error,
    panic::{self, AssertUnwindSafe},
};

use patchbay_protocol::{Failure, FailureKind, Location, StoredVariable};

pub use crate::executor::block_on;

use crate::{
    interrupt::{self, Interrupted},
    live, memory, widgets,
};

/// The signature of a cell's entry. The compiler that built the SDK also built the cell, so the
/// Rust calling convention is the same on both sides.
pub type Entry = fn(&mut Cell<'_>);

/// The notebook's variables, by name.
#[derive(Default)]
pub struct Variables {
    values: HashMap<String, Box<dyn Any>>,
}

impl Variables {
    /// Drops the named variables; names that are not there are passed over.
    pub fn remove(&mut self, names: &[String]) {
        for name in names {
            self.values.remove(name);
        }
    }
}

/// One run of one cell.
///
/// The engine's programs call its methods; those that are generic only wrap one that is not, because
/// what a program instantiates makes its compile slower.
pub struct Cell<'a> {
    variables: &'a mut Variables,
    stored: Vec<StoredVariable>,
}

impl<'a> Cell<'a> {
    pub fn new(variables: &'a mut Variables) -> Self {
        Cell {
            variables,
            stored: Vec::new(),
        }
    }

    /// The variables that this run stored or put back, and what stopped it.
    pub fn finish(self) -> (Vec<StoredVariable>, Option<Failure>) {
        (self.stored, FAILURE.take())
    }

    /// Checks that every variable that the program takes is there with the type it expects, before
    /// any is taken. Returns whether it is; the failure of the run names those that are not.
    #[inline(never)]
    pub fn has(&self, expected: &[(&str, TypeId)]) -> bool {
        let missing: Vec<&str> = expected
            .iter()
            .filter(|(name, type_id)| {
                self.variables
                    .values
                    .get(*name)
                    .is_none_or(|value| (**value).type_id() != *type_id)
            })
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            return true;
        }
        FAILURE.set(Some(Failure {
            kind: FailureKind::Refused,
            message: format!(
                "no value for {}: the cell that defines it did not run to its end, or the value was \
                 moved away; run that cell again",
                missing.join(", ")
            ),
            causes: Vec::new(),
            location: None,
            functions: Vec::new(),
        }));
        false
    }

    /// Takes a variable out. [`Cell::has`] has seen it.
    pub fn take<T: 'static>(&mut self, name: &str) -> T {
        match self.take_any(name).downcast::<T>() {
            Ok(value) => *value,
            Err(_) => type_is_known(name),
        }
    }

    #[inline(never)]
    fn take_any(&mut self, name: &str) -> Box<dyn Any> {
        self.variables
            .values
            .remove(name)
            .unwrap_or_else(|| type_is_known(name))
    }

    /// Stores a variable: the `ordinal`-th that the cell defines by that name, or with 0 one that it
    /// took and puts back.
    pub fn put<T: 'static>(&mut self, name: &str, ordinal: usize, value: T) {
        self.put_any(name, ordinal, Box::new(value), size_of::<T>());
    }

    #[inline(never)]
    fn put_any(&mut self, name: &str, ordinal: usize, value: Box<dyn Any>, bytes: usize) {
        let tensors = memory::tensors_of(value.as_ref());
        self.variables.values.insert(name.to_owned(), value);
        self.stored.push(StoredVariable {
            name: name.to_owned(),
            ordinal,
            bytes,
            tensor_bytes: tensors.all,
            gpu_bytes: tensors.gpu,
        });
    }

    /// Puts back a variable that the cell took, unless the cell has stored a new one of that name.
    pub fn put_back<T: 'static>(&mut self, name: &str, value: T) {
        if !self.is_stored(name) {
            self.put(name, 0, value);
        }
    }

    #[inline(never)]
    fn is_stored(&self, name: &str) -> bool {
        self.variables.values.contains_key(name)
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

/// Runs a segment of a cell. Panics, interrupts and errors end it; [`Cell::finish`] tells which.
///
/// Not generic, so that what it needs is compiled once, into the SDK, and not into every cell.
#[inline(never)]
pub fn run(body: Box<dyn FnOnce() -> Result<(), CellError> + '_>) {
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    // A plot that cannot be drawn says so itself; it must not take the process with it.
    let _ = panic::catch_unwind(live::finish_all);
    let _ = panic::catch_unwind(widgets::send_held);
    let failure = match outcome {
        Ok(Ok(())) => return,
        // A read from stdin cannot unwind; it ends by an error, which the cell may hand on.
        Ok(Err(error)) if interrupt::requested() => interrupted(Some(error.error.to_string())),
        Ok(Err(error)) => error.into_failure(),
        Err(payload) => panic_failure(payload.as_ref()),
    };
    FAILURE.set(Some(failure));
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
    fn into_failure(self) -> Failure {
        let message = memory::explained(self.error.to_string());
        let mut causes: Vec<String> = Vec::new();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their source's text in their own.
            if text != *causes.last().unwrap_or(&message) {
                causes.push(text);
            }
            cause = error.source();
        }
        Failure {
            kind: FailureKind::Error,
            message,
            causes,
            location: Some(protocol_location(self.location)),
            functions: Vec::new(),
        }
    }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<(Location, String)>> = const { RefCell::new(None) };
}

/// Makes panics of the calling thread be recorded for [`run`] in place of being printed. Panics of
/// other threads are still printed to stderr. The runtime calls this on the thread of the cells.
pub fn record_panics_of_this_thread() {
    let cell_thread = std::thread::current().id();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() != cell_thread {
            print(info);
            return;
        }
        let location = info.location().map_or_else(
            || Location {
                file: String::new(),
                line: 0,
                column: 0,
            },
            protocol_location,
        );
        let backtrace = Backtrace::force_capture().to_string();
        LAST_PANIC.with_borrow_mut(|last| *last = Some((location, backtrace)));
    }));
}

/// Describes a caught panic, with the place that the hook recorded.
pub fn panic_failure(payload: &(dyn Any + Send)) -> Failure {
    let recorded = LAST_PANIC.with_borrow_mut(Option::take);
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned());
    let stopped = payload.is::<Interrupted>();
    // Where the loop of another thread was stopped, joining it panics on the thread of the cell.
    if stopped || interrupt::requested() {
        return interrupted((!stopped).then_some(message));
    }
    let (location, functions) = match recorded {
        Some((location, backtrace)) => (Some(location), functions_of_cells(&backtrace)),
        None => (None, Vec::new()),
    };
    Failure {
        kind: FailureKind::Panic,
        message: memory::explained(message),
        causes: Vec::new(),
        location,
        functions,
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
    }
}

/// The functions of the cells' programs in a backtrace, innermost first. All programs are crates
/// named `cell`; they carry no line numbers, which would make every compile slower.
fn functions_of_cells(backtrace: &str) -> Vec<String> {
    let mut functions: Vec<String> = Vec::new();
    for line in backtrace.lines() {
        let Some((_, name)) = line.split_once(": cell::") else {
            continue;
        };
        let name = name
            .split("::{closure")
            .next()
            .unwrap_or(name)
            .split("::{{closure")
            .next()
            .unwrap_or(name)
            .trim();
        if !name.starts_with("patchbay_cell") && functions.last().is_none_or(|last| last != name) {
            functions.push(name.to_owned());
        }
    }
    functions
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
