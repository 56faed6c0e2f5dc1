//! State that a checkpoint puts back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Result;
use patchbay_cell::lock::lock;

/// Puts a state in place that was found to fit.
pub type Commit<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// A value behind a lock, so that a checkpoint, which has all parts of a run by reference, can put it back.
#[derive(Debug, Default)]
pub(crate) struct Kept<T>(Mutex<T>);

impl<T: Clone> Clone for Kept<T> {
    fn clone(&self) -> Kept<T> {
        Kept::new(self.get().clone())
    }
}

impl<T> Kept<T> {
    pub(crate) fn new(value: T) -> Kept<T> {
        Kept(Mutex::new(value))
    }

    /// The value, which nobody else has until the guard is dropped.
    pub(crate) fn get(&self) -> MutexGuard<'_, T> {
        lock(&self.0)
    }

    /// The value of the only owner, without waiting.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, value: T) {
        *self.get() = value;
    }
}
