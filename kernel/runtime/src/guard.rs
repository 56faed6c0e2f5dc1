//! The thread that watches over the others: it gives up cells that do not stop, replaces the thread of the cells when it has died, and
//! ends the process when its host has gone.
//!
//! A cell that is asked to stop and has not after a second is given up: its thread is held where it is, with all that it has on its
//! stack, and never goes on. A moment is waited for at which it has no lock that others need (`probe.rs`). What it had taken of the
//! variables comes back as far as it can ([`patchbay::cell::Variables`]).
//!
//! This thread allocates nothing while another is held.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use patchbay::{Failure, cell, comm, interrupt};
use patchbay_protocol::FailureKind;

use crate::{
    account::{self, Rest, Running},
    cells, clock, end,
    freeze::Held,
    probe::{self, Probe},
    questions, request, streams, tasks,
};

/// How long a cell may take to stop by itself, in milliseconds.
const PATIENCE: u64 = 1000;

/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_millis(250);

/// How long a step of an attempt may take: a few times what it takes where nothing is in the way. On a busy machine that is longer, so
/// each attempt waits longer than the one before, and then again as long as the first.
const STEP_PATIENCE: [Duration; 6] = [
    Duration::from_millis(30),
    Duration::from_millis(60),
    Duration::from_millis(30),
    Duration::from_millis(250),
    Duration::from_millis(30),
    Duration::from_millis(1000),
];

/// After how many attempts a thread is taken to have locked stdout for long.
const ATTEMPTS_FOR_STREAMS: usize = 4;

/// How long a good moment is looked for. The host waits somewhat longer, then it ends the process.
const SEARCH: Duration = Duration::from_secs(8);

/// How long threads that have nothing to do may take to end.
const POOL_PATIENCE: Duration = Duration::from_millis(50);

/// How long a thread goes on between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// What the cell's thread has died of, where it waits to be given up.
static DOOMED: Mutex<Option<Failure>> = Mutex::new(None);

/// Whether a thread that waits to be given up is to go on, and abort the process.
static ABORTS: AtomicBool = AtomicBool::new(false);

/// Starts the thread.
///
/// # Errors
///
/// Returns the system's error.
pub fn start() -> std::io::Result<()> {
    // SAFETY: the call only asks for a number.
    let parent = unsafe { libc::getppid() };
    cell::before_abort(wait_to_be_given_up);
    let guard = thread::Builder::new()
        .name("patchbay-guard".to_owned())
        .spawn(move || watch(parent))?;
    request::set_guard(guard.thread().clone());
    Ok(())
}

fn watch(parent: libc::pid_t) {
    loop {
        thread::park_timeout(until_overdue().map_or(LOOK, |left| left.min(LOOK)));
        end::enforce();
        // SAFETY: the call only asks for a number.
        if unsafe { libc::getppid() } != parent {
            // Another process has taken the host's place as the parent.
            end::process(0);
        }
        questions::relieve();
        if let Some(thread) = comm::give_up_handler(Duration::from_millis(PATIENCE)) {
            stop_in_passing(thread);
        }
        if request::take_telling()
            && let Some(running) = account::running()
        {
            tell_processes(running);
        }
        let doomed = DOOMED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rest = match (doomed, account::running()) {
            (Some(failure), Some(running)) => {
                probe::leave_out_hook();
                let rest = give_up(running, failure, cell::is_in_segment());
                if rest.is_none() {
                    ABORTS.store(true, Ordering::SeqCst);
                }
                rest
            }
            (None, Some(running)) if until_overdue() == Some(Duration::ZERO) => {
                give_up(running, overdue(), true)
            }
            _ => None,
        };
        let died = rest.is_none() && account::is_dead();
        let rest = if died { rest_of_dead() } else { rest };
        if rest.is_some() || died {
            stop_pool();
        }
        if (rest.is_some() || died)
            && let Err(error) = cells::start(rest)
        {
            eprintln!("patchbay-runtime: no thread for the cells: {error}");
            end::process(1);
        }
    }
}

/// How long the running command may still take to stop; `None` where nobody wants it to.
fn until_overdue() -> Option<Duration> {
    let interrupted = request::since().filter(|_| interrupt::requested())?;
    let running = account::running()?;
    let deadline = interrupted.max(running.began) + PATIENCE;
    Some(Duration::from_millis(deadline.saturating_sub(clock::now())))
}

fn overdue() -> Failure {
    Failure {
        kind: FailureKind::Interrupted,
        message: "the cell did not stop within a second and was given up where it was".to_owned(),
        causes: Vec::new(),
        location: None,
        functions: Vec::new(),
        frames: Vec::new(),
    }
}

