//! The commands that run one after the other on the thread of the cells.
//!
//! Every command is answered, whatever its code does: a panic from anywhere is its failure, and a thread that ends without an answer
//! is answered for (`guard.rs`).

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use patchbay::{
    cell::{self, Cell},
    channel, interrupt, place,
};
use patchbay_protocol::{Command, Event, Failure, FailureKind, LineMap, Outcome};

use crate::{
    account::{self, Rest},
    end, flush, loader, request, shell,
};

/// How long what a command has printed may take to be written out. It is longer only where a thread of the user's has locked stdout.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs commands until the host is gone.
pub fn serve(next: impl Fn() -> Option<Command>) {
    while let Some(command) = next() {
        let Some(id) = id_of(&command) else {
            // The reading thread has served all others.
            continue;
        };
        answer(id, || run_command(command));
    }
}

/// Does what is left of a command whose thread was given up.
pub fn finish(rest: Rest) {
    let Rest {
        id,
        failure,
        lent_is_whole,
    } = rest;
    answer(id, || {
        // SAFETY: the guard has stopped the thread for good, or has seen that it has ended.
        let stored = unsafe { account::variables().recover(lent_is_whole) };
        Outcome {
            failure: Some(failure),
            stored,
            given_up: true,
            ..Outcome::default()
        }
    });
}

/// Runs the whole of a command and tells the host how it ended.
fn answer(id: u64, command: impl FnOnce() -> Outcome) {
    let running = account::begin(id);
    let outcome = cell::run_command(command).unwrap_or_else(|failure| {
        // SAFETY: the panic has left the cell, so nothing of it goes on; it may have dropped what it had lent.
        let stored = unsafe { account::variables().recover(false) };
        Outcome {
            failure: Some(after_the_first(failure)),
            stored,
            ..Outcome::default()
        }
    });
    // Whoever asked for the interrupt has got it; what follows in the same cell is not stopped by it again.
    if outcome
        .failure
        .as_ref()
        .is_some_and(|failure| failure.kind == FailureKind::Interrupted)
    {
        interrupt::clear();
        request::clear();
    }
    flush::now(FLUSH);
    if !account::end(running) {
        return;
    }
    if let Err(error) = channel::send(&Event::Done { id, outcome }) {
        // The host waits for an outcome that cannot be told, because it has gone or a cell has closed the way to it:
        // the end of the process tells it.
        eprintln!("patchbay-runtime: the outcome of a cell could not be told: {error}");
        end::process(1);
    }
}

/// A panic from outside of all segments, as the end of what a segment had failed with before.
fn after_the_first(failure: Failure) -> Failure {
    let (_, first) = Cell::new(account::variables()).finish();
    match first {
        Some(mut first) => {
            first.causes.push(failure.message);
            first
        }
        None => failure,
    }
}

fn id_of(command: &Command) -> Option<u64> {
    match command {
        Command::Run { id, .. }
        | Command::DropVariables { id, .. }
        | Command::SetEnvironment { id, .. }
        | Command::ChangeDirectory { id, .. }
        | Command::Shell { id, .. } => Some(*id),
        _ => None,
    }
}

fn run_command(command: Command) -> Outcome {
    match command {
        Command::Run {
            library,
            symbol,
            line_map,
            ..
        } => run(&library, &symbol, line_map),
        Command::DropVariables { names, .. } => match account::variables().remove(&names) {
            Ok(()) => Outcome::default(),
            Err(message) => failed(FailureKind::Panic, message),
        },
        Command::SetEnvironment { variables, .. } => {
            for (name, value) in variables {
                // SAFETY: the cells' thread is the one that changes the environment, and no
                // cell runs now. A thread that an earlier cell left behind could read it at
                // the same time; Rust's own readers share a lock with this call.
                unsafe {
                    match value {
                        Some(value) => env::set_var(name, value),
                        None => env::remove_var(name),
                    }
                }
            }
            Outcome::default()
        }
        Command::ChangeDirectory { path, .. } => refused(env::set_current_dir(&path), |error| {
            format!("{}: {error}", path.display())
        }),
        Command::Shell { command, .. } => match shell::run(&command) {
            Err(shell::Failure::Interrupted) => failed(
                FailureKind::Interrupted,
                "the command was interrupted, and has ended with all that it had started"
                    .to_owned(),
            ),
            Err(shell::Failure::Failed(error)) => failed(FailureKind::Refused, error.to_string()),
            Ok(()) => Outcome::default(),
        },
        _ => Outcome::default(),
    }
}

fn run(library: &Path, symbol: &str, line_map: LineMap) -> Outcome {
    let start = Instant::now();
    place::note(line_map);
    let entry = match loader::load_cell(library, symbol) {
        Ok(entry) => entry,
        Err(error) => {
            return refused(Err(error), |error| {
                // libloading keeps the loader's own words in the source.
                let words = std::error::Error::source(error).map(ToString::to_string);
                format!(
                    "the compiled cell does not load: {}",
                    words.unwrap_or_else(|| error.to_string())
                )
            });
        }
    };
    let loaded = Instant::now();
    // What was left out after the end of an earlier cell is told by now, or for nobody.
    drop(channel::take_left_out());
    let mut cell = Cell::new(account::variables());
    entry(&mut cell);
    let run_nanoseconds = nanoseconds(loaded.elapsed());
    let (stored, failure) = cell.finish();
    let left_out = channel::take_left_out();
    Outcome {
        failure: failure.or_else(|| left_out.map(|what| failure_of(FailureKind::Error, what))),
        stored,
        load_nanoseconds: nanoseconds(loaded - start),
        run_nanoseconds,
        ..Outcome::default()
    }
}

fn refused<E>(result: Result<(), E>, message: impl FnOnce(&E) -> String) -> Outcome {
    match result {
        Ok(()) => Outcome::default(),
        Err(error) => failed(FailureKind::Refused, message(&error)),
    }
}

fn failed(kind: FailureKind, message: String) -> Outcome {
    Outcome {
        failure: Some(failure_of(kind, message)),
        ..Outcome::default()
    }
}

fn failure_of(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        message,
        causes: Vec::new(),
        location: None,
        functions: Vec::new(),
        frames: Vec::new(),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
