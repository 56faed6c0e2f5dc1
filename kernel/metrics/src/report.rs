//! Precision, recall and F1 of all classes, as a table.

use candle_core::Tensor;

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show, Table};

use crate::{
    average::Average,
    counting::{Counting, class_counts, class_settings},
    input::classes_of,
    per_class::{PerClass, number},
    ratio::{self, F1, PRECISION, RECALL},
};

/// Counts what [`Report`] is made of: scikit-learn's `classification_report`, batch by batch.
///
/// ```
/// # use patchbay::prelude::*;
/// let predicted = torch::tensor([0, 1, 1, 2, 2, 2])?.long()?;
/// let target = torch::tensor([0, 1, 2, 2, 2, 1])?.long()?;
/// let mut report = metrics::ClassificationReport::new(3).class_names(["cat", "dog", "owl"]);
/// report.update(&predicted, &target)?;
/// report.compute()?;                                   // the last expression: a table
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassificationReport {
    counting: Counting,
}

impl ClassificationReport {
    /// Of so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counting: Counting::new(classes, Average::Macro),
        }
    }

    class_settings!();
    class_counts!();

    /// The report.
    ///
    /// # Errors
    ///
    /// Fails where no target has been counted, and where scores of the positive class were taken for logits, which all are from
    /// 0 to 1.
    pub fn compute(&self) -> Result<Report> {
        let counting = &self.counting;
        let averages = |average| {
            [PRECISION, RECALL, F1]
                .map(|of| ratio::average(&of, &counting.tally, &counting.reading, average))
        };
        Ok(Report {
            precision: counting.per_class("precision", &PRECISION)?,
            recall: counting.per_class("recall", &RECALL)?,
            f1: counting.per_class("F1", &F1)?,
            accuracy: ratio::average(&RECALL, &counting.tally, &counting.reading, Average::Micro),
            macro_average: averages(Average::Macro),
            weighted_average: averages(Average::Weighted),
            targets: counting.tally.counted,
        })
    }
}

/// Precision, recall and F1 of each class and their averages, each with its 95 % interval. The last expression of a cell shows it
/// as a table.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of each class.
    pub precision: PerClass,
    /// Of each class.
    pub recall: PerClass,
    /// Of each class.
    pub f1: PerClass,
    /// The share of all targets that are met.
    pub accuracy: Interval,
    /// The means of precision, recall and F1 over the classes.
    pub macro_average: [Interval; 3],
    /// The same means, each class as often as it is in the targets.
    pub weighted_average: [Interval; 3],
    /// How many targets count.
    pub targets: u64,
}

impl Report {
    /// The table: a row for each class, then the accuracy and the averages. Intervals stand behind their values.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "class",
            "precision",
            "95 % interval",
            "recall",
            "95 % interval",
            "F1",
            "95 % interval",
            "targets",
        ]);
        let mut push = |name: &str, values: [Option<&Interval>; 3], targets: u64| {
            let mut cells = vec![name.to_owned()];
            for value in values {
                match value.filter(|value| !value.estimate.is_nan()) {
                    Some(value) => {
                        cells.push(number(value.estimate, 3));
                        cells.push(format!("{:.2} to {:.2}", value.low, value.high));
                    }
                    None => cells.extend([String::new(), String::new()]),
                }
            }
            cells.push(targets.to_string());
            table.push(cells);
        };
        for (class, name) in self.f1.names.iter().enumerate() {
            let values = [&self.precision, &self.recall, &self.f1];
            push(
                name,
                values.map(|of| of.values.get(class)),
                self.f1.support.get(class).copied().unwrap_or(0),
            );
        }
        push("accuracy", [None, None, Some(&self.accuracy)], self.targets);
        for (name, values) in [
            ("macro average", &self.macro_average),
            ("weighted average", &self.weighted_average),
        ] {
            push(name, values.each_ref().map(Some), self.targets);
        }
        table
    }
}

impl Show for Report {
    fn show(&self) -> MimeBundle {
        self.table().show()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.table().fmt(formatter)
    }
}

/// [`ClassificationReport`] of all predictions at once.
///
/// # Errors
///
/// As [`ClassificationReport::update`].
pub fn classification_report(predictions: &Tensor, target: &Tensor) -> Result<Report> {
    let mut report = ClassificationReport::new(classes_of(predictions, target)?.0);
    report.update(predictions, target)?;
    report.compute()
}
