//! Learning rates as functions of the step.

use std::f64::consts::PI;

use candle_core::Result;

use crate::{
    ParameterNames,
    checkpoint::{State, Stateful},
    kept::{Commit, Kept},
    patience::Patience,
};

/// A linear rise, then half a cosine down (Loshchilov and Hutter, 2017).
#[derive(Clone, Copy, Debug)]
pub struct CosineSchedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of the rise, from 0 to the peak.
    pub warmup: usize,
    /// All steps, the rise among them; later steps stay at the last learning rate.
    pub total: usize,
    /// The learning rate at the end.
    pub last: f64,
}

impl CosineSchedule {
    /// Falls from `peak` to 0 in `total` steps: torch's `CosineAnnealingLR`. [`CosineSchedule::warmup`] adds a rise.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let schedule = nn::CosineSchedule::new(1e-3, 100).warmup(10);
    /// assert_eq!((schedule.at(0), schedule.at(10)), (0.0, 1e-3));
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn new(peak: f64, total: usize) -> CosineSchedule {
        CosineSchedule {
            peak,
            warmup: 0,
            total,
            last: 0.0,
        }
    }

    /// Rises from 0 in the first `steps` of all.
    #[must_use]
    pub fn warmup(self, steps: usize) -> CosineSchedule {
        CosineSchedule {
            warmup: steps,
            ..self
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let length = self.total.saturating_sub(self.warmup).max(1) as f64;
        let t = ((step - self.warmup) as f64 / length).min(1.0);
        self.last + (self.peak - self.last) * 0.5 * (1.0 + (PI * t).cos())
    }
}

/// Up and down along cosines in one cycle (Smith and Topin, 2018): torch's `OneCycleLR`.
#[derive(Clone, Copy, Debug)]
pub struct OneCycleSchedule {
    /// The highest learning rate.
    pub peak: f64,
    /// The number of steps of the whole cycle.
    pub total: usize,
    /// The share of steps that rise: torch's is 0.3.
    pub rise: f64,
    /// Number by which the peak is divided at the first step: torch's is 25.
    pub first_division: f64,
    /// Number by which the first learning rate is divided at the last step: torch's is 1e4.
    pub last_division: f64,
}

impl OneCycleSchedule {
    /// With torch's defaults.
    pub fn new(peak: f64, total: usize) -> OneCycleSchedule {
        OneCycleSchedule {
            peak,
            total,
            rise: 0.3,
            first_division: 25.0,
            last_division: 1e4,
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        let first = self.peak / self.first_division;
        let last = first / self.last_division;
        let top = self.rise * self.total as f64 - 1.0;
        let end = self.total as f64 - 1.0;
        let step = (step as f64).min(end);
        let along = |from: f64, to: f64, t: f64| to + (from - to) / 2.0 * (1.0 + (PI * t).cos());
        if step <= top {
            along(first, self.peak, step / top)
        } else {
            along(self.peak, last, (step - top) / (end - top))
        }
    }
}

/// Lowers the learning rate when a value stops falling: torch's `ReduceLROnPlateau`, with a relative threshold.
#[derive(Clone, Debug)]
pub struct Plateau {
    /// Factor that the learning rate is multiplied with.
    pub factor: f64,
    /// How many values without an improvement are borne.
    pub patience: usize,
    /// An improvement is a value below `best (1 - threshold)`.
    pub threshold: f64,
    /// The learning rate does not fall below this.
    pub lowest: f64,
    seen: Kept<Patience>,
}

impl Plateau {
    /// With torch's threshold, 1e-4.
    pub fn new(factor: f64, patience: usize) -> Plateau {
        Plateau {
            factor,
            patience,
            threshold: 1e-4,
            lowest: 0.0,
            seen: Kept::new(Patience::NEW),
        }
    }

    /// The learning rate after this value, for instance the loss of held-out data.
    pub fn observe(&mut self, value: f64, learning_rate: f64) -> f64 {
        let seen = self.seen.get_mut();
        let is_better = value < seen.best * (1.0 - self.threshold);
        if seen.note(value, is_better) <= self.patience {
            return learning_rate;
        }
        seen.waited = 0;
        (learning_rate * self.factor).max(self.lowest)
    }
}

impl Stateful for Plateau {
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
    fn the_cosine_rises_and_falls() {
        let schedule = CosineSchedule {
            peak: 1.0,
            warmup: 10,
            total: 110,
            last: 0.1,
        };
        for (step, rate) in [
            (0, 0.0),
            (5, 0.5),
            (10, 1.0),
            (60, 0.55),
            (110, 0.1),
            (1000, 0.1),
        ] {
            assert!((schedule.at(step) - rate).abs() < 1e-12, "{step}");
        }
    }

    /// The numbers are those of torch 2.15: `OneCycleLR(optimizer, 0.1, total_steps=20)`.
    #[test]
    fn one_cycle_is_that_of_pytorch() {
        let schedule = OneCycleSchedule::new(0.1, 20);
        for (step, rate) in ONE_CYCLE {
            assert!(
                (schedule.at(step) / rate - 1.0).abs() < 1e-9,
                "{step}: {}",
                schedule.at(step)
            );
        }
    }

    const ONE_CYCLE: [(usize, f64); 5] = [
        (0, 0.0040000000000000036),
        (3, 0.06683281572999747),
        (5, 0.1),
        (12, 0.0500002),
        (19, 4e-07),
    ];

    #[test]
    fn a_plateau_lowers_the_rate_after_its_patience() {
        let mut plateau = Plateau::new(0.5, 1);
        let mut rate = 1.0;
        let rates: Vec<f64> = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8]
            .map(|value| {
                rate = plateau.observe(value, rate);
                rate
            })
            .to_vec();
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }
}
