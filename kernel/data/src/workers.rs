//! Threads that make batches ahead, as many as there is room for, taken in their order.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use candle_core::Error;
use patchbay_cell::interrupt::{self, Interrupted};
use patchbay_show::Result;

/// How often one who waits looks for an interrupt.
const LOOK: Duration = Duration::from_millis(20);

struct State<T> {
    /// The next batch that nobody has begun.
    next: usize,
    /// The next batch to be handed out.
    wanted: usize,
    ready: BTreeMap<usize, Result<T>>,
    is_stopped: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Whoever panics does so outside of the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        let waited = self.changed.wait_timeout(state, LOOK);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What says to a worker whether it is still wanted.
pub(crate) struct Stopped<'a>(&'a dyn Fn() -> bool);

impl Stopped<'_> {
    /// Whether nobody waits for the batch any more.
    pub fn is_stopped(&self) -> bool {
        (self.0)()
    }

    /// For work on the caller's own thread.
    pub fn never() -> Stopped<'static> {
        Stopped(&|| false)
    }
}

/// What makes the batch of a number.
pub(crate) type MakeBatch<T> = dyn Fn(usize, &Stopped<'_>) -> Result<T> + Send + Sync;

/// Batches that threads make. Dropped, it tells the threads to end, which they do after the sample that they are at.
pub(crate) struct Workers<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> Workers<T> {
    /// Starts threads that make the batches from `first` to below `count` by `make`, at most `ahead` before they are taken.
    pub fn start(
        threads: usize,
        ahead: usize,
        first: usize,
        count: usize,
        make: Arc<MakeBatch<T>>,
    ) -> Result<Workers<T>> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                next: first,
                wanted: first,
                ready: BTreeMap::new(),
                is_stopped: false,
            }),
            changed: Condvar::new(),
        });
        // Dropped where a thread cannot be started: the others end.
        let workers = Workers { shared };
        for number in 0..threads.min(count.saturating_sub(first)) {
            let (shared, make) = (Arc::clone(&workers.shared), Arc::clone(&make));
            thread::Builder::new()
                .name(format!("data-{number}"))
                .spawn(move || work(&shared, ahead.max(1), count, &*make))
                .map_err(|error| {
                    Error::Msg(format!("a thread of the loader cannot be started: {error}"))
                })?;
        }
        Ok(workers)
    }

    /// The next batch; an interrupt of the cell unwinds.
    pub fn take(&self) -> Result<T> {
        loop {
            let mut state = self.shared.lock();
            let wanted = state.wanted;
            if let Some(batch) = state.ready.remove(&wanted) {
                state.wanted += 1;
                drop(state);
                self.shared.changed.notify_all();
                return batch;
            }
            drop(self.shared.wait(state));
            interrupt::check();
        }
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_stopped = true;
        // What is made is not wanted any more.
        let unused = std::mem::take(&mut state.ready);
        drop(state);
        drop(unused);
        self.shared.changed.notify_all();
    }
}

fn work<T>(shared: &Shared<T>, ahead: usize, count: usize, make: &MakeBatch<T>) {
    loop {
        let mut state = shared.lock();
        while !state.is_stopped && state.next < count && state.next >= state.wanted + ahead {
            state = shared.wait(state);
        }
        if state.is_stopped || state.next >= count {
            return;
        }
        let number = state.next;
        state.next += 1;
        drop(state);
        let is_stopped = || shared.lock().is_stopped;
        let made = caught(|| make(number, &Stopped(&is_stopped)));
        let mut state = shared.lock();
        if state.is_stopped {
            return;
        }
        state.ready.insert(number, made);
        drop(state);
        shared.changed.notify_all();
    }
}

/// Calls what may be a cell's code: a panic in it is an error, and an interrupt is the waiting thread's affair.
fn caught<T>(make: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|payload| {
        Err(Error::Msg(match payload.is::<Interrupted>() {
            true => "the cell was interrupted".to_owned(),
            false => format!("a sample's code has panicked: {}", message(&*payload)),
        }))
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => String::from(*text),
        (_, Some(text)) => text.clone(),
        _ => "without a message".to_owned(),
    }
}
