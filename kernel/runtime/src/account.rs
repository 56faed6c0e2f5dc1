//! The account of what the thread of the cells is doing: the variables, the command that runs, and since when.

use std::sync::{
    LazyLock, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI32, AtomicU64, Ordering},
};

use patchbay::{cell::Variables, ops::threads::OwnPool};
use patchbay_protocol::Failure;

use crate::clock;

/// The name of the thread. The threads that a cell starts have it, too, unless they are given one.
pub const NAME: &str = "patchbay-cells";

static VARIABLES: LazyLock<Variables> = LazyLock::new(Variables::default);

/// The number of the command that runs; 0 while none does. Whoever sets it to 0 tells the host of the command's end.
static RUNNING: AtomicU64 = AtomicU64::new(0);

/// The host's id of the command that runs.
static ID: AtomicU64 = AtomicU64::new(0);

/// When it began.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// The thread that runs cells, as the system numbers threads.
static THREAD: AtomicI32 = AtomicI32::new(0);

/// The threads that share the ops of the thread that runs cells.
static POOL: Mutex<Option<OwnPool>> = Mutex::new(None);

/// A command that runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Running {
    number: u64,
    pub id: u64,
    pub began: u64,
}

/// What is left to do of a command whose thread was given up.
pub struct Rest {
    pub id: u64,
    pub failure: Failure,
    /// Whether what the cell had lent is still whole.
    pub lent_is_whole: bool,
}

/// The notebook's variables.
pub fn variables() -> &'static Variables {
    &VARIABLES
}

/// The calling thread runs cells from here on, with threads of its own that share its ops.
pub fn note_thread() {
    // SAFETY: the call only asks for a number.
    THREAD.store(unsafe { libc::gettid() }, Ordering::SeqCst);
}

/// Starts the threads that share the ops of the calling thread, which runs cells.
pub fn make_pool() {
    *pool() = OwnPool::new();
}

/// No thread runs cells until the next one begins.
pub fn forget_thread() {
    THREAD.store(0, Ordering::SeqCst);
}

/// Takes the threads away that share the ops of the thread that runs cells: it has been given up or has ended.
pub fn take_pool() -> Option<OwnPool> {
    pool().take()
}

fn pool() -> MutexGuard<'static, Option<OwnPool>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the thread that runs cells.
pub fn thread_id() -> libc::pid_t {
    THREAD.load(Ordering::SeqCst)
}

/// Whether the thread that runs cells has gone, by whatever way.
pub fn is_dead() -> bool {
    let thread = thread_id();
    // SAFETY: a system call with three numbers; no signal is sent. The thread notes its number when it begins.
    thread != 0 && unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) } != 0
}

/// Notes that a command begins.
pub fn begin(id: u64) -> Running {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let running = Running {
        number: LAST.fetch_add(1, Ordering::SeqCst) + 1,
        id,
        began: clock::now(),
    };
    ID.store(id, Ordering::SeqCst);
    BEGAN.store(running.began, Ordering::SeqCst);
    RUNNING.store(running.number, Ordering::SeqCst);
    running
}

/// The command that runs.
pub fn running() -> Option<Running> {
    let number = RUNNING.load(Ordering::SeqCst);
    let running = Running {
        number,
        id: ID.load(Ordering::SeqCst),
        began: BEGAN.load(Ordering::SeqCst),
    };
    // Otherwise another began between the two looks.
    (number != 0 && RUNNING.load(Ordering::SeqCst) == number).then_some(running)
}

/// Ends a command. Only one caller is told that it has done so: the thread that ran it, or the guard that gives it up.
pub fn end(running: Running) -> bool {
    RUNNING
        .compare_exchange(running.number, 0, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}
