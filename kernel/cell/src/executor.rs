//! Running the futures of cells that `.await` at their top level.
//!
//! A future of tokio's needs tokio's runtime around it. The SDK does not link tokio, so a program of the engine hands a
//! runtime over once the notebook has asked for a crate that brings tokio. Until then futures are polled here.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use crate::interrupt;
use crate::lock::{lock, read, write};

/// How often a future that waits is looked at for an interrupt.
const LOOK: Duration = Duration::from_millis(20);

/// Drives a future to its end on the calling thread.
pub type Executor = Box<dyn Fn(Pin<&mut (dyn Future<Output = ()> + '_)>) + Send + Sync>;

static EXECUTOR: RwLock<Option<Arc<Executor>>> = RwLock::new(None);

/// Makes `executor` drive the futures of all cells from here on.
pub fn set_executor(executor: Executor) {
    *write(&EXECUTOR) = Some(Arc::new(executor));
}

/// Runs a future to its end on the thread of the cells. An interrupt ends the wait.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut output = None;
    drive(pin!(async { output = Some(future.await) }));
    match output {
        Some(output) => output,
        None => {
            unreachable!("an executor returns when the future has ended, which sets its output")
        }
    }
}

/// Not generic, so that what it needs is compiled once, into the SDK, and not into every cell.
#[inline(never)]
fn drive(future: Pin<&mut (dyn Future<Output = ()> + '_)>) {
    let executor = read(&EXECUTOR).clone();
    match executor {
        Some(executor) => {
            let watch = Watch::start();
            let future = Interruptible {
                future,
                waker: watch.waker.clone(),
            };
            executor(pin!(future));
        }
        None => poll_here(future),
    }
}

fn poll_here(mut future: Pin<&mut (dyn Future<Output = ()> + '_)>) {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    while future.as_mut().poll(&mut context).is_pending() {
        thread::park_timeout(LOOK);
        interrupt::check();
    }
}

/// A future that unwinds when the user interrupts the cell.
struct Interruptible<'a> {
    future: Pin<&'a mut (dyn Future<Output = ()> + 'a)>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Future for Interruptible<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        interrupt::check();
        let mut waker = lock(&self.waker);
        if waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        drop(waker);
        self.future.as_mut().poll(context)
    }
}

/// A thread that wakes a future when the user interrupts, because the executor knows of no interrupts.
struct Watch {
    waker: Arc<Mutex<Option<Waker>>>,
    thread: Option<thread::JoinHandle<()>>,
    ended: Arc<AtomicBool>,
}

impl Watch {
    fn start() -> Watch {
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (waker_of_thread, ended_of_thread) = (waker.clone(), ended.clone());
        let watch = move || {
            while !ended_of_thread.load(Ordering::Acquire) {
                if interrupt::requested()
                    && let Some(waker) = &*lock(&waker_of_thread)
                {
                    waker.wake_by_ref();
                }
                thread::park_timeout(LOOK);
            }
        };
        // Without the thread the future still runs; it only ends at its own next step.
        let thread = thread::Builder::new()
            .name("patchbay-interrupts".to_owned())
            .spawn(watch)
            .ok();
        Watch {
            waker,
            thread,
            ended,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_end_here_and_on_an_executor() {
        let twice = || async {
            std::future::ready(()).await;
            21 * 2
        };
        assert_eq!(block_on(twice()), 42);
        static USED: AtomicBool = AtomicBool::new(false);
        set_executor(Box::new(|future| {
            USED.store(true, Ordering::SeqCst);
            poll_here(future);
        }));
        assert_eq!(block_on(twice()), 42);
        assert!(USED.load(Ordering::SeqCst));
        *EXECUTOR.write().unwrap() = None;
    }
}
