//! A value for each class, as a table.

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Show, Table};

/// A value for each class, with its 95 % interval and the number of its targets. The last expression of a cell shows it as a
/// table.
#[derive(Clone, Debug)]
pub struct PerClass {
    /// What is measured.
    pub metric: String,
    /// The names of the classes, or their numbers.
    pub names: Vec<String>,
    /// The values; NaN of a class that is in neither predictions nor targets.
    pub values: Vec<Interval>,
    /// How many targets each class has.
    pub support: Vec<u64>,
}

impl PerClass {
    /// The table: class, value, the ends of the interval, targets.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["class", &self.metric, "low", "high", "targets"]);
        for ((name, value), support) in self.names.iter().zip(&self.values).zip(&self.support) {
            table.push([
                name.clone(),
                number(value.estimate, 4),
                number(value.low, 3),
                number(value.high, 3),
                support.to_string(),
            ]);
        }
        table
    }

    /// The estimates, without their intervals.
    pub fn estimates(&self) -> Vec<f64> {
        self.values.iter().map(|value| value.estimate).collect()
    }
}

impl Show for PerClass {
    fn show(&self) -> MimeBundle {
        self.table().show()
    }
}

impl std::fmt::Display for PerClass {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.table().fmt(formatter)
    }
}

/// A number of a table; nothing where there is none.
pub(crate) fn number(value: f64, places: usize) -> String {
    match value.is_nan() {
        true => String::new(),
        false => format!("{value:.places$}"),
    }
}

/// The names of classes: those that were given, or numbers.
pub(crate) fn names(given: &[String], classes: usize) -> Vec<String> {
    match given.is_empty() {
        true => (0..classes).map(|class| class.to_string()).collect(),
        false => given.to_vec(),
    }
}
