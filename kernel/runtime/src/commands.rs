//! The commands that run one after the other on the thread of the cells.

use std::{
    env,
    path::Path,
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use patchbay::{
    cell::{self, Cell, Variables},
    channel, interrupt,
};
use patchbay_protocol::{Command, Event, Failure, FailureKind, Outcome};

use crate::{loader, shell};

/// Runs commands until the host is gone.
pub fn serve(commands: &Receiver<Command>) {
    let mut variables = Variables::default();
    while let Ok(command) = commands.recv() {
        let (id, outcome) = match command {
            Command::Run {
                id,
                library,
                symbol,
            } => (id, run(&library, &symbol, &mut variables)),
            Command::DropVariables { id, names } => (id, drop_variables(&names, &mut variables)),
            Command::SetEnvironment { id, variables } => {
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
                (id, Outcome::default())
            }
            Command::ChangeDirectory { id, path } => (
                id,
                refused(env::set_current_dir(&path), |error| {
                    format!("{}: {error}", path.display())
                }),
            ),
            Command::Shell { id, command } => (
                id,
                match shell::run(&command) {
                    Err(shell::Failure::Interrupted) => failed(
                        FailureKind::Interrupted,
                        "the command was interrupted, and has ended with all that it had started"
                            .to_owned(),
                    ),
                    Err(shell::Failure::Failed(error)) => {
                        failed(FailureKind::Refused, error.to_string())
                    }
                    Ok(()) => Outcome::default(),
                },
            ),
            // The reading thread has served all others.
            _ => continue,
        };
        // Whoever asked for the interrupt has got it; what follows in the same cell is not stopped by it again.
        if outcome
            .failure
            .as_ref()
            .is_some_and(|failure| failure.kind == FailureKind::Interrupted)
        {
            interrupt::clear();
        }
        channel::flush_standard_streams();
        if let Err(error) = channel::send(&Event::Done { id, outcome }) {
            // The host waits for an outcome that cannot be told, because it has gone or a cell has closed the way to it:
            // the end of the process tells it.
            eprintln!("patchbay-runtime: the outcome of a cell could not be told: {error}");
            shell::end_all();
            std::process::exit(1);
        }
    }
}

fn run(library: &Path, symbol: &str, variables: &mut Variables) -> Outcome {
    let start = Instant::now();
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
    let mut cell = Cell::new(variables);
    entry(&mut cell);
    let run_nanoseconds = nanoseconds(loaded.elapsed());
    let (stored, failure) = cell.finish();
    let left_out = channel::take_left_out();
    Outcome {
        failure: failure.or_else(|| left_out.map(|what| failure_of(FailureKind::Error, what))),
        stored,
        load_nanoseconds: nanoseconds(loaded - start),
        run_nanoseconds,
    }
}

/// Drops variables, whose destructors are user code and may panic.
fn drop_variables(names: &[String], variables: &mut Variables) -> Outcome {
    cell::run(Box::new(|| {
        variables.remove(names);
        Ok(())
    }));
    let (_, failure) = Cell::new(variables).finish();
    Outcome {
        failure,
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
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
