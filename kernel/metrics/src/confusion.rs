//! Confusion matrices as counts.

use candle_core::{Device, Tensor, bail};

use patchbay_show::{MimeBundle, Result, Show, Table, show::plain_text};

use crate::{
    average::Average,
    counting::{Counting, class_settings},
    input::{IGNORED, classes_of},
    per_class::names,
    tally::Pairs,
};

/// How often each true class (rows) was predicted as each (columns): scikit-learn's and torchmetrics' confusion matrix.
/// [`plot::confusion_matrix`](patchbay_show::plot::confusion_matrix) draws one.
///
/// ```
/// # use patchbay::prelude::*;
/// let predicted = torch::tensor([0, 1, 1, 2])?.long()?;
/// let target = torch::tensor([0, 1, 2, 2])?.long()?;
/// let matrix = metrics::confusion_matrix(&predicted, &target)?;
/// assert_eq!(matrix.counts(), [[1, 0, 0], [0, 1, 0], [0, 1, 1]]);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConfusionMatrix {
    counting: Counting,
    pairs: Pairs,
}

impl ConfusionMatrix {
    /// Of so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counting: Counting::new(classes, Average::Micro),
            pairs: Pairs::new(classes),
        }
    }

    class_settings!();

    /// Counts a batch, given as [`Accuracy::update`](crate::Accuracy::update) takes it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update(&mut self, predictions: &Tensor, target: &Tensor) -> Result<()> {
        let labels = self.counting.read(predictions, target)?;
        let classes = self.counting.reading.classes;
        let pairs = labels.target.iter().zip(&labels.predicted);
        for (&target, &predicted) in pairs.filter(|&(&target, _)| target != IGNORED) {
            self.pairs.add(classes, target, predicted, 1);
        }
        Ok(())
    }

    /// Whether what was counted is what it was taken for.
    ///
    /// # Errors
    ///
    /// Fails where scores of the positive class were taken for logits, which all are from 0 to 1.
    pub fn compute(&self) -> Result<Vec<Vec<u64>>> {
        self.counting
            .looks
            .check(&self.counting.reading, "the scores")?;
        Ok(self.counts())
    }

    /// The counts, `[true][predicted]`.
    pub fn counts(&self) -> Vec<Vec<u64>> {
        let classes = self.counting.reading.classes;
        let mut counts = vec![vec![0; classes]; classes];
        for (target, predicted, count) in self.pairs.all(classes) {
            counts[target][predicted] = count;
        }
        counts
    }

    /// The counts as a tensor `[classes, classes]` of i64, true classes in rows.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be made.
    pub fn tensor(&self) -> Result<Tensor> {
        let classes = self.counting.reading.classes;
        let counts = self.counts().concat();
        let counts: Vec<i64> = counts.into_iter().map(|count| count as i64).collect();
        Tensor::from_vec(counts, (classes, classes), &Device::Cpu)
    }

    /// The share of each true class that was predicted as each, `[true][predicted]`; NaN in rows of classes without targets.
    pub fn shares(&self) -> Vec<Vec<f64>> {
        let share = |row: Vec<u64>| {
            let sum = row.iter().sum::<u64>() as f64;
            row.into_iter().map(|count| count as f64 / sum).collect()
        };
        self.counts().into_iter().map(share).collect()
    }

    /// The counts as a table.
    pub fn table(&self) -> Table {
        let names = names(&self.counting.names, self.counting.reading.classes);
        let mut table = Table::new(
            std::iter::once("true \\ predicted").chain(names.iter().map(String::as_str)),
        );
        for (name, row) in names.iter().zip(self.counts()) {
            let cells = row.iter().map(u64::to_string);
            table.push(std::iter::once(name.clone()).chain(cells));
        }
        table
    }

    /// Forgets what was counted; the settings stay.
    pub fn reset(&mut self) {
        self.counting.reset();
        self.pairs = Pairs::new(self.counting.reading.classes);
    }

    /// Adds what another one has counted, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where the settings differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.counting.merge(&other.counting)?;
        self.pairs
            .merge(self.counting.reading.classes, &other.pairs);
        Ok(())
    }
}

impl Show for ConfusionMatrix {
    /// A table, or a line where it would have more than 40 columns.
    fn show(&self) -> MimeBundle {
        const MOST: usize = 40;
        let classes = self.counting.reading.classes;
        if classes <= MOST {
            return self.table().show();
        }
        let pairs = self.pairs.all(classes);
        let all: u64 = pairs.iter().map(|(_, _, count)| count).sum();
        let right = pairs
            .iter()
            .filter(|(target, predicted, _)| target == predicted);
        let right: u64 = right.map(|(_, _, count)| count).sum();
        plain_text(format!(
            "a confusion matrix of {classes} classes: {right} of {all} right (`plot::confusion_matrix` draws it)"
        ))
    }
}

/// [`ConfusionMatrix`] of all predictions at once.
///
/// # Errors
///
/// As [`ConfusionMatrix::update`], and where there are more than 4096 classes.
pub fn confusion_matrix(predictions: &Tensor, target: &Tensor) -> Result<ConfusionMatrix> {
    const MOST: usize = 4096;
    let (classes, _) = classes_of(predictions, target)?;
    if classes > MOST {
        bail!(
            "a confusion matrix of {classes} classes has {} counts: make one of that size by `ConfusionMatrix::new({classes})` \
             where that is meant, or say by `.ignore_index(..)` which targets do not count",
            classes * classes
        );
    }
    let mut matrix = ConfusionMatrix::new(classes);
    matrix.update(predictions, target)?;
    matrix.compute()?;
    Ok(matrix)
}
