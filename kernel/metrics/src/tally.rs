//! Counts of right and wrong, by class, and how much they vary from example to example.
//!
//! An example is one entry along the first axis. Where it has one target, all that is needed is how often each pair of true and
//! predicted class occurs. Where it has several, as an image has pixels, these are no independent draws, and its counts are kept
//! apart: an interval is over images.

use std::collections::BTreeMap;

use candle_core::bail;

use patchbay_show::Result;

use crate::input::{IGNORED, Labels};

/// How often each true class was predicted as each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pairs {
    /// `[classes, classes]`, true classes in rows.
    Dense(Vec<u64>),
    /// Of many classes those pairs that occur.
    Sparse(BTreeMap<(u32, u32), u64>),
}

/// From more classes on than these only the pairs that occur are kept: 1024² counts are 8 MB.
const DENSE: usize = 1024;

impl Pairs {
    pub(crate) fn new(classes: usize) -> Pairs {
        match classes {
            0..=DENSE => Pairs::Dense(vec![0; classes * classes]),
            _ => Pairs::Sparse(BTreeMap::new()),
        }
    }

    pub(crate) fn add(&mut self, classes: usize, target: u32, predicted: u32, count: u64) {
        match self {
            Pairs::Dense(counts) => counts[target as usize * classes + predicted as usize] += count,
            Pairs::Sparse(counts) => *counts.entry((target, predicted)).or_default() += count,
        }
    }

    /// The pairs that occur: true class, predicted class, how often.
    pub(crate) fn all(&self, classes: usize) -> Vec<(usize, usize, u64)> {
        match self {
            Pairs::Dense(counts) => counts
                .iter()
                .enumerate()
                .filter(|&(_, &count)| count > 0)
                .map(|(at, &count)| (at / classes, at % classes, count))
                .collect(),
            Pairs::Sparse(counts) => counts
                .iter()
                .map(|(&(t, p), &count)| (t as usize, p as usize, count))
                .collect(),
        }
    }

    pub(crate) fn merge(&mut self, classes: usize, other: &Pairs) {
        for (target, predicted, count) in other.all(classes) {
            self.add(classes, target as u32, predicted as u32, count);
        }
    }
}

/// The counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Targets of the class that were predicted as it.
    pub right: u64,
    /// Predictions of the class.
    pub predicted: u64,
    /// Targets of the class.
    pub target: u64,
}

/// An example with several targets: how many count, and the counts of the classes that it has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    pub counted: u64,
    pub counts: Vec<(u32, Count)>,
}

/// The counts of all that was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    pub counts: Vec<Count>,
    pub counted: u64,
    /// Examples with one target.
    pub pairs: Pairs,
    /// Examples with several.
    pub units: Vec<Unit>,
}

impl Tally {
    pub(crate) fn new(classes: usize) -> Tally {
        Tally {
            counts: vec![Count::default(); classes],
            counted: 0,
            pairs: Pairs::new(classes),
            units: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, labels: &Labels) {
        let classes = self.counts.len();
        let pairs = || labels.target.iter().zip(&labels.predicted);
        if labels.positions == 1 {
            for (&target, &predicted) in pairs().filter(|&(&target, _)| target != IGNORED) {
                self.pairs.add(classes, target, predicted, 1);
                add_to(&mut self.counts, target, predicted);
                self.counted += 1;
            }
            return;
        }
        let mut own = vec![Count::default(); classes];
        let images = labels.target.chunks_exact(labels.positions.max(1));
        let predicted = labels.predicted.chunks_exact(labels.positions.max(1));
        for (target, predicted) in images.zip(predicted) {
            own.fill(Count::default());
            let mut counted = 0;
            for (&target, &predicted) in target.iter().zip(predicted) {
                if target != IGNORED {
                    add_to(&mut own, target, predicted);
                    counted += 1;
                }
            }
            // An image of which nothing counts says nothing.
            if counted == 0 {
                continue;
            }
            let mut counts = Vec::new();
            for (class, (&own, all)) in own.iter().zip(&mut self.counts).enumerate() {
                if own != Count::default() {
                    all.right += own.right;
                    all.predicted += own.predicted;
                    all.target += own.target;
                    counts.push((class as u32, own));
                }
            }
            self.counted += counted;
            self.units.push(Unit { counted, counts });
        }
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            own.right += other.right;
            own.predicted += other.predicted;
            own.target += other.target;
        }
        self.counted += other.counted;
        self.pairs.merge(self.counts.len(), &other.pairs);
        self.units.extend(other.units.iter().cloned());
    }

    /// # Errors
    ///
    /// Fails where no target was counted.
    pub(crate) fn check(&self, metric: &str, ignore_index: Option<i64>) -> Result<()> {
        if self.counted == 0 {
            bail!(
                "{metric} has seen no target that counts: call `update(&predictions, &target)?` before (ignore_index is {})",
                ignore_index.map_or_else(|| "not set".to_owned(), |index| index.to_string())
            );
        }
        Ok(())
    }

    /// The number of units that a variance is of; `None` where single examples are among them.
    pub(crate) fn unit_count(&self) -> Option<usize> {
        let single = match &self.pairs {
            Pairs::Dense(counts) => counts.iter().any(|&count| count > 0),
            Pairs::Sparse(counts) => !counts.is_empty(),
        };
        (!single).then_some(self.units.len())
    }

    /// The variance of an estimate whose slope by the counts this is: that of its linearization, summed over the examples
    /// (the infinitesimal jackknife; Efron 1981, Biometrika 68, 589).
    pub(crate) fn variance(&self, slope: &Slope) -> f64 {
        let mut sum = 0.0;
        for (target, predicted, count) in self.pairs.all(self.counts.len()) {
            let mut influence = slope.counted + slope.target[target] + slope.predicted[predicted];
            if target == predicted {
                influence += slope.right[target];
            }
            sum += count as f64 * influence * influence;
        }
        let mut of_units = 0.0;
        for unit in &self.units {
            let mut influence = slope.counted * unit.counted as f64;
            for (class, count) in &unit.counts {
                let class = *class as usize;
                influence += slope.right[class] * count.right as f64
                    + slope.predicted[class] * count.predicted as f64
                    + slope.target[class] * count.target as f64;
            }
            of_units += influence * influence;
        }
        // Of few images the sum is too small by what their mean takes away.
        let units = self.units.len() as f64;
        if units > 1.0 {
            of_units *= units / (units - 1.0);
        }
        sum + of_units
    }
}

fn add_to(counts: &mut [Count], target: u32, predicted: u32) {
    counts[target as usize].target += 1;
    counts[predicted as usize].predicted += 1;
    if target == predicted {
        counts[target as usize].right += 1;
    }
}

/// The derivative of an estimate by the counts of each class, and by the number of targets that count.
#[derive(Clone, Debug)]
pub(crate) struct Slope {
    pub right: Vec<f64>,
    pub predicted: Vec<f64>,
    pub target: Vec<f64>,
    pub counted: f64,
}

impl Slope {
    pub(crate) fn zero(classes: usize) -> Slope {
        Slope {
            right: vec![0.0; classes],
            predicted: vec![0.0; classes],
            target: vec![0.0; classes],
            counted: 0.0,
        }
    }
}
