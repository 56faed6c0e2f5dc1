//! The cells that wait to be executed.

use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;

use tokio::sync::Notify;

/// The cells that wait, in order.
#[derive(Default)]
pub struct Upcoming {
    waiting: Mutex<Waiting>,
    pub(crate) arrived: Notify,
}

#[derive(Default)]
pub(crate) struct Waiting {
    cells: VecDeque<String>,
    /// Whether a cell is executed now.
    is_executing: bool,
    /// How many cells have gone from the front since the beginning.
    pub(crate) gone: usize,
}

/// What there is at a position, counted from the first cell that ever waited.
pub(crate) enum Position {
    Cell(String),
    NotYet,
    Gone,
}

impl Upcoming {
    /// Adds a cell that will be executed after those that were added before.
    pub fn push(&self, code: &str) {
        self.lock().cells.push_back(code.to_owned());
        self.arrived.notify_waiters();
    }

    /// Takes note that this cell is executed now.
    pub fn begin(&self, code: &str) {
        let mut waiting = self.lock();
        waiting.is_executing = true;
        if waiting.cells.front().is_some_and(|next| next == code) {
            waiting.cells.pop_front();
            waiting.gone += 1;
        } else {
            // Something else is executed than what was announced.
            waiting.clear();
        }
    }

    /// Takes note that a cell has come to its end.
    pub fn end(&self) {
        self.lock().is_executing = false;
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn at(&self, position: usize) -> Position {
        let waiting = self.lock();
        match position.checked_sub(waiting.gone) {
            None => Position::Gone,
            // It is about to be executed, which nobody is ahead of.
            Some(0) if !waiting.is_executing => Position::NotYet,
            Some(index) => waiting
                .cells
                .get(index)
                .cloned()
                .map_or(Position::NotYet, Position::Cell),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

impl Waiting {
    fn clear(&mut self) {
        self.gone += self.cells.len();
        self.cells.clear();
    }
}
