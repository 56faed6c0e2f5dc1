//! The best value so far, and how long none was better.

use serde::{Deserialize, Serialize};

/// The lowest value that was seen, and the number of values since then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Patience {
    pub best: f64,
    pub waited: usize,
}

impl Patience {
    pub(crate) const NEW: Patience = Patience {
        best: f64::INFINITY,
        waited: 0,
    };

    /// Notes a value, the best one where `is_better`; returns how many were not since the best.
    pub(crate) fn note(&mut self, value: f64, is_better: bool) -> usize {
        if is_better {
            self.best = value;
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        self.waited
    }
}
