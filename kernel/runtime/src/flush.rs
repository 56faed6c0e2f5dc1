//! The thread that writes out what cells have printed without a newline.
//!
//! Whoever else wants it written asks this thread, and waits only for a while: a thread of the user's may have locked stdout for as
//! long as it lives.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use patchbay::channel;

/// How often partial lines are written out.
const INTERVAL: Duration = Duration::from_millis(40);

#[derive(Default)]
struct Rounds {
    /// The rounds that were begun and those that were finished.
    begun: u64,
    finished: u64,
    asked: bool,
}

static ROUNDS: Mutex<Rounds> = Mutex::new(Rounds {
    begun: 0,
    finished: 0,
    asked: false,
});

static CHANGED: Condvar = Condvar::new();

/// Starts the thread. Without one nothing is held back for longer than a line.
pub fn start() {
    let _ = thread::Builder::new()
        .name("patchbay-flush".to_owned())
        .spawn(|| {
            loop {
                let mut rounds = CHANGED
                    .wait_timeout_while(rounds(), INTERVAL, |rounds| !rounds.asked)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                rounds.asked = false;
                rounds.begun += 1;
                drop(rounds);
                channel::flush_standard_streams();
                let mut rounds = self::rounds();
                rounds.finished = rounds.begun;
                drop(rounds);
                CHANGED.notify_all();
            }
        });
}

/// Has everything written out. Returns whether it was, within `patience`; where the thread has been stuck for a while, it is not
/// waited for again.
pub fn now(patience: Duration) -> bool {
    let mut rounds = rounds();
    if rounds.asked && rounds.finished < rounds.begun {
        return false;
    }
    rounds.asked = true;
    let wanted = rounds.begun + 1;
    CHANGED.notify_all();
    let (rounds, _) = CHANGED
        .wait_timeout_while(rounds, patience, |rounds| rounds.finished < wanted)
        .unwrap_or_else(PoisonError::into_inner);
    rounds.finished >= wanted
}

fn rounds() -> MutexGuard<'static, Rounds> {
    ROUNDS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_when_it_is_asked_for() {
        start();
        for _ in 0..20 {
            assert!(now(Duration::from_secs(20)));
        }
    }
}
