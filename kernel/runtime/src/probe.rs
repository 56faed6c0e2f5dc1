//! Whether a thread can be given up where it is held.
//!
//! It must have none of the locks that the rest of the process needs: the allocator's, the streams', the dynamic loader's, the SDK's.
//! No lock is asked who has it. Instead, another thread uses all that they guard while the first is held: if it comes to its end,
//! none was taken; if not, the first goes on for a moment and is held again somewhere else.
//!
//! The streams are locked before: a cell that prints without end has them nearly all the time, and with a thread in front of it
//! waiting for them it lets go.

use std::{
    alloc::{Layout, alloc, dealloc},
    backtrace::Backtrace,
    env,
    ffi::{c_int, c_void},
    hint::black_box,
    io, mem, panic, ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use patchbay::cell;

use crate::{account, tasks};

/// Whether a thread that is given up has the panic hook's lock, and keeps it: it waits in the hook.
static HOOK_IS_KEPT: AtomicBool = AtomicBool::new(false);

/// The thread that is given up now waits in the panic hook. From here on nobody may wait to replace the hook: that would keep all
/// others from panicking.
pub fn leave_out_hook() {
    HOOK_IS_KEPT.store(true, Ordering::SeqCst);
}

const STARTED: u32 = 0;
/// It has the streams.
const READY: u32 = 1;
/// It is to use the rest.
const GO: u32 = 2;
const DONE: u32 = 3;
const CANCELLED: u32 = 4;

/// A thread that uses everything once.
pub struct Probe {
    state: Arc<AtomicU32>,
    thread: Thread,
}

impl Probe {
    /// Starts the thread. `None` where the streams are not to be had within `patience`.
    pub fn start(patience: Duration) -> Option<Probe> {
        Probe::start_with(true, patience)
    }

    /// Starts the thread for one that may have the streams.
    pub fn start_without_streams(patience: Duration) -> Option<Probe> {
        Probe::start_with(false, patience)
    }

    fn start_with(streams: bool, patience: Duration) -> Option<Probe> {
        let state = Arc::new(AtomicU32::new(STARTED));
        let (own, caller) = (state.clone(), thread::current());
        let handle = thread::Builder::new()
            .name("patchbay-probe".to_owned())
            .spawn(move || {
                let streams = streams.then(|| (io::stdout().lock(), io::stderr().lock()));
                // Who has waited for them for too long is not wanted any more.
                if exchange(&own, STARTED, READY) {
                    caller.unpark();
                    while own.load(Ordering::SeqCst) == READY {
                        thread::park_timeout(Duration::from_millis(10));
                    }
                }
                if own.load(Ordering::SeqCst) == GO {
                    use_everything();
                }
                drop(streams);
                own.store(DONE, Ordering::SeqCst);
                caller.unpark();
            })
            .ok()?;
        let probe = Probe {
            state,
            thread: handle.thread().clone(),
        };
        // Where it does not get them, it ends once it does.
        probe.reaches(READY, patience).then_some(probe)
    }

    /// Whether all that is to be used can be, within `patience`. Allocates nothing.
    pub fn succeeds(&self, patience: Duration) -> bool {
        self.state.store(GO, Ordering::SeqCst);
        self.thread.unpark();
        self.reaches(DONE, patience)
    }

    fn reaches(&self, state: u32, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if self.state.load(Ordering::SeqCst) == state {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            thread::park_timeout(left.min(Duration::from_millis(5)));
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ =
            exchange(&self.state, STARTED, CANCELLED) || exchange(&self.state, READY, CANCELLED);
        self.thread.unpark();
    }
}

fn exchange(state: &AtomicU32, from: u32, to: u32) -> bool {
    state
        .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}

fn use_everything() {
    allocate();
    unwind();
    panics();
    barrier_pool();
    load();
    environment();
    // Stacks and thread-local storage of threads have locks, too.
    if let Ok(thread) = thread::Builder::new().spawn(|| ()) {
        let _ = thread.join();
    }
    c_streams();
    cell::probe_locks(account::variables());
}

/// Sizes of every sort: small ones come from the thread's own cache, once that is filled, large ones from the arena or the system.
/// Small blocks come from a thread's own store, of which there are seven of a size; large ones from the heap that all share. Few of
/// those: what is allocated side by side for the first time stays with the process, with a large page for each.
fn allocate() {
    for (size, count) in [(24, 12), (200, 12), (1500, 12), (20_000, 2), (300_000, 1)] {
        let layout = Layout::from_size_align(size, 16);
        let Ok(layout) = layout else { continue };
        let mut blocks = [ptr::null_mut(); 12];
        for block in blocks.iter_mut().take(count) {
            // SAFETY: the size is not zero.
            *block = black_box(unsafe { alloc(layout) });
        }
        for block in blocks.into_iter().filter(|block| !block.is_null()) {
            // SAFETY: it was allocated above with this layout.
            unsafe { dealloc(block, layout) };
        }
    }
}

fn unwind() {
    let payload = panic::catch_unwind(|| panic::resume_unwind(Box::new(())));
    mem::drop(payload);
}

/// Frames are captured under a lock of the standard library's, and the hook is read under another: a thread that waits to write it
/// keeps all others from panicking.
fn panics() {
    drop(Backtrace::force_capture());
    if !HOOK_IS_KEPT.load(Ordering::SeqCst) {
        panic::set_hook(panic::take_hook());
    }
}

/// candle's threads for quantized tensors do one op at a time. They are asked only where there are some.
fn barrier_pool() {
    if !tasks::threads_since(0, "candle-bp-0").is_empty() {
        patchbay::candle::utils::barrier_pool().execute(|_| ());
    }
}

fn load() {
    unsafe extern "C" fn stop(_: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
        1
    }
    // SAFETY: the callback reads nothing; the name is a C string.
    unsafe {
        libc::dl_iterate_phdr(Some(stop), ptr::null_mut());
        libc::dlsym(libc::RTLD_DEFAULT, c"patchbay_no_such_symbol".as_ptr());
    }
}

fn environment() {
    // SAFETY: the variable is not there, so nothing changes; what is wanted is the lock.
    unsafe { env::remove_var("PATCHBAY_NO_SUCH_VARIABLE") };
}

/// C's standard output. Of other streams a thread may have the lock for as long as it reads.
fn c_streams() {
    unsafe extern "C" {
        static stdout: *mut c_void;
        fn fflush(file: *mut c_void) -> c_int;
    }
    // SAFETY: the C library has set it before any code of ours; the stream is locked while it is written out.
    unsafe { fflush(stdout) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_which_nothing_is_held_passes() {
        let probe = Probe::start(Duration::from_secs(20)).unwrap();
        assert!(probe.succeeds(Duration::from_secs(20)));
    }

    #[test]
    fn streams_that_are_held_are_noticed() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let holder = thread::spawn(move || {
            let _lock = io::stderr().lock();
            sender.send(()).unwrap();
            let _ = ended.recv();
        });
        receiver.recv().unwrap();
        assert!(Probe::start(Duration::from_millis(50)).is_none());
        drop(end);
        holder.join().unwrap();
        // The one that came too late has not kept them.
        assert!(Probe::start(Duration::from_secs(20)).is_some());
    }
}
