//! Calibration error: how far confidences are from the share that is right.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show, Table};

use crate::{
    classification::shown,
    counting::same,
    input::{Looks, Reading, classes_of, scores, sigmoid},
    interval::Estimate,
    per_class::number,
};

/// How the gaps of the bins become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationNorm {
    /// Their mean, each bin counting as often as it has examples: the expected calibration error.
    L1,
    /// The root of their mean square.
    L2,
    /// The largest: the maximum calibration error.
    Max,
}

/// The expected calibration error: in bins of equal width, the mean distance between confidence and share of right predictions
/// (Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv 1706.04599, eq. 3; torchmetrics' `CalibrationError`).
///
/// The confidence is the largest probability, of scores of the positive class that class's probability. A bin goes from its
/// lower end up to below its upper one; 1 is in the last bin. (torchmetrics has a bin of its own for 1.) Counts are kept, no
/// scores. The interval is by the linearized variance; errors near 0 are too large on average, as absolute values are.
///
/// ```
/// # use patchbay::prelude::*;
/// let logits = torch::tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])?;
/// let target = torch::tensor([0, 1, 1])?.long()?;
/// let mut error = metrics::CalibrationError::new(2);
/// error.update(&logits, &target)?;
/// error.compute()?;
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CalibrationError {
    reading: Reading,
    norm: CalibrationNorm,
    bins: Vec<Bin>,
    looks: Looks,
}

/// The examples whose confidence is in one range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bin {
    count: f64,
    right: f64,
    confidence: f64,
    /// Of (right - confidence)².
    squares: f64,
}

impl Bin {
    fn gap(&self) -> f64 {
        (self.right - self.confidence) / self.count
    }
}

impl CalibrationError {
    /// Of so many classes, in 15 bins.
    pub fn new(classes: usize) -> Self {
        Self {
            reading: Reading::new(classes),
            norm: CalibrationNorm::L1,
            bins: vec![Bin::default(); 15],
            looks: Looks::default(),
        }
    }

    /// Of two classes: the probability of the positive one beside its share.
    pub fn binary() -> Self {
        Self::new(2)
    }

