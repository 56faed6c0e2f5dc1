//! The area under the receiver operating characteristic.

use crate::ranking::{Against, Falling, rankings};

rankings! {
    /// The area under the receiver operating characteristic: how likely a target of the class scores above one of another class,
    /// equal scores counting one half. scikit-learn's `roc_auc_score` (one against the rest), torchmetrics' `AUROC`.
    ///
    /// Exact: all scores are kept, 8 bytes each. The variance of the interval is DeLong's (DeLong, DeLong and Clarke-Pearson
    /// 1988, Biometrics 44, 837).
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let scores = torch::tensor([0.1, 0.4, 0.35, 0.8])?;
    /// let target = torch::tensor([0, 0, 1, 1])?.long()?;
    /// assert_eq!(metrics::auroc(&scores, &target)?.estimate, 0.75);
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    Auroc, auroc, "AUROC", area;
}

/// The area, and by each example's rank among those of the other sort how much it moves it.
fn area(scores: &[f64], own: &[bool]) -> Option<Against> {
    let positives = own.iter().filter(|&&own| own).count() as f64;
    let negatives = own.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    // From the highest score down: how many of each sort are above.
    let (mut positives_above, mut negatives_above) = (0.0, 0.0);
    let mut placements = vec![0.0; scores.len()];
    for group in Falling::of(scores).groups() {
        let positives_here = group.iter().filter(|&&i| own[i]).count() as f64;
        let negatives_here = group.len() as f64 - positives_here;
        for &i in group {
            placements[i] = if own[i] {
                (negatives - negatives_above - 0.5 * negatives_here) / negatives
            } else {
                (positives_above + 0.5 * positives_here) / positives
            };
        }
        positives_above += positives_here;
        negatives_above += negatives_here;
    }
    let of_positives = placements.iter().zip(own).filter(|(_, own)| **own);
    let value = of_positives.map(|(p, _)| p).sum::<f64>() / positives;
    let influence = placements.iter().zip(own).map(|(placement, &own)| {
        let count: f64 = if own { positives } else { negatives };
        // DeLong's variances are over one less; of one example there is none.
        (placement - value) / (count * (count - 1.0).max(1.0)).sqrt()
    });
    Some(Against {
        value,
        influence: influence.collect(),
        trials: positives.min(negatives),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_is_delongs() {
        // Of two sorts with 5 and 4 scores, by the definition: the variances of the mean placements.
        let scores = [0.9, 0.8, 0.4, 0.4, 0.7, 0.1, 0.3, 0.4, 0.6];
        let own = [true, true, true, true, true, false, false, false, false];
        let found = area(&scores, &own).unwrap();
        let psi = |x: f64, y: f64| match x.partial_cmp(&y) {
            Some(std::cmp::Ordering::Greater) => 1.0,
            Some(std::cmp::Ordering::Equal) => 0.5,
            _ => 0.0,
        };
        let (positive, negative) = (&scores[..5], &scores[5..]);
        let v10: Vec<f64> = positive
            .iter()
            .map(|&x| negative.iter().map(|&y| psi(x, y)).sum::<f64>() / 4.0)
            .collect();
        let v01: Vec<f64> = negative
            .iter()
            .map(|&y| positive.iter().map(|&x| psi(x, y)).sum::<f64>() / 5.0)
            .collect();
        let mean = v10.iter().sum::<f64>() / 5.0;
        let variance =
            |v: &[f64]| v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0);
        let expected = variance(&v10) / 5.0 + variance(&v01) / 4.0;
        let own: f64 = found.influence.iter().map(|x| x * x).sum();
        assert!((found.value - mean).abs() < 1e-15, "{}", found.value);
        assert!((own - expected).abs() < 1e-15, "{own}, expected {expected}");
    }
}
