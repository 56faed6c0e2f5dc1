//! Top-k accuracy.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::{self, Interval};
use patchbay_show::{MimeBundle, Result, Show};

use crate::{
    classification::shown,
    counting::same,
    input::{IGNORED, Looks, Reading, scores},
};

/// The share of targets that are among the `k` largest logits: torchmetrics' `Accuracy(top_k=k)`, scikit-learn's
/// `top_k_accuracy_score`.
///
/// Of equal entries the target is the last, so that logits which are all the same find nothing. All targets count alike; the
/// interval is Wilson's.
///
/// ```
/// # use patchbay::prelude::*;
/// let mut top = metrics::TopKAccuracy::new(3, 2);
/// let logits = torch::tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])?;
/// top.update(&logits, &torch::tensor([1, 0])?.long()?)?;
/// assert_eq!(top.compute()?.estimate, 0.5);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TopKAccuracy {
    reading: Reading,
    k: usize,
    right: usize,
    counted: usize,
}

impl TopKAccuracy {
    /// Of so many classes, among the `k` best.
    pub fn new(classes: usize, k: usize) -> Self {
        Self {
            reading: Reading {
                // The order is that of the probabilities, too.
                probabilities: Some(false),
                ..Reading::new(classes)
            },
            k,
            right: 0,
            counted: 0,
        }
    }

    /// The class index of targets that do not count, such as 255; `None`: all count.
    #[must_use]
    pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> Self {
        self.reading.ignore_index = index.into();
        self
    }

    /// Counts a batch: logits or probabilities `[n, classes, ...]` and classes `[n, ...]` of an integer type.
    ///
    /// # Errors
    ///
    /// Fails where shapes or dtypes do not fit, a class is beyond the classes, `k` is not from 1 to the number of classes, or a
    /// logit of a target that counts is NaN.
    pub fn update(&mut self, logits: &Tensor, target: &Tensor) -> Result<()> {
        let (k, classes) = (self.k, self.reading.classes);
        if k == 0 || k > classes {
            bail!("the best {k} of {classes} classes: k is from 1 to the number of classes");
        }
        let found = scores(logits, target, &self.reading, &mut Looks::default())?;
        if found.width != classes {
            bail!(
                "the best {k} are of logits [n, classes, ...], and these are scores {:?} of one class",
                logits.dims()
            );
        }
        let rows = found.values.chunks_exact(classes).zip(&found.target);
        let is_among = |row: &[f64], class: u32| {
            let own = row[class as usize];
            row.iter().filter(|&&other| other >= own).count() <= k
        };
        for (row, &class) in rows.filter(|&(_, &class)| class != IGNORED) {
            self.right += usize::from(is_among(row, class));
            self.counted += 1;
        }
        Ok(())
    }

    /// The share with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where no target has been counted.
    pub fn compute(&self) -> Result<Interval> {
        if self.counted == 0 {
            bail!(
                "top-{} accuracy has seen no target that counts: call `update(&logits, &target)?` before",
                self.k
            );
        }
        Ok(stats::wilson(self.right, self.counted))
    }

    /// Forgets what was counted; the settings stay.
    pub fn reset(&mut self) {
        (self.right, self.counted) = (0, 0);
    }

    /// Adds what another one has counted, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where the settings differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(&(self.k, &self.reading), &(other.k, &other.reading))?;
        self.right += other.right;
        self.counted += other.counted;
        Ok(())
    }
}

impl Show for TopKAccuracy {
    fn show(&self) -> MimeBundle {
        shown(&format!("top-{} accuracy", self.k), self.compute())
    }
}
