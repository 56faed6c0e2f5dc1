//! The memory that pictures in work may take together.

use std::{
    fs,
    sync::{Condvar, Mutex, PoisonError},
};

/// Bytes that pictures in work share.
pub struct Budget {
    total: u64,
    left: Mutex<u64>,
    given_back: Condvar,
}

/// A part of the budget, given back when it is dropped.
pub struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub fn new(total: u64) -> Budget {
        Budget {
            total,
            left: Mutex::new(total),
            given_back: Condvar::new(),
        }
    }

    /// Takes more for a picture that has some, if it is free at once.
    pub fn try_grow(&self, share: &mut Share<'_>, bytes: u64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let more = bytes.saturating_sub(share.bytes);
        let is_free = *left >= more;
        if is_free {
            *left -= more;
            share.bytes += more;
        }
        is_free
    }

    /// Waits until so many bytes are free.
    ///
    /// # Errors
    ///
    /// Fails where the whole budget is less.
    pub fn take(&self, bytes: u64) -> Result<Share<'_>, String> {
        if bytes > self.total {
            return Err(format!(
                "needs about {} MB of memory and may use {}; give --memory",
                bytes >> 20,
                self.total >> 20
            ));
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left < bytes {
            left = self
                .given_back
                .wait(left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Ok(Share {
            budget: self,
            bytes,
        })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self
            .budget
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.given_back.notify_all();
    }
}

/// Three quarters of the memory that the system says is available, or 2 GB where it says nothing.
pub fn default_memory() -> u64 {
    let available = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    available.map_or(2 << 30, |kilobytes| kilobytes * 1024 / 4 * 3)
}
