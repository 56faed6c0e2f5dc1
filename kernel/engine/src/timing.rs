//! Timing of a part of a cell.

/// Whether and how a part is timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// It is not timed.
    #[default]
    No,
    /// `%time`: once.
    Once,
    /// `%timeit`: many times, with the mean and the spread.
    Repeated,
}
