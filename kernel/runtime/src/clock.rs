//! Times that can be compared with those that the system notes for processes and threads.

/// Milliseconds since the machine started; never 0.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes into `time` and keeps nothing.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    (seconds * 1000 + milliseconds).max(1)
}

/// Milliseconds of what the system counts in ticks.
pub fn of_ticks(ticks: u64) -> u64 {
    // SAFETY: the call only asks for a number.
    let a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100);
    ticks.saturating_mul(1000) / a_second.max(1)
}
