//! Stopping a thread where it is, for a moment or for good.
//!
//! A signal's handler holds the thread until it is told to go on, or never to. A thread that is held takes no processor time, runs no
//! destructor, and keeps its stack, to which other threads may refer.
//!
//! One thread at a time is held, by one thread at a time (the guard).

use std::{
    cell::Cell,
    io,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Nobody is held.
const IDLE: u32 = 0;
/// The signal has been sent.
const ASKED: u32 = 1;
/// The thread is in the handler.
const HELD: u32 = 2;
/// The thread may go on.
const GO_ON: u32 = 3;
/// The thread is to stay for ever.
const STAY: u32 = 4;

static STATE: AtomicU32 = AtomicU32::new(IDLE);

/// The addresses of a thread's stack, and how large a page is; all 0 where it is not known.
#[derive(Clone, Copy)]
struct Stack {
    low: usize,
    high: usize,
    page: usize,
}

thread_local! {
    static STACK: Cell<Stack> = const { Cell::new(Stack { low: 0, high: 0, page: 0 }) };
}

/// A thread that is held. It goes on when this is dropped.
pub struct Held(());

/// The signal; not one that programs commonly use.
fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 7
}

/// Installs the handler; before any thread is held.
///
/// # Errors
///
/// Returns the system's error.
pub fn install() -> io::Result<()> {
    // SAFETY: all fields are set before the call reads them, and zeros are valid ones. The handler only uses atomic values and
    // system calls.
    let result = unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handle as *const () as libc::sighandler_t;
        // A thread that goes on resumes what it was waiting for.
        action.sa_flags = libc::SA_RESTART;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal(), &raw const action, ptr::null_mut())
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Notes where the calling thread's stack is, so that a thread that stays for ever gives back what it does not use of it.
pub fn note_stack() {
    // SAFETY: the attributes are filled by the first call, read by the second, and freed by the third.
    unsafe {
        let mut attributes = MaybeUninit::uninit();
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return;
        }
        let mut attributes = attributes.assume_init();
        let (mut low, mut size) = (ptr::null_mut(), 0);
        if libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut size) == 0 {
            STACK.set(Stack {
                low: low as usize,
                high: low as usize + size,
                page: libc::sysconf(libc::_SC_PAGESIZE) as usize,
            });
        }
        libc::pthread_attr_destroy(&raw mut attributes);
    }
}

/// Gives the pages of the calling thread's stack back that are below its frames.
fn give_back_stack() {
    /// More than the frame of the call below takes.
    const MARGIN: usize = 512;
    let Stack { low, high, page } = STACK.get();
    let local = 0u8;
    let here = &raw const local as usize;
    // A coroutine has another stack.
    if !(low..high).contains(&here) {
        return;
    }
    let end = here.saturating_sub(MARGIN) & !(page - 1);
    if low < end {
        // SAFETY: the range begins with this thread's stack and ends below its frames, so nobody's data is in it. A page that is used
        // again begins with zeros.
        unsafe { libc::madvise(low as *mut libc::c_void, end - low, libc::MADV_DONTNEED) };
    }
}

extern "C" fn handle(_signal: libc::c_int) {
    // SAFETY: the location is this thread's own.
    let errno = unsafe { *libc::__errno_location() };
    if exchange(ASKED, HELD) {
        wake();
        loop {
            match STATE.load(Ordering::SeqCst) {
                HELD => wait(HELD, None),
                STAY => stay(),
                _ => break,
            }
        }
        exchange(GO_ON, IDLE);
        wake();
    }
    // SAFETY: as above; the code that was interrupted may be about to read it.
    unsafe { *libc::__errno_location() = errno };
}

