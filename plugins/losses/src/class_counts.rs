//! How often each class occurs: given, or counted from the targets as they come.

use std::sync::{Mutex, PoisonError};

use patchbay::{
    ops,
    plugin::prelude::*,
    serde_json::{Map, Value},
};

/// Counts of the classes.
///
/// Where none are given they are those of all targets that the loss has seen, the present ones included, those of an
/// evaluation, too: evaluate with a loss of its own, or give the counts. They are carried when the component is swapped.
#[derive(Debug)]
pub struct ClassCounts {
    given: Vec<f64>,
    seen: Mutex<Vec<f64>>,
}

impl ClassCounts {
    /// Checks counts of a config; empty: they are counted. 0 is a class without examples, as counted ones may be; a target
    /// of it counts as the first.
    ///
    /// # Errors
    ///
    /// Fails where a count is neither 0 nor at least 1 and finite (shares are no counts), and where all are 0.
    pub fn new(given: &[f64]) -> Result<Self> {
        let is_count = |&count: &f64| count == 0.0 || (count.is_finite() && count >= 1.0);
        if let Some(class) = given.iter().position(|count| !is_count(count)) {
            bail!(
                "class_counts[{class}] is {}; a count is 0, or at least 1 and finite: give numbers of examples, not \
                 shares. Leave class_counts empty to have them counted from the targets",
                given[class]
            );
        }
        if !given.is_empty() && given.iter().all(|&count| count == 0.0) {
            bail!(
                "class_counts says that none of the {} classes has an example; leave it empty to have them counted from \
                 the targets",
                given.len()
            );
        }
        Ok(ClassCounts {
            given: given.to_vec(),
            seen: Mutex::default(),
        })
    }

    /// The counts after these targets, which [`ClassCounts::keep`] keeps. Classes that never came have 0.
    ///
    /// # Errors
    ///
    /// Fails where the config has counts of another number of classes.
    pub fn with(&self, histogram: &[usize]) -> Result<Vec<f64>> {
        if self.given.is_empty() {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(sum(&seen, histogram))
        } else if self.given.len() == histogram.len() {
            Ok(self.given.clone())
        } else {
            bail!(
                "the config gives {} class_counts, the logits have {} classes",
                self.given.len(),
                histogram.len()
            )
        }
    }

    /// Keeps the counts of a batch whose loss is `value`, of any shape: a batch that is refused, because its loss is not
    /// finite, is not counted.
    ///
    /// # Errors
    ///
    /// Fails where the value cannot be read.
    pub fn keep(&self, histogram: &[usize], value: &Tensor) -> Result<()> {
        if self.given.is_empty() && is_finite(value)? {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = sum(&seen, histogram);
        }
        Ok(())
    }

    /// For [`Component::state`].
    pub fn state(&self) -> Map<String, Value> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.is_empty() {
            true => Map::new(),
            false => Map::from_iter([("class_counts".to_owned(), json!(*seen))]),
        }
    }

    /// For [`Component::restore`].
    pub fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let Some(counts) = state.get("class_counts").and_then(Value::as_array) else {
            return Vec::new();
        };
        let counts: Option<Vec<f64>> = counts.iter().map(Value::as_f64).collect();
        match counts {
            Some(counts) if !counts.is_empty() => {
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = counts;
                vec!["class_counts".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// The counts so far and those of a batch; those of another number of classes are forgotten.
fn sum(seen: &[f64], histogram: &[usize]) -> Vec<f64> {
    let before = |class: usize| {
        if seen.len() == histogram.len() {
            seen[class]
        } else {
            0.0
        }
    };
    let counts = histogram.iter().enumerate();
    counts
        .map(|(class, &new)| before(class) + new as f64)
        .collect()
}

/// Whether all of a tensor's values are finite: their sum is not where one is not. It is taken of numbers in f64, whose sum
/// of f32 is finite.
///
/// # Errors
///
/// Fails where it cannot be read.
pub fn is_finite(values: &Tensor) -> Result<bool> {
    let sum = ops::sum_all(&values.detach().to_dtype(DType::F64)?)?;
    Ok(sum.to_scalar::<f64>()?.is_finite())
}

/// Weights by the effective number of examples, `(1 - beta) / (1 - beta^n)`, with a mean of 1 over the classes
/// that occur. Those that do not are no part of the mean, and have the weight of a class with one example.
///
/// Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv 1901.05555, eq. 2.
pub fn effective_number_weights(counts: &[f64], beta: f64) -> Vec<f64> {
    // 1 - beta^n without cancellation.
    let raw = |count: f64| (1.0 - beta) / -(count.max(1.0) * beta.ln()).exp_m1();
    let occurring = counts.iter().filter(|&&count| count > 0.0);
    let sum: f64 = occurring.clone().map(|&count| raw(count)).sum();
    let mean = if sum > 0.0 {
        sum / occurring.count() as f64
    } else {
        1.0
    };
    counts.iter().map(|&count| raw(count) / mean).collect()
}
