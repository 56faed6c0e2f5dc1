//! What precision, recall and their kin have in common: a ratio of counts for each class, and averages of them.

use patchbay_evaluation::stats::Interval;

use crate::{
    average::Average,
    input::Reading,
    interval::{Estimate, undefined},
    tally::{Count, Slope, Tally},
};

/// Factors of a class's counts: right, predicted, target, and of all targets that count.
type Factors = [f64; 4];

/// A value of a class: `above · counts / below · counts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub above: Factors,
    pub below: Factors,
}

pub(crate) const PRECISION: Ratio = Ratio {
    above: [1.0, 0.0, 0.0, 0.0],
    below: [0.0, 1.0, 0.0, 0.0],
};
pub(crate) const RECALL: Ratio = Ratio {
    above: [1.0, 0.0, 0.0, 0.0],
    below: [0.0, 0.0, 1.0, 0.0],
};
pub(crate) const F1: Ratio = Ratio {
    above: [2.0, 0.0, 0.0, 0.0],
    below: [0.0, 1.0, 1.0, 0.0],
};
pub(crate) const IOU: Ratio = Ratio {
    above: [1.0, 0.0, 0.0, 0.0],
    below: [-1.0, 1.0, 1.0, 0.0],
};
/// True negatives over all negatives.
pub(crate) const SPECIFICITY: Ratio = Ratio {
    above: [1.0, -1.0, -1.0, 1.0],
    below: [0.0, 0.0, -1.0, 1.0],
};

fn product(factors: &Factors, counts: &[f64; 4]) -> f64 {
    factors.iter().zip(counts).map(|(f, c)| f * c).sum()
}

/// A value with its derivative by the four counts.
struct Value {
    value: f64,
    slope: [f64; 4],
    /// How many draws the value is a share of.
    trials: f64,
}

impl Ratio {
    fn of(&self, counts: &[f64; 4], trials: f64) -> Value {
        let below = product(&self.below, counts);
        if below <= 0.0 {
            return Value {
                value: 0.0,
                slope: [0.0; 4],
                trials: 0.0,
            };
        }
        let value = product(&self.above, counts) / below;
        let mut slope = [0.0; 4];
        for (slope, (above, below_factor)) in
            slope.iter_mut().zip(self.above.iter().zip(&self.below))
        {
            *slope = (above - value * below_factor) / below;
        }
        Value {
            value,
            slope,
            trials,
        }
    }

    /// How many draws a ratio of these counts is a share of: those that F1 shares with the intersection over union.
    fn draws(&self, counts: &[f64; 4]) -> f64 {
        match *self == F1 {
            true => product(&IOU.below, counts),
            false => product(&self.below, counts),
        }
    }
}

fn numbers(count: &Count, counted: u64) -> [f64; 4] {
    [
        count.right as f64,
        count.predicted as f64,
        count.target as f64,
        counted as f64,
    ]
}

/// Whether a class has a value.
pub(crate) fn is_there(tally: &Tally, reading: &Reading, class: usize) -> bool {
    let count = &tally.counts[class];
    count.predicted + count.target > 0 && !reading.ignores(class)
}

/// The value of each class with its slope.
fn class_values(ratio: &Ratio, tally: &Tally) -> Vec<Value> {
    // Of images those in which there is something to be right or wrong about.
    let mut images = vec![0u64; tally.counts.len()];
    for (class, count) in tally.units.iter().flat_map(|unit| &unit.counts) {
        images[*class as usize] += u64::from(count.predicted + count.target > 0);
    }
    let of_images = tally.unit_count().is_some();
    let pairs = tally.counts.iter().zip(images);
    pairs
        .map(|(count, images)| {
            let counts = numbers(count, tally.counted);
            let trials = match of_images {
                true => images as f64,
                false => ratio.draws(&counts),
            };
            ratio.of(&counts, trials)
        })
        .collect()
}

