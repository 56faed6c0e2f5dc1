//! The process's stdin: what a cell reads from it, the user is asked for.
//!
//! `std::io::stdin()` reads by the C library's `read`. This program defines a `read` of its own, which the dynamic loader
//! prefers for every library of the process. On file descriptor 0 it asks the front end for a line; on all others, and
//! where the user's program has put something else in the place of 0, it is the system's.
//!
//! Where nobody can be asked stdin is at its end, as it is for a program without a terminal.

use std::{
    ffi::{c_int, c_void},
    panic,
    sync::{Mutex, PoisonError},
};

use patchbay::{channel, interrupt};

/// What a user types, in a front end that has no such key, for the end of the input.
const END: [&str; 2] = ["\u{4}", "^D"];

/// With so many bytes the standard library begins to read everything there is, and with no other request for a line does
/// it ask for so few.
const PROBE_BYTES: usize = 32;

static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: Vec::new(),
    served: 0,
    is_all: false,
});

struct Input {
    /// The user's last answer.
    bytes: Vec<u8>,
    /// How many bytes of it were read.
    served: usize,
    /// The answer was to a request for everything; its end is the end of the input.
    is_all: bool,
}

/// The `read` of this process.
///
/// # Safety
///
/// As the C library's: `buffer` has room for `count` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(descriptor: c_int, buffer: *mut c_void, count: usize) -> isize {
    if descriptor != 0 || count == 0 || !is_null_device() {
        // SAFETY: the arguments are those of the system call, as the caller gave them.
        let result = unsafe { libc::syscall(libc::SYS_read, descriptor, buffer, count) };
        return isize::try_from(result).unwrap_or(-1);
    }
    let served = panic::catch_unwind(|| {
        // SAFETY: the caller has room for `count` bytes there, and nobody else writes to it during the call.
        let target = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), count) };
        // Several threads may read; they are asked for one after the other.
        let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
        input.serve(target)
    });
    match served {
        Ok(count) => isize::try_from(count).unwrap_or(-1),
        // No panic may pass through the caller, which was compiled for the C library's function.
        Err(_) => {
            // SAFETY: the address of the calling thread's own error number.
            unsafe { *libc::__errno_location() = libc::ECANCELED };
            -1
        }
    }
}

impl Input {
    /// Fills `target` from the user's answer; asks for one if there is none. Returns the bytes written: 0 is the end.
    ///
    /// Unwinds where the user interrupts the cell.
    fn serve(&mut self, target: &mut [u8]) -> usize {
        interrupt::check();
        if self.served == self.bytes.len() {
            if std::mem::take(&mut self.is_all) {
                return 0;
            }
            self.bytes.clear();
            self.served = 0;
            let Ok(answer) = channel::request_input("", false) else {
                return 0;
            };
            if END.contains(&answer.trim()) {
                return 0;
            }
            self.bytes.extend_from_slice(answer.as_bytes());
            if !answer.ends_with('\n') {
                self.bytes.push(b'\n');
            }
            self.is_all = target.len() == PROBE_BYTES;
        }
        let rest = &self.bytes[self.served..];
        let count = rest.len().min(target.len());
        target[..count].copy_from_slice(&rest[..count]);
        self.served += count;
        count
    }
}

/// Whether file descriptor 0 is what the host has made it.
fn is_null_device() -> bool {
    // SAFETY: a structure of numbers, for which zero is a valid value, filled by the call.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives through the call.
    let found = unsafe { libc::fstat(0, &raw mut status) } == 0;
    found && status.st_mode & libc::S_IFMT == libc::S_IFCHR && status.st_rdev == libc::makedev(1, 3)
}