    /// How many bins there are, at least 1; to be said before the first batch.
    #[must_use]
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = vec![Bin::default(); bins];
        self
    }

    /// How the gaps of the bins become one number.
    #[must_use]
    pub fn norm(mut self, norm: CalibrationNorm) -> Self {
        self.norm = norm;
        self
    }

    /// The class index of targets that do not count, such as 255; `None`: all count.
    #[must_use]
    pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> Self {
        self.reading.ignore_index = index.into();
        self
    }

    /// Whether scores are probabilities; otherwise they are logits, of which the softmax (or the sigmoid) is taken.
    #[must_use]
    pub fn probabilities(mut self, are: bool) -> Self {
        self.reading.probabilities = Some(are);
        self
    }

    /// Counts a batch: logits or probabilities `[n, classes, ...]`, or, of two classes, scores of the positive one, `[n, ...]`
    /// or `[n, 1, ...]`; `target` are classes `[n, ...]` of an integer type.
    ///
    /// # Errors
    ///
    /// Fails where shapes or dtypes do not fit, a class is beyond the classes, a score of a target that counts is NaN, or one
    /// that is said to be a probability is none.
    pub fn update(&mut self, predictions: &Tensor, target: &Tensor) -> Result<()> {
        let count = self.bins.len();
        if count == 0 {
            bail!("a calibration error needs at least one bin, and has 0");
        }
        let mut looks = self.looks;
        let found = scores(predictions, target, &self.reading, &mut looks)?;
        self.looks = looks;
        for (row, &class) in found.values.chunks_exact(found.width).zip(&found.target) {
            let (confidence, right) = if found.width == 1 {
                match self.reading.probabilities {
                    Some(true) => (row[0], class == 1),
                    _ => (sigmoid(row[0]), class == 1),
                }
            } else {
                let mut best = 0;
                for (at, &value) in row.iter().enumerate() {
                    if value > row[best] {
                        best = at;
                    }
                }
                (row[best], best == class as usize)
            };
            let right = f64::from(u8::from(right));
            let bin = ((confidence * count as f64) as usize).min(count - 1);
            let bin = &mut self.bins[bin];
            bin.count += 1.0;
            bin.right += right;
            bin.confidence += confidence;
            bin.squares += (right - confidence).powi(2);
        }
        Ok(())
    }

    /// The error with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where no target has been counted, and where scores were taken for logits, which all are probabilities.
    pub fn compute(&self) -> Result<Interval> {
        let used: Vec<&Bin> = self.bins.iter().filter(|bin| bin.count > 0.0).collect();
        let all: f64 = used.iter().map(|bin| bin.count).sum();
        if all == 0.0 {
            bail!(
                "the calibration error has seen no target that counts: call `update(&predictions, &target)?` before"
            );
        }
        self.looks.check(&self.reading, "the scores")?;
        let (value, variance) = match self.norm {
            CalibrationNorm::L1 => {
                let error = used
                    .iter()
                    .map(|bin| bin.count * bin.gap().abs())
                    .sum::<f64>()
                    / all;
                let squares: f64 = used.iter().map(|bin| bin.squares).sum();
                (error, (squares / all - error * error) / all)
            }
            CalibrationNorm::L2 => {
                let square = used
                    .iter()
                    .map(|bin| bin.count * bin.gap().powi(2))
                    .sum::<f64>()
                    / all;
                // Each example moves the square by 2 gap (right - confidence) - gap² - square.
                let sum: f64 = used
                    .iter()
                    .map(|bin| {
                        let (gap, level) = (bin.gap(), bin.gap().powi(2) + square);
                        4.0 * gap * gap * bin.squares - 4.0 * gap * level * gap * bin.count
                            + level * level * bin.count
                    })
                    .sum();
                let error = square.sqrt();
                let slope = if error > 0.0 { 0.5 / error } else { 0.0 };
                (error, slope * slope * sum / (all * all))
            }
            CalibrationNorm::Max => {
                let gap = |bin: &&Bin| bin.gap().abs();
                let worst = used
                    .iter()
                    .copied()
                    .max_by(|a, b| gap(a).total_cmp(&gap(b)));
                let worst = worst.copied().unwrap_or_default();
                let error = worst.gap().abs();
                (
                    error,
                    (worst.squares / worst.count - error * error) / worst.count,
                )
            }
        };
        let estimate = Estimate {
            value,
            variance,
            trials: all,
            units: None,
        };
        Ok(estimate.within(0.0, 1.0))
    }

    /// The bins: their range, how many examples they have, the mean confidence and the share that is right. A reliability
    /// diagram is drawn of it.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["from", "to", "examples", "confidence", "right"]);
        let width = 1.0 / self.bins.len() as f64;
        for (at, bin) in self.bins.iter().enumerate() {
            table.push([
                number(at as f64 * width, 3),
                number((at + 1) as f64 * width, 3),
                bin.count.to_string(),
                number(bin.confidence / bin.count, 4),
                number(bin.right / bin.count, 4),
            ]);
        }
        table
    }

    /// Forgets what was counted; the settings stay.
    pub fn reset(&mut self) {
        self.bins.fill(Bin::default());
        self.looks = Looks::default();
    }

    /// Adds what another one has counted, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where the settings differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(
            &(&self.reading, self.bins.len()),
            &(&other.reading, other.bins.len()),
        )?;
        for (own, other) in self.bins.iter_mut().zip(&other.bins) {
            own.count += other.count;
            own.right += other.right;
            own.confidence += other.confidence;
            own.squares += other.squares;
        }
        self.looks.merge(&other.looks);
        Ok(())
    }
}

impl Show for CalibrationError {
    fn show(&self) -> MimeBundle {
        shown("calibration error", self.compute())
    }
}

/// [`CalibrationError`] of all predictions at once, in 15 bins, with its 95 % interval.
///
/// # Errors
///
/// As [`CalibrationError::update`] and [`CalibrationError::compute`].
pub fn calibration_error(predictions: &Tensor, target: &Tensor) -> Result<Interval> {
    let mut error = CalibrationError::new(classes_of(predictions, target)?.0);
    error.update(predictions, target)?;
    error.compute()
}
