//! Which rows are for training, which for choosing, which for the result.

use std::ops::Range;

use candle_core::bail;

use patchbay_show::Result;

/// A part of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Fitted on; scales come from it, too.
    Train,
    /// Decides when to stop, and which settings are best.
    Validation,
    /// Looked at once.
    Test,
}

/// Rows of the three parts, in order. What is forecast lies within a part; a window's past may reach back into
/// the part before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The rows to train on.
    pub train: Range<usize>,
    /// The rows by which epochs and settings are chosen.
    pub validation: Range<usize>,
    /// The rows that nothing is chosen by.
    pub test: Range<usize>,
}

impl Split {
    /// Of ETTh1 and ETTh2: 12, 4 and 4 months of 30 days, hourly. Zhou et al. 2021; the last 3,020 rows are not
    /// used.
    pub fn ett_hourly() -> Split {
        Split::at([8640, 11_520, 14_400])
    }

    /// Of ETTm1 and ETTm2: the same months, four values an hour.
    pub fn ett_quarter_hourly() -> Split {
        Split::at([34_560, 46_080, 57_600])
    }

    /// The first `train` and the next `validation` of the rows, as shares; the rest is for the test.
    ///
    /// # Errors
    ///
    /// Fails where the shares leave a part empty.
    pub fn shares(rows: usize, train: f64, validation: f64) -> Result<Split> {
        let first = (rows as f64 * train) as usize;
        let second = (rows as f64 * (train + validation)) as usize;
        if first == 0 || second <= first || rows <= second {
            bail!(
                "shares of {train} and {validation} leave a part of {rows} rows empty; usual are 0.7 and 0.1"
            );
        }
        Ok(Split::at([first, second, rows]))
    }

    fn at([first, second, third]: [usize; 3]) -> Split {
        Split {
            train: 0..first,
            validation: first..second,
            test: second..third,
        }
    }

    /// Whether the parts lie in `rows` rows, in order and without an overlap: a part that shares rows with
    /// another gives errors that are too small.
    ///
    /// # Errors
    ///
    /// Fails where they do not, or there are no rows for training.
    pub fn check(&self, rows: usize) -> Result<()> {
        let Split {
            train,
            validation,
            test,
        } = self;
        let whole = "Split::shares(rows, 0.7, 0.1) fits any";
        if [train, validation, test].iter().any(|part| part.end > rows) {
            bail!(
                "the split has rows {train:?}, {validation:?} and {test:?}, the frame has {rows} rows: {whole}"
            );
        }
        if train.is_empty() || validation.start > validation.end || test.start > test.end {
            bail!(
                "the split has rows {train:?}, {validation:?} and {test:?}: a part ends before it begins, or there \
                 are none for training; {whole}"
            );
        }
        if train.end > validation.start || validation.end > test.start {
            bail!(
                "the split's parts must follow each other: training {train:?}, validation {validation:?}, test \
                 {test:?} overlap or are in another order; {whole}"
            );
        }
        Ok(())
    }

    /// The rows of a part.
    pub fn rows(&self, part: Part) -> Range<usize> {
        match part {
            Part::Train => self.train.clone(),
            Part::Validation => self.validation.clone(),
            Part::Test => self.test.clone(),
        }
    }
}
