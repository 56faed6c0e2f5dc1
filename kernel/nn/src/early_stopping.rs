//! When to stop.

/// Says when a value has not fallen for a while.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    patience: usize,
    least: f64,
    best: f64,
    waited: usize,
}

impl EarlyStopping {
    /// Stops after `patience` values in a row that are not below the best one by more than `least`.
    pub fn new(patience: usize, least: f64) -> EarlyStopping {
        EarlyStopping {
            patience,
            least,
            best: f64::INFINITY,
            waited: 0,
        }
    }

    /// Whether to stop after this value, the loss of held-out data for instance; NaN is no improvement.
    pub fn observe(&mut self, value: f64) -> bool {
        if value < self.best - self.least {
            self.best = value;
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        self.waited >= self.patience
    }

    /// The lowest value so far.
    pub fn best(&self) -> f64 {
        self.best
    }

    /// Whether the last value was the best one: the time to save a checkpoint.
    pub fn improved(&self) -> bool {
        self.waited == 0
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