/// Keeps the calling thread for ever. Signals are for other threads from here on.
fn stay() -> ! {
    // SAFETY: the set is filled before it is used; the calls change nothing but the signals of this thread.
    unsafe {
        let mut all = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
    give_back_stack();
    exchange(STAY, IDLE);
    wake();
    loop {
        // SAFETY: it waits for a signal, and all are blocked.
        unsafe { libc::pause() };
    }
}

impl Held {
    /// Stops a thread of this process within `patience`. `None` where it does not stop: it is in the kernel, blocks the signal, or
    /// has ended.
    pub fn hold(thread: libc::pid_t, patience: Duration) -> Option<Held> {
        let deadline = Instant::now() + patience;
        // A thread that was told to go on may not have left yet.
        if !wait_until(deadline, || exchange(IDLE, ASKED)) {
            return None;
        }
        // SAFETY: a system call with three numbers; the handler is installed.
        let sent =
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal()) } == 0;
        let held = || STATE.load(Ordering::SeqCst) == HELD;
        // Who has not come by then finds nobody who asks.
        if (sent && wait_until(deadline, held)) || !exchange(ASKED, IDLE) {
            Some(Held(()))
        } else {
            None
        }
    }

    /// Lets the thread never go on.
    pub fn keep(self) {
        exchange(HELD, STAY);
        wake();
        let deadline = Instant::now() + Duration::from_secs(5);
        wait_until(deadline, || STATE.load(Ordering::SeqCst) != STAY);
        std::mem::forget(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        exchange(HELD, GO_ON);
        wake();
    }
}

fn exchange(from: u32, to: u32) -> bool {
    STATE
        .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}

/// Waits for a state without allocating: a thread that is held may have the allocator's lock.
fn wait_until(deadline: Instant, mut is_so: impl FnMut() -> bool) -> bool {
    loop {
        let state = STATE.load(Ordering::SeqCst);
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        wait(state, Some(Duration::from_millis(1)));
    }
}

/// Sleeps while the state is `state`, or a little shorter.
fn wait(state: u32, patience: Option<Duration>) {
    let patience = patience.map(|patience| libc::timespec {
        tv_sec: 0,
        tv_nsec: patience.subsec_nanos().into(),
    });
    // SAFETY: the word is static, and the time, if any, outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            STATE.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            state,
            patience.as_ref().map_or(ptr::null(), ptr::from_ref),
        );
    }
}

fn wake() {
    // SAFETY: the word is static.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            STATE.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicI32, AtomicU64},
        },
        thread,
    };

    use super::*;

    /// There is one state for the process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn counting() -> (Arc<AtomicU64>, libc::pid_t) {
        let (count, id) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI32::new(0)));
        let (counts, ids) = (count.clone(), id.clone());
        thread::spawn(move || {
            // SAFETY: it asks for a number.
            ids.store(unsafe { libc::gettid() }, Ordering::SeqCst);
            loop {
                counts.fetch_add(1, Ordering::SeqCst);
            }
        });
        while id.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        (count, id.load(Ordering::SeqCst))
    }

    fn changes(count: &AtomicU64) -> bool {
        let before = count.load(Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(20);
        while count.load(Ordering::SeqCst) == before {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn stands(count: &AtomicU64) -> bool {
        let before = count.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(100));
        count.load(Ordering::SeqCst) == before
    }

    #[test]
    fn a_thread_is_held_goes_on_and_stays() {
        let _turn = ONE_AT_A_TIME.lock();
        install().unwrap();
        let (count, thread) = counting();
        for _ in 0..3 {
            let held = Held::hold(thread, Duration::from_secs(20)).unwrap();
            assert!(stands(&count));
            drop(held);
            assert!(changes(&count));
        }
        Held::hold(thread, Duration::from_secs(20)).unwrap().keep();
        assert!(stands(&count));
        // Another one can be held after that.
        let (count, thread) = counting();
        drop(Held::hold(thread, Duration::from_secs(20)).unwrap());
        assert!(changes(&count));
        Held::hold(thread, Duration::from_secs(20)).unwrap().keep();
    }

    #[test]
    fn a_thread_that_is_not_there_is_not_held() {
        let _turn = ONE_AT_A_TIME.lock();
        install().unwrap();
        assert!(Held::hold(i32::MAX, Duration::from_millis(50)).is_none());
    }
}
