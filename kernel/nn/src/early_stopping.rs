//! When to stop.

use candle_core::Result;

use crate::{
    ParameterNames,
    checkpoint::{State, Stateful},
    kept::{Commit, Kept},
    patience::Patience,
};

/// Says when a value has not fallen for a while.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    patience: usize,
    least: f64,
    seen: Kept<Patience>,
}

impl EarlyStopping {
    /// Stops after `patience` values in a row that are not below the best one by more than `least`.
    pub fn new(patience: usize, least: f64) -> EarlyStopping {
        EarlyStopping {
            patience,
            least,
            seen: Kept::new(Patience::NEW),
        }
    }

    /// Whether to stop after this value, the loss of held-out data for instance; NaN is no improvement.
    pub fn observe(&mut self, value: f64) -> bool {
        let seen = self.seen.get_mut();
        let is_better = value < seen.best - self.least;
        seen.note(value, is_better) >= self.patience
    }

    /// The lowest value so far.
    pub fn best(&self) -> f64 {
        self.seen.get().best
    }

    /// Whether the last value was the best one: the time to save a checkpoint.
    pub fn improved(&self) -> bool {
        self.seen.get().waited == 0
    }
}

impl Stateful for EarlyStopping {
    fn state(&self, names: &ParameterNames) -> Result<State> {
        self.seen.state(names)
    }

    fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>> {
        self.seen.prepare(state, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_after_its_patience_and_not_before() {
        let mut stopping = EarlyStopping::new(2, 0.1);
        let stops = [1.0, 0.5, 0.45, 0.3, 0.35, f64::NAN].map(|value| stopping.observe(value));
        assert_eq!(stops, [false, false, false, false, false, true]);
        assert_eq!(stopping.best(), 0.3);
        assert!(!stopping.improved());
    }
}
