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

use crate::interrupt::Interrupted;

/// The signature of a cell's entry. The compiler that built the SDK also built the cell, so the
/// Rust calling convention is the same on both sides.
pub type Entry = fn(&mut Cell<'_>) -> Result<(), Failure>;

/// The notebook's variables, by name.
#[derive(Default)]
pub struct Variables {
    values: HashMap<String, Variable>,
}

struct Variable {
    value: Box<dyn Any>,
    bytes: usize,
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

    /// The variables that this run stored or put back.
    pub fn into_stored(self) -> Vec<StoredVariable> {
        self.stored
    }

    /// Checks that every variable that the program takes is there with the type it expects, before
    /// any is taken.
    ///
    /// # Errors
    ///
    /// Names the variables that are missing.
    pub fn require(&self, expected: &[(&str, TypeId)]) -> Result<(), Failure> {
        let missing: Vec<&str> = expected
            .iter()
            .filter(|(name, type_id)| {
                self.variables
                    .values
                    .get(*name)
                    .is_none_or(|variable| (*variable.value).type_id() != *type_id)
            })
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure {
            kind: FailureKind::Refused,
            message: format!(
                "no value for {}: the cell that defines it did not run to its end, or the value was \
                 moved away; run that cell again",
                missing.join(", ")
            ),
            causes: Vec::new(),
            location: None,
            frames: Vec::new(),
        })
    }

    /// Takes a variable out. [`Cell::require`] has seen it.
    pub fn take<T: 'static>(&mut self, name: &str) -> T {
        match self
            .variables
            .values
            .remove(name)
            .map(|variable| variable.value.downcast::<T>())
        {
            Some(Ok(value)) => *value,
            _ => unreachable!(
                "`require` has checked that {name} is a {}",
                std::any::type_name::<T>()
            ),
        }
    }

    /// Stores a variable that the cell defines.
    pub fn put<T: 'static>(&mut self, name: &str, value: T) {
        let bytes = size_of::<T>();
        self.variables.values.insert(
            name.to_owned(),
            Variable {
                value: Box::new(value),
                bytes,
            },
        );
        self.stored.push(StoredVariable {
            name: name.to_owned(),
            bytes,
        });
    }

    /// Puts back a variable that the cell took, unless the cell has stored a new one of that name.
    pub fn put_back<T: 'static>(&mut self, name: &str, value: T) {
        if !self.variables.values.contains_key(name) {
            self.put(name, value);
        }
    }
}

/// Runs the body of a cell, with panics, interrupts and errors as values.
///
/// # Errors
///
/// Returns what stopped the body.
pub fn run(body: impl FnOnce() -> Result<(), CellError>) -> Result<(), Failure> {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into_failure()),
        Err(payload) => Err(panic_failure(payload.as_ref())),
    }
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
        let message = self.error.to_string();
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
            frames: Vec::new(),
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
                function: None,
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
    if payload.is::<Interrupted>() {
        return Failure {
            kind: FailureKind::Interrupted,
            message: "the cell was interrupted; all variables are still there".to_owned(),
            causes: Vec::new(),
            location: None,
            frames: Vec::new(),
        };
    }
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is not text".to_owned());
    let (location, frames) = match recorded {
        Some((location, backtrace)) => (Some(location), frames_of_cells(&backtrace)),
        None => (None, Vec::new()),
    };
    Failure {
        kind: FailureKind::Panic,
        message,
        causes: Vec::new(),
        location,
        frames,
    }
}

/// The prefix of the file names that the engine gives to programs of cells.
pub const PROGRAM_PREFIX: &str = "cell_";

/// The frames of a backtrace that lie in programs of cells, innermost first.
fn frames_of_cells(backtrace: &str) -> Vec<Location> {
    let mut frames = Vec::new();
    let mut function = None;
    for line in backtrace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            let mut parts = place.rsplitn(3, ':');
            let column = parts.next().and_then(|text| text.parse().ok());
            let row = parts.next().and_then(|text| text.parse().ok());
            let file = parts.next().unwrap_or_default();
            let name = file.rsplit('/').next().unwrap_or_default();
            if let (Some(column), Some(line)) = (column, row)
                && name.starts_with(PROGRAM_PREFIX)
            {
                frames.push(Location {
                    file: name.to_owned(),
                    line,
                    column,
                    function: function.take(),
                });
            }
        } else if let Some((_, name)) = line.split_once(": ") {
            function = Some(name.to_owned());
        }
    }
    frames
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
        function: None,
    }
}
