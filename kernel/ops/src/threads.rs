//! The threads that share the work of an op.

use std::{env, thread};

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

/// Makes a pool of its own for the ops of the calling thread, which is one of its threads: the thread that had joined the
/// process's pool will never work again. The new pool stays for as long as the process lives.
pub fn replace_pool() {
    if let Some(count) = wanted().filter(|&count| count > 1) {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .use_current_thread();
        // Without it the ops of this thread are done by what is left of the process's pool.
        if let Ok(pool) = pool.build() {
            std::mem::forget(pool);
        }
    }
}

fn wanted() -> Option<usize> {
    env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&count: &usize| count > 0)
        .or_else(|| thread::available_parallelism().ok().map(usize::from))
}
