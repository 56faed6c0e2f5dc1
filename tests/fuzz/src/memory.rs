//! A bound for the memory that an input takes.

#[cfg(feature = "libfuzzer")]
pub use counted::within;
#[cfg(not(feature = "libfuzzer"))]
pub use resident::within;

/// Every allocation is counted, so the one that is too large is where the process ends.
#[cfg(feature = "libfuzzer")]
mod counted {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        process,
        sync::atomic::{AtomicUsize, Ordering},
    };

    /// The bytes that are allocated.
    static LIVE: AtomicUsize = AtomicUsize::new(0);

    /// The most that may be.
    static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    // SAFETY: every call is handed on to the system's allocator as it came.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count(layout.size());
            // SAFETY: the caller keeps the trait's promises.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller keeps the trait's promises.
            unsafe { System.dealloc(pointer, layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count(layout.size());
            // SAFETY: the caller keeps the trait's promises.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // Both are there for a moment.
            count(size);
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller keeps the trait's promises.
            unsafe { System.realloc(pointer, layout, size) }
        }
    }

    fn count(bytes: usize) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let limit = LIMIT.load(Ordering::Relaxed);
        if live > limit {
            LIMIT.store(usize::MAX, Ordering::Relaxed);
            eprintln!("{live} bytes are allocated, {limit} were allowed; the last were {bytes}");
            process::abort();
        }
    }

    /// Does some work that may allocate so many bytes beside what there is.
    pub fn within(bytes: usize, work: impl FnOnce()) {
        let before = LIVE.load(Ordering::Relaxed);
        LIMIT.store(before.saturating_add(bytes), Ordering::Relaxed);
        work();
        LIMIT.store(usize::MAX, Ordering::Relaxed);
    }
}

/// What the system has given to the process is looked at afterwards.
#[cfg(not(feature = "libfuzzer"))]
mod resident {
    use std::fs;

    /// Does some work that may take so many bytes beside what there is.
    pub fn within(bytes: usize, work: impl FnOnce()) {
        // Forgets the peak (proc_pid_clear_refs(5)).
        let is_measured = fs::write("/proc/self/clear_refs", "5").is_ok();
        let before = status("VmRSS:");
        work();
        if let (true, Some(before), Some(peak)) = (is_measured, before, status("VmHWM:")) {
            let taken = peak.saturating_sub(before);
            assert!(
                taken <= bytes,
                "{taken} bytes were taken, {bytes} are allowed"
            );
        }
    }

    fn status(name: &str) -> Option<usize> {
        let text = fs::read_to_string("/proc/self/status").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    }
}
