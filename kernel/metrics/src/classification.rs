//! Precision, recall, F1, specificity, intersection over union and Dice: ratios of counts.

use candle_core::Tensor;

use patchbay_evaluation::stats::{Interval, wilson};
use patchbay_show::{MimeBundle, Result, Show, show::plain_text};

use crate::{
    average::Average,
    counting::{Counting, class_counts, class_settings},
    input::classes_of,
    per_class::PerClass,
    ratio::{F1, IOU, PRECISION, RECALL, SPECIFICITY},
};

macro_rules! ratios {
    ($($(#[$doc:meta])* $metric:ident, $function:ident, $name:literal, $ratio:ident, $default:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $metric {
            counting: Counting,
        }

        impl $metric {
            /// Of so many classes.
            pub fn new(classes: usize) -> Self {
                Self {
                    counting: Counting::new(classes, Average::$default),
                }
            }

            /// Of two classes, the value of class 1, the positive one.
            pub fn binary() -> Self {
                Self {
                    counting: Counting::new(2, Average::Binary),
                }
            }

            /// How the values of the classes become one.
            #[must_use]
            pub fn average(mut self, average: Average) -> Self {
                self.counting.average = average;
                self
            }

            class_settings!();
            class_counts!();

            /// The value with its 95 % interval.
            ///
            /// # Errors
            ///
            /// Fails where no target has been counted, and where scores of the positive class were taken for logits, which all
            /// are from 0 to 1.
            pub fn compute(&self) -> Result<Interval> {
                self.counting.compute($name, &$ratio)
            }

            /// The value of each class, `average="none"` of torchmetrics.
            ///
            /// # Errors
            ///
            /// As [`Self::compute`].
            pub fn per_class(&self) -> Result<PerClass> {
                self.counting.per_class($name, &$ratio)
            }

            /// The value of one batch alone.
            ///
            /// # Errors
            ///
            /// As [`Self::update`] and [`Self::compute`].
            pub fn of(&self, predictions: &Tensor, target: &Tensor) -> Result<Interval> {
                let mut own = self.clone();
                own.reset();
                own.update(predictions, target)?;
                own.compute()
            }
        }

        impl Show for $metric {
            fn show(&self) -> MimeBundle {
                shown($name, self.compute())
            }
        }

        #[doc = concat!("[`", stringify!($metric), "`] of all predictions at once, with its 95 % interval.")]
        ///
        /// The classes are those of the logits, or up to the largest one that occurs; the average is the default one. Of scores
        /// of the positive class, which are logits, it is the value of that class.
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($metric), "::update`].")]
        pub fn $function(predictions: &Tensor, target: &Tensor) -> Result<Interval> {
            let (classes, binary) = classes_of(predictions, target)?;
            match binary {
                true => $metric::binary().of(predictions, target),
                false => $metric::new(classes).of(predictions, target),
            }
        }
    )*};
}

/// What the last expression of a cell shows of a metric.
pub(crate) fn shown(name: &str, value: Result<Interval>) -> MimeBundle {
    plain_text(match value {
        Ok(value) => format!("{name}: {}", value.text()),
        Err(_) => format!("{name}: nothing counted yet"),
    })
}

