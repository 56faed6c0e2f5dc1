//! The end of the process, and of all that it has started.
//!
//! Nothing may keep it: no destructor of a library, no lock of stdout, no child that ignores what it is asked.

use std::{
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{clock, flush, request, shell};

/// How long what was printed last may take to be written out.
const FLUSH: Duration = Duration::from_millis(50);

/// How long children may take to end once they are asked.
const GRACE: Duration = Duration::from_millis(100);

/// How long all of it may take.
const DEADLINE: u64 = 1000;

/// When the process has to be gone; 0 while nobody wants it to be.
static BY: AtomicU64 = AtomicU64::new(0);

/// Ends the process.
pub fn process(status: i32) -> ! {
    BY.store(clock::now() + DEADLINE, Ordering::SeqCst);
    request::wake();
    // SAFETY: a call with a number; the system ends the process by itself, should no thread come to it.
    unsafe { libc::alarm(2) };
    shell::ask_all_to_end();
    flush::now(FLUSH);
    let deadline = Instant::now() + GRACE;
    while has_children() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
    kill_all();
    // SAFETY: the call ends the process without running what others want to be run then; variables are not dropped either.
    unsafe { libc::_exit(status) }
}

/// Ends the process at once if it should have ended by now.
pub fn enforce() {
    let by = BY.load(Ordering::SeqCst);
    if by != 0 && clock::now() > by {
        kill_all();
        // SAFETY: as above.
        unsafe { libc::_exit(1) }
    }
}

/// Whether a child is left.
fn has_children() -> bool {
    // SAFETY: the call takes the status of a child that has ended; nobody else will ask for it.
    unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) >= 0 }
}

/// Kills what is left of all that was started; this process last.
fn kill_all() {
    shell::kill_command();
    // SAFETY: two numbers are asked for, and a signal is sent to the group that this process leads, itself included.
    unsafe {
        if libc::getpgrp() == libc::getpid() {
            libc::killpg(libc::getpgrp(), libc::SIGKILL);
        }
    }
}