/// What is left of a command whose thread has ended by itself.
fn rest_of_dead() -> Option<Rest> {
    let running = account::running()?;
    account::end(running).then(|| Rest {
        id: running.id,
        failure: Failure {
            kind: FailureKind::Panic,
            message: "the thread that ran the cell has ended".to_owned(),
            causes: Vec::new(),
            location: None,
            functions: Vec::new(),
            frames: Vec::new(),
        },
        lent_is_whole: false,
    })
}

/// Stops a thread for good, if there is a moment soon at which it can be. If not it goes on, and nobody waits for it.
fn stop_in_passing(thread: libc::pid_t) {
    for patience in STEP_PATIENCE {
        if stop(thread, patience, || true) {
            break;
        }
        thread::sleep(PAUSE);
    }
}

/// Tells the processes that a cell has started what a terminal would tell them: `Command::status` and its like come back.
fn tell_processes(running: Running) {
    for process in tasks::processes_since(running.began) {
        // SAFETY: two numbers; a process that has ended since takes no signal.
        unsafe { libc::kill(process, libc::SIGINT) };
    }
}

/// Stops the thread of a command for good. `None` where it has ended by itself, or there was no moment at which it could be.
fn give_up(running: Running, failure: Failure, lent_is_whole: bool) -> Option<Rest> {
    let deadline = Instant::now() + SEARCH;
    let mut patience = STEP_PATIENCE.into_iter().cycle().enumerate();
    while Instant::now() < deadline {
        end::enforce();
        if account::running() != Some(running) {
            return None;
        }
        let (attempt, patience) = patience.next().unwrap_or((0, SEARCH));
        let thread = account::thread_id();
        let is_stopped = stop(thread, patience, || account::end(running))
            || attempt >= ATTEMPTS_FOR_STREAMS
                && stop_with_streams(thread, patience, || account::end(running));
        if is_stopped {
            stop_threads_of(running);
            return Some(Rest {
                id: running.id,
                failure,
                lent_is_whole,
            });
        }
        // In the meantime it goes on.
        thread::sleep(PAUSE);
    }
    None
}

/// Stops a thread for good if this is a moment at which it can be, and `decide` agrees.
fn stop(thread: libc::pid_t, patience: Duration, decide: impl FnOnce() -> bool) -> bool {
    let Some(probe) = Probe::start(patience) else {
        return false;
    };
    let Some(held) = Held::hold(thread, patience) else {
        return false;
    };
    if probe.succeeds(patience) && decide() {
        held.keep();
        return true;
    }
    // In this order: dropping the probe uses the allocator.
    drop(held);
    drop(probe);
    false
}

/// Stops the thread of the cells for good although it has locked stdout or stderr, which are taken away from it.
fn stop_with_streams(
    thread: libc::pid_t,
    patience: Duration,
    decide: impl FnOnce() -> bool,
) -> bool {
    let Some(probe) = Probe::start_without_streams(patience) else {
        return false;
    };
    let Some(held) = Held::hold(thread, patience) else {
        return false;
    };
    if streams::are_held_by_cells() && probe.succeeds(patience) && decide() {
        held.keep();
        // SAFETY: it has just been told to stay.
        if !unsafe { streams::take_away() } {
            // Nobody could print any more.
            end::process(1);
        }
        return true;
    }
    drop(held);
    drop(probe);
    false
}

/// Stops the threads that a cell has started and given no name: they may refer to what is on its stack, and nobody can stop them
/// any more.
fn stop_threads_of(running: Running) {
    let own = account::thread_id();
    for thread in tasks::threads_since(running.began, account::NAME) {
        if thread != own {
            stop_in_passing(thread);
        }
    }
}

/// Ends the threads that shared the ops of the thread that ran cells. Those that have nothing to do end by themselves; the others do a
/// part of what was given up, and are stopped as it was.
fn stop_pool() {
    let Some(pool) = account::take_pool() else {
        return;
    };
    let name = pool.thread_name().to_owned();
    // The thread that was stopped may have a lock of the pool: whoever drops it may wait for ever.
    let _ = thread::Builder::new().spawn(move || drop(pool));
    let deadline = Instant::now() + POOL_PATIENCE;
    loop {
        let left = tasks::threads_since(0, &name);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            left.into_iter().for_each(stop_in_passing);
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// Called by a cell's thread in place of aborting the process. Returns where that cannot be helped.
fn wait_to_be_given_up(failure: &Failure) {
    // SAFETY: the call only asks for a number.
    if unsafe { libc::gettid() } != account::thread_id() || account::running().is_none() {
        return;
    }
    ABORTS.store(false, Ordering::SeqCst);
    let before = DOOMED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(failure.clone());
    drop(before);
    request::wake();
    while !ABORTS.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(20));
    }
}
