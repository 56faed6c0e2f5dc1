//! Cohen's kappa.

use candle_core::Tensor;

use patchbay_evaluation::stats::{Interval, wilson};
use patchbay_show::{MimeBundle, Result, Show};

use crate::{
    average::Average,
    classification::shown,
    counting::{Counting, class_counts, class_settings},
    input::classes_of,
    interval::{Estimate, undefined},
    tally::Slope,
};

/// Cohen's kappa: agreement beyond what chance gives, 0 of chance and 1 of none but right predictions. scikit-learn's
/// `cohen_kappa_score`, torchmetrics' `CohenKappa`.
///
/// The interval is by its asymptotic variance (Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72, 323), over images
/// where there are several targets an example. Where all targets and predictions are one class there is nothing that chance
/// does not give, and kappa is not defined (NaN).
///
/// ```
/// # use patchbay::prelude::*;
/// let predicted = torch::tensor([0, 1, 1, 0])?.long()?;
/// let target = torch::tensor([0, 1, 0, 0])?.long()?;
/// assert_eq!(metrics::cohen_kappa(&predicted, &target)?.estimate, 0.5);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CohenKappa {
    counting: Counting,
}

impl CohenKappa {
    /// Of so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counting: Counting::new(classes, Average::Micro),
        }
    }

    class_settings!();
    class_counts!();

    /// Kappa with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where no target has been counted, and where scores of the positive class were taken for logits, which all are from
    /// 0 to 1.
    pub fn compute(&self) -> Result<Interval> {
        self.counting.check("Cohen's kappa")?;
        let tally = &self.counting.tally;
        let n = tally.counted as f64;
        let right: u64 = tally.counts.iter().map(|count| count.right).sum();
        let observed = right as f64 / n;
        let products = tally.counts.iter();
        let chance = products
            .map(|count| count.predicted as f64 / n * (count.target as f64 / n))
            .sum::<f64>();
        if 1.0 - chance < 1e-12 {
            return Ok(undefined());
        }
        let beyond = 1.0 - chance;
        let value = (observed - chance) / beyond;
        let (by_observed, by_chance) = (1.0 / beyond, (observed - 1.0) / (beyond * beyond));
        let slope = Slope {
            right: vec![by_observed / n; tally.counts.len()],
            predicted: tally
                .counts
                .iter()
                .map(|count| by_chance * count.target as f64 / (n * n))
                .collect(),
            target: tally
                .counts
                .iter()
                .map(|count| by_chance * count.predicted as f64 / (n * n))
                .collect(),
            counted: -by_observed * observed / n - 2.0 * by_chance * chance / n,
        };
        let estimate = Estimate {
            value,
            variance: tally.variance(&slope),
            trials: n,
            units: tally.unit_count(),
        };
        if observed == 1.0 {
            // All are right: what is unknown is how many of the next ones.
            let of = tally.unit_count().map_or(n as usize, |units| units.max(1));
            return Ok(Interval {
                estimate: 1.0,
                low: ((wilson(of, of).low - chance) / beyond).max(-1.0),
                high: 1.0,
            });
        }
        Ok(estimate.within(-1.0, 1.0))
    }
}

impl Show for CohenKappa {
    fn show(&self) -> MimeBundle {
        shown("Cohen's kappa", self.compute())
    }
}

/// [`CohenKappa`] of all predictions at once, with its 95 % interval.
///
/// # Errors
///
/// As [`CohenKappa::update`].
pub fn cohen_kappa(predictions: &Tensor, target: &Tensor) -> Result<Interval> {
    let mut kappa = CohenKappa::new(classes_of(predictions, target)?.0);
    kappa.update(predictions, target)?;
    kappa.compute()
}
