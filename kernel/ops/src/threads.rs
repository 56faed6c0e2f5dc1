//! The threads that share the work of an op.

use std::{
    env,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Makes the calling thread one of the threads that ops work on; before the first op, once a process.
///
/// Otherwise it would hand each op to the pool and sleep until that is done, and for a small op waking up twice
/// takes longer than the op. From then on the calling thread works itself. The pool is as large as it would be,
/// `RAYON_NUM_THREADS` or one thread a core. A pool of one thread is left as it is: other threads that call ops
/// would wait for this one.
///
/// Does nothing where the pool exists already.
pub fn join_pool() {
    if wanted().is_some_and(|count| count > 1) {
        let pool = rayon::ThreadPoolBuilder::new().use_current_thread();
        // It fails only where the pool exists already.
        let _ = pool.build_global();
    }
}

/// How long the process's pool has to take up a job before it counts as blocked.
const PATIENCE: Duration = Duration::from_millis(250);

/// The threads that share the ops of one thread, which is one of them. The ops of other threads are done by the process's pool, so what
/// becomes of this thread and its pool is nothing to them.
///
/// Dropping it ends the threads that have nothing to do; the others end once they have done it.
pub struct OwnPool {
    _pool: rayon::ThreadPool,
    thread_name: String,
}

impl OwnPool {
    /// Makes a pool for the ops of the calling thread, as large as the process's would be. `None` where the system has no threads for
    /// it, or where one thread is wanted and the process's pool of one works: jobs that the calling thread does not wait for
    /// (`rayon::spawn`) need another thread than itself.
    pub fn new() -> Option<OwnPool> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let count = wanted()?;
        if count == 1 && takes_up_jobs() {
            return None;
        }
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        // The system keeps 15 characters of a name.
        let thread_name = format!("ops-{number}");
        let name = thread_name.clone();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(move |_| name.clone())
            .use_current_thread()
            .build();
        Some(OwnPool {
            _pool: pool.ok()?,
            thread_name,
        })
    }

    /// The name of its threads, but for the one that it belongs to. No other pool's threads have it.
    pub fn thread_name(&self) -> &str {
        &self.thread_name
    }
}

/// Whether a thread of the process's pool is free, or soon is.
fn takes_up_jobs() -> bool {
    let (sender, receiver) = mpsc::channel();
    rayon::spawn(move || {
        let _ = sender.send(());
    });
    receiver.recv_timeout(PATIENCE).is_ok()
}

fn wanted() -> Option<usize> {
    env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&count: &usize| count > 0)
        .or_else(|| thread::available_parallelism().ok().map(usize::from))
}
