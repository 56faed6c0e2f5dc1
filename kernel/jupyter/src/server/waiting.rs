//! Outputs that wait to be published.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// A source of outputs, of which some may have come that are not published yet.
pub trait Waiting: Send + Sync {
    /// Publishes what has come.
    fn publish_waiting(&self);
}

/// The sources of outputs after the end of a cell, oldest first.
#[derive(Default)]
pub struct LateOutputs(Mutex<Vec<Weak<dyn Waiting>>>);

impl LateOutputs {
    /// Publishes what has come from all of them.
    pub fn publish_waiting(&self) {
        let all: Vec<Arc<dyn Waiting>> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for waiting in all {
            waiting.publish_waiting();
        }
    }

    /// Adds a source, which is forgotten once it has been dropped.
    pub fn add(&self, waiting: &Arc<dyn Waiting>) {
        let mut all = self.0.lock();
        all.retain(|waiting| waiting.strong_count() > 0);
        all.push(Arc::downgrade(waiting));
    }
}
