//! What the C library's allocator does with memory that is freed.

/// Makes the allocator give freed memory back to the system.
///
/// By itself it learns from each large block that is freed to keep the next ones: after a message of 50 MB it would keep up
/// to 64 MB for each of its arenas, of which there are eight a processor, for as long as the kernel runs.
pub fn give_back_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const TRIM_THRESHOLD: i32 = -1;
        const MMAP_THRESHOLD: i32 = -3;
        const ARENA_MAX: i32 = -8;
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // SAFETY: the signature is the C library's; a parameter that it does not know changes nothing.
        unsafe {
            mallopt(MMAP_THRESHOLD, 1 << 20);
            mallopt(TRIM_THRESHOLD, 4 << 20);
            mallopt(ARENA_MAX, 2);
        }
    }
}