/// The variance of each class's value. Single examples are of four sorts: right, missed, taken for the class, and all others.
fn class_variances(values: &[Value], tally: &Tally) -> Vec<f64> {
    let total: f64 = tally.units.iter().map(|unit| unit.counted as f64).sum();
    let mut of_units: Vec<Count> = vec![Count::default(); values.len()];
    let squares: f64 = tally
        .units
        .iter()
        .map(|unit| (unit.counted as f64).powi(2))
        .sum();
    let mut sums: Vec<f64> = values
        .iter()
        .map(|value| value.slope[3].powi(2) * squares)
        .collect();
    for unit in &tally.units {
        for (class, count) in &unit.counts {
            let class = *class as usize;
            let slope = &values[class].slope;
            let influence = product(slope, &numbers(count, unit.counted));
            sums[class] += influence.powi(2) - (slope[3] * unit.counted as f64).powi(2);
            let all = &mut of_units[class];
            all.right += count.right;
            all.predicted += count.predicted;
            all.target += count.target;
        }
    }
    let units = tally.units.len() as f64;
    let factor = if units > 1.0 {
        units / (units - 1.0)
    } else {
        1.0
    };
    let single = tally.counted as f64 - total;
    let classes = values.iter().zip(&tally.counts).zip(of_units).zip(sums);
    classes
        .map(|(((value, all), of_units), sum)| {
            let right = (all.right - of_units.right) as f64;
            let missed = (all.target - of_units.target) as f64 - right;
            let taken = (all.predicted - of_units.predicted) as f64 - right;
            let [by_right, by_predicted, by_target, by_all] = value.slope;
            sum.max(0.0) * factor
                + right * (by_right + by_predicted + by_target + by_all).powi(2)
                + missed * (by_target + by_all).powi(2)
                + taken * (by_predicted + by_all).powi(2)
                + (single - right - missed - taken) * by_all.powi(2)
        })
        .collect()
}

/// The value of each class with its interval; NaN of a class that has none.
pub(crate) fn of_classes(ratio: &Ratio, tally: &Tally, reading: &Reading) -> Vec<Interval> {
    let values = class_values(ratio, tally);
    let variances = class_variances(&values, tally);
    let units = tally.unit_count();
    let classes = values.iter().zip(variances).enumerate();
    classes
        .map(|(class, (value, variance))| {
            if !is_there(tally, reading, class) {
                return undefined();
            }
            Estimate {
                value: value.value,
                variance,
                trials: value.trials,
                units,
            }
            .share()
        })
        .collect()
}

fn add(slope: &mut Slope, class: usize, own: &[f64; 4], weight: f64) {
    slope.right[class] += weight * own[0];
    slope.predicted[class] += weight * own[1];
    slope.target[class] += weight * own[2];
    slope.counted += weight * own[3];
}

/// The average over the classes with its interval.
pub(crate) fn average(
    ratio: &Ratio,
    tally: &Tally,
    reading: &Reading,
    average: Average,
) -> Interval {
    let classes = tally.counts.len();
    let there: Vec<usize> = (0..classes)
        .filter(|&class| is_there(tally, reading, class))
        .filter(|&class| average != Average::Binary || class == 1)
        .collect();
    if there.is_empty() {
        return undefined();
    }
    let mut slope = Slope::zero(classes);
    let estimate = match average {
        Average::Micro => {
            let mut sums = [0.0; 4];
            // Nothing is taken for a class that is nowhere, which only true negatives count.
            let there: Vec<usize> = (0..classes)
                .filter(|&class| !reading.ignores(class))
                .collect();
            for &class in &there {
                for (sum, own) in sums
                    .iter_mut()
                    .zip(numbers(&tally.counts[class], tally.counted))
                {
                    *sum += own;
                }
            }
            let trials = match tally.unit_count() {
                Some(units) => units as f64,
                None => ratio.draws(&sums),
            };
            let value = ratio.of(&sums, trials);
            for &class in &there {
                add(&mut slope, class, &value.slope, 1.0);
            }
            (value.value, trials)
        }
        Average::Macro | Average::Binary | Average::Weighted => {
            let targets: f64 = there
                .iter()
                .map(|&class| tally.counts[class].target as f64)
                .sum();
            let values = class_values(ratio, tally);
            let weight = |class: usize| match average {
                Average::Weighted if targets > 0.0 => tally.counts[class].target as f64 / targets,
                Average::Weighted => 0.0,
                _ => 1.0 / there.len() as f64,
            };
            let weighted = there
                .iter()
                .map(|&class| weight(class) * values[class].value);
            let mean: f64 = weighted.sum();
            let mut spread = 0.0;
            for &class in &there {
                let (value, weight) = (&values[class], weight(class));
                add(&mut slope, class, &value.slope, weight);
                if average == Average::Weighted && targets > 0.0 {
                    slope.target[class] += (value.value - mean) / targets;
                }
                if weight > 0.0 && value.trials > 0.0 {
                    spread += weight * weight / value.trials;
                }
            }
            (mean, if spread > 0.0 { 1.0 / spread } else { 0.0 })
        }
    };
    Estimate {
        value: estimate.0,
        variance: tally.variance(&slope),
        trials: estimate.1,
        units: tally.unit_count(),
    }
    .share()
}
