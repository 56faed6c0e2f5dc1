//! Processor time, compared with what the test itself takes in the meantime: no machine is too slow or too busy for that.

use std::{fs, hint::black_box};

/// The processor time that a process has taken, all threads together, in the system's ticks (proc_pid_stat(5)).
pub fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let mut fields = rest.split_ascii_whitespace();
    let user: u64 = fields.nth(11).unwrap().parse().unwrap();
    let system: u64 = fields.next().unwrap().parse().unwrap();
    user + system
}

/// The processor time of the calling thread.
fn own_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Computes for a second of processor time. Returns how much of a second a process has taken in the meantime: about 1 where
/// one of its threads computes, too, however busy the machine is.
pub fn share_beside_work(process: u32) -> f64 {
    const WORK: u64 = 100;
    let (before, own) = (ticks(process), own_ticks());
    while own_ticks() < own + WORK {
        black_box((0..black_box(1_000_000u64)).fold(0, |sum, n| sum ^ n));
    }
    (ticks(process) - before) as f64 / WORK as f64
}
