//! How the values of several classes become one.

/// How the values of several classes become one, by scikit-learn's and torchmetrics' names. The values themselves, their
/// `average="none"`, are what `per_class()` gives.
///
/// A class that is in neither predictions nor targets has no value and counts in no average. So does the class that
/// `ignore_index` names. A class of which one value has the denominator 0 (the precision of a class that is never predicted, the
/// recall of one that is in no target) has the value 0 there, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean over the classes, each counting alike.
    Macro,
    /// Of the counts of all classes together: each target counts alike.
    Micro,
    /// The mean over the classes, each as often as it is in the targets.
    Weighted,
    /// The value of class 1 of two: the positive one.
    Binary,
}
