//! What all metrics of predicted classes do: settings, counting, merging.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::Result;

use crate::{
    average::Average,
    input::{Labels, Looks, Reading, labels},
    per_class::{PerClass, names},
    ratio::{self, Ratio},
    tally::Tally,
};

/// The settings and counts of a metric of predicted classes.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    pub reading: Reading,
    pub average: Average,
    pub names: Vec<String>,
    pub tally: Tally,
    pub looks: Looks,
}

impl Counting {
    pub(crate) fn new(classes: usize, average: Average) -> Counting {
        Counting {
            reading: Reading::new(classes),
            average,
            names: Vec::new(),
            tally: Tally::new(classes),
            looks: Looks::default(),
        }
    }

    /// # Errors
    ///
    /// As [`labels`], and where the settings do not fit the number of classes.
    pub(crate) fn read(&mut self, predictions: &Tensor, target: &Tensor) -> Result<Labels> {
        check_names(&self.names, self.reading.classes)?;
        if self.average == Average::Binary && self.reading.classes != 2 {
            bail!(
                "the average `Binary` is the value of class 1 of two, and there are {} classes: take `Average::Macro`",
                self.reading.classes
            );
        }
        // What is refused leaves no trace.
        let mut looks = self.looks;
        let labels = labels(predictions, target, &self.reading, &mut looks)?;
        self.looks = looks;
        Ok(labels)
    }

    pub(crate) fn update(&mut self, predictions: &Tensor, target: &Tensor) -> Result<()> {
        let labels = self.read(predictions, target)?;
        self.tally.add(&labels);
        Ok(())
    }

    /// # Errors
    ///
    /// Fails where nothing was counted, or probabilities were taken for logits.
    pub(crate) fn check(&self, metric: &str) -> Result<()> {
        self.tally.check(metric, self.reading.ignore_index)?;
        self.looks.check(&self.reading, "the scores")
    }

    pub(crate) fn compute(&self, metric: &str, ratio: &Ratio) -> Result<Interval> {
        self.check(metric)?;
        Ok(ratio::average(
            ratio,
            &self.tally,
            &self.reading,
            self.average,
        ))
    }

    pub(crate) fn per_class(&self, metric: &str, ratio: &Ratio) -> Result<PerClass> {
        self.check(metric)?;
        Ok(PerClass {
            metric: metric.to_owned(),
            names: names(&self.names, self.reading.classes),
            values: ratio::of_classes(ratio, &self.tally, &self.reading),
            support: self.tally.counts.iter().map(|count| count.target).collect(),
        })
    }

    pub(crate) fn reset(&mut self) {
        self.tally = Tally::new(self.reading.classes);
        self.looks = Looks::default();
    }

    /// # Errors
    ///
    /// Fails where the other one reads its input otherwise.
    pub(crate) fn merge(&mut self, other: &Counting) -> Result<()> {
        same(&self.reading, &other.reading)?;
        self.tally.merge(&other.tally);
        self.looks.merge(&other.looks);
        Ok(())
    }
}

/// # Errors
///
/// Fails where there is not one name for each class.
pub(crate) fn check_names(names: &[String], classes: usize) -> Result<()> {
    if !names.is_empty() && names.len() != classes {
        bail!(
            "there are {classes} classes and {} class names, {names:?}: give one name for each class, in their order",
            names.len()
        );
    }
    Ok(())
}

/// # Errors
///
/// Fails where two metrics that are to be merged differ.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(own: &T, other: &T) -> Result<()> {
    if own != other {
        bail!("two metrics are merged that were made with other settings: {own:?} and {other:?}");
    }
    Ok(())
}

/// The settings of metrics of classes whose state is in a field `counting`.
macro_rules! class_settings {
    () => {
        /// The class index of targets that do not count, such as 255; `None`: all count. It is
        /// [`IGNORE_INDEX`](patchbay_ops::IGNORE_INDEX), -100, where nothing is said. A class of this number has no value.
        #[must_use]
        pub fn ignore_index(mut self, index: impl Into<Option<i64>>) -> Self {
            self.counting.reading.ignore_index = index.into();
            self
        }

        /// The names of the classes, for tables.
        #[must_use]
        pub fn class_names<T: ToString>(mut self, names: impl IntoIterator<Item = T>) -> Self {
            self.counting.names = names.into_iter().map(|name| name.to_string()).collect();
            self
        }

        /// Whether scores of the positive class are probabilities; otherwise they are logits. Only predictions of one score for
        /// each target ask for it.
        #[must_use]
        pub fn probabilities(mut self, are: bool) -> Self {
            self.counting.reading.probabilities = Some(are);
            self
        }

        /// Above which score of the positive class the prediction is 1; 0 of logits and 0.5 of probabilities where nothing is
        /// said.
        #[must_use]
        pub fn threshold(mut self, threshold: f64) -> Self {
            self.counting.reading.threshold = Some(threshold);
            self
        }
    };
}
pub(crate) use class_settings;

/// How metrics of classes count, whose state is in a field `counting` alone.
macro_rules! class_counts {
    () => {
        /// Counts a batch.
        ///
        /// `predictions` are logits or probabilities `[n, classes, ...]`, whose largest entry along axis 1 is the prediction (of
        /// equal ones the first), or predicted classes `[n, ...]` of an integer type, or, of two classes, the scores of the
        /// positive one, `[n, ...]` or `[n, 1, ...]` of a float type. `target` are classes `[n, ...]` of an integer type. Of
        /// `[n, height, width]` each image is one example of which the interval is.
        ///
        /// # Errors
        ///
        /// Fails where shapes or dtypes do not fit, a class is beyond the classes, or a score of a target that counts is NaN.
        /// Nothing of such a batch is counted.
        pub fn update(&mut self, predictions: &Tensor, target: &Tensor) -> Result<()> {
            self.counting.update(predictions, target)
        }

        /// Forgets what was counted; the settings stay.
        pub fn reset(&mut self) {
            self.counting.reset();
        }

        /// Adds what another one has counted, of other batches.
        ///
        /// # Errors
        ///
        /// Fails where the settings differ.
        pub fn merge(&mut self, other: &Self) -> Result<()> {
            self.counting.merge(&other.counting)
        }
    };
}
pub(crate) use class_counts;