ratios! {
    /// The share of a class's predictions that are right: scikit-learn's `precision_score`, torchmetrics' `Precision`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let predicted = torch::tensor([0, 1, 1, 2, 2, 2])?.long()?;
    /// let target = torch::tensor([0, 1, 2, 2, 2, 1])?.long()?;
    /// let mut precision = metrics::Precision::new(3);
    /// precision.update(&predicted, &target)?;
    /// assert!((precision.compute()?.estimate - (1.0 + 0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    Precision, precision, "precision", PRECISION, Macro;

    /// The share of a class's targets that are found: scikit-learn's `recall_score`, torchmetrics' `Recall`. Its macro average
    /// is the balanced accuracy.
    Recall, recall, "recall", RECALL, Macro;

    /// Twice what is right over predictions and targets, the harmonic mean of precision and recall: scikit-learn's `f1_score`,
    /// torchmetrics' `F1Score`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let logits = torch::tensor([[2.0, 0.1, 0.3], [0.2, 1.5, 0.1], [0.3, 0.2, 0.9]])?;
    /// let target = torch::tensor([0, 1, 1])?.long()?;
    /// let mut f1 = metrics::F1Score::new(3).class_names(["cat", "dog", "owl"]);
    /// f1.update(&logits, &target)?;                       // once for each batch
    /// let value = f1.compute()?;                          // the mean over the classes, with its interval
    /// assert!((value.estimate - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    /// f1.per_class()?;                                    // a table
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    F1Score, f1_score, "F1", F1, Macro;

    /// The share of the targets of other classes that are not taken for the class: torchmetrics' `Specificity`.
    Specificity, specificity, "specificity", SPECIFICITY, Macro;

    /// Intersection over union, the Jaccard index: what is right over what is predicted or true. The macro average is the mIoU
    /// of segmentation: scikit-learn's `jaccard_score`, torchmetrics' `JaccardIndex`.
    ///
    /// The counts of all images are added before the ratio is taken, as usual for data sets; the interval is over images.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let logits = torch::randn((2, 3, 8, 8))?;           // [n, classes, height, width]
    /// let target = torch::randint(0, 3, (2, 8, 8))?;      // [n, height, width]
    /// let mut miou = metrics::Iou::new(3).ignore_index(255);
    /// miou.update(&logits, &target)?;
    /// miou.per_class()?;
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    Iou, iou, "IoU", IOU, Macro;

    /// The Dice coefficient: twice the intersection over the sizes of prediction and target. Of counted classes it is F1, by
    /// the name that segmentation has for it; of one image it is torchmetrics' `DiceScore`.
    Dice, dice, "Dice", F1, Macro;
}

/// The share of targets that are met: scikit-learn's `accuracy_score`, torchmetrics' `Accuracy`.
///
/// The default average is [`Average::Micro`], the share of all targets; [`Average::Macro`] is the mean of the classes' recalls.
/// Of single examples the interval is Wilson's, as that of [`accuracy`](patchbay_evaluation::stats::accuracy).
///
/// ```
/// # use patchbay::prelude::*;
/// let mut accuracy = metrics::Accuracy::new(2);
/// for _batch in 0..3 {
///     let logits = torch::tensor([[2.0, 0.1], [0.2, 1.5], [0.3, 0.2]])?;
///     accuracy.update(&logits, &torch::tensor([0, 1, 1])?.long()?)?;
/// }
/// assert_eq!(accuracy.compute()?, patchbay::stats::wilson(6, 9));
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Accuracy {
    counting: Counting,
}

impl Accuracy {
    /// Of so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counting: Counting::new(classes, Average::Micro),
        }
    }

    /// Of two classes: the share of all targets.
    pub fn binary() -> Self {
        Self::new(2)
    }

    /// How the values of the classes become one.
    #[must_use]
    pub fn average(mut self, average: Average) -> Self {
        self.counting.average = average;
        self
    }

    class_settings!();
    class_counts!();

    /// The value with its 95 % interval.
    ///
    /// # Errors
    ///
    /// Fails where no target has been counted, and where scores of the positive class were taken for logits, which all are from
    /// 0 to 1.
    pub fn compute(&self) -> Result<Interval> {
        let (counting, tally) = (&self.counting, &self.counting.tally);
        counting.check("accuracy")?;
        if counting.average == Average::Micro && tally.units.is_empty() {
            let right: u64 = tally.counts.iter().map(|count| count.right).sum();
            return Ok(wilson(right as usize, tally.counted as usize));
        }
        counting.compute("accuracy", &RECALL)
    }

    /// The share of each class's targets that are met.
    ///
    /// # Errors
    ///
    /// As [`Self::compute`].
    pub fn per_class(&self) -> Result<PerClass> {
        self.counting.per_class("accuracy", &RECALL)
    }

    /// The value of one batch alone.
    ///
    /// # Errors
    ///
    /// As [`Self::update`] and [`Self::compute`].
    pub fn of(&self, predictions: &Tensor, target: &Tensor) -> Result<Interval> {
        let mut own = self.clone();
        own.reset();
        own.update(predictions, target)?;
        own.compute()
    }
}

impl Show for Accuracy {
    fn show(&self) -> MimeBundle {
        shown("accuracy", self.compute())
    }
}
