//! Average precision.

use crate::ranking::{Against, Falling, rankings};

rankings! {
    /// Average precision: the precision at each found target of the class, averaged; the area under the precision-recall curve
    /// without interpolation. scikit-learn's `average_precision_score`, torchmetrics' `AveragePrecision`.
    ///
    /// Equal scores are found together. Exact: all scores are kept, 8 bytes each. The variance of the interval is that of the
    /// linearization (infinitesimal jackknife).
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let scores = torch::tensor([0.1, 0.4, 0.35, 0.8])?;
    /// let target = torch::tensor([0, 0, 1, 1])?.long()?;
    /// assert!((metrics::average_precision(&scores, &target)?.estimate - 5.0 / 6.0).abs() < 1e-12);
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    AveragePrecision, average_precision, "average precision", precision;
}

/// The average, and by how much it moves where an example counts a little more.
fn precision(scores: &[f64], own: &[bool]) -> Option<Against> {
    let positives = own.iter().filter(|&&own| own).count() as f64;
    if positives == 0.0 {
        return None;
    }
    let falling = Falling::of(scores);
    // Of each group: its positives, the positives found up to it, and all examples up to it.
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    let mut steps = Vec::with_capacity(falling.groups().len());
    for group in falling.groups() {
        let here = group.iter().filter(|&&i| own[i]).count() as f64;
        found += here;
        seen += group.len() as f64;
        sum += here * found / seen;
        steps.push((here, found, seen));
    }
    let value = sum / positives;
    // An example changes the precision at its own score and at all lower ones.
    let (mut by_positive, mut by_any) = (0.0, 0.0);
    let mut influence = vec![0.0; scores.len()];
    for (group, &(here, found, seen)) in falling.groups().zip(&steps).rev() {
        by_positive += here / seen;
        by_any += here * found / (seen * seen);
        for &i in group {
            let direct = if own[i] {
                found / seen - value + by_positive
            } else {
                0.0
            };
            influence[i] = (direct - by_any) / positives;
        }
    }
    Some(Against {
        value,
        influence,
        trials: positives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_influence_is_the_slope_by_an_examples_weight() {
        let scores = [0.9, 0.8, 0.4, 0.4, 0.7, 0.1, 0.3, 0.4, 0.6];
        let own = [true, false, true, false, true, false, true, false, false];
        let of = |weights: &[f64]| {
            let (mut found, mut seen, mut sum, mut all) = (0.0, 0.0, 0.0, 0.0);
            for group in Falling::of(&scores).groups() {
                let here: f64 = group.iter().filter(|&&i| own[i]).map(|&i| weights[i]).sum();
                found += here;
                seen += group.iter().map(|&i| weights[i]).sum::<f64>();
                sum += here * found / seen;
                all += here;
            }
            sum / all
        };
        let result = precision(&scores, &own).unwrap();
        let even = [1.0; 9];
        assert!((result.value - of(&even)).abs() < 1e-15);
        for i in 0..9 {
            let at = |by: f64| {
                let mut weights = even;
                weights[i] += by;
                of(&weights)
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((result.influence[i] - slope).abs() < 1e-9, "{i}");
        }
        assert!(result.influence.iter().sum::<f64>().abs() < 1e-14);
    }
}
