//! What the columns of a frame are like.

use std::collections::HashMap;

use patchbay_show::Table;

use super::{Column, ColumnType, Frame, shown_number};

/// The value below which a part of the sorted values lies, on the line between neighbors, as NumPy and pandas have it.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * share
}

impl Frame {
    /// A row for each column: type, how many values are there and are missing, and of numbers mean, standard deviation (of a sample), least, quartiles and
    /// greatest, as pandas' `describe`; of times first and last; of texts how many differ and the most frequent.
    ///
    /// ```
    /// use patchbay::prelude::*;
    /// let frame = data::Frame::new(vec![data::Column::floats("x", vec![1.0, 2.0, 3.0, 4.0])])?;
    /// assert!(frame.describe().to_string().contains("1.75"));
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn describe(&self) -> Table {
        let mut table = Table::new([
            "column", "type", "count", "missing", "mean", "std", "min", "25%", "50%", "75%", "max",
            "unique", "top", "freq",
        ]);
        for column in &self.columns {
            let missing = column.missing();
            let mut row = vec![
                column.name().to_owned(),
                column.column_type().name().to_owned(),
                (self.rows - missing).to_string(),
                missing.to_string(),
            ];
            row.extend(of_numbers(column));
            row.extend(of_texts(column));
            table.push(row);
        }
        table
    }
}

fn of_numbers(column: &Column) -> Vec<String> {
    let empty = vec![String::new(); 7];
    let Ok(numbers) = column.numbers() else {
        return empty;
    };
    let mut sorted: Vec<f64> = numbers
        .into_iter()
        .filter(|number| !number.is_nan())
        .collect();
    if sorted.is_empty() {
        return empty;
    }
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let quartiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| quantile(&sorted, part));
    if column.column_type() == ColumnType::Time {
        let times = quartiles.map(|time| column.zone().format(time as i64));
        return [String::new(), String::new()]
            .into_iter()
            .chain(times)
            .collect();
    }
    let mean = sorted.iter().sum::<f64>() / count;
    let squares: f64 = sorted.iter().map(|number| (number - mean).powi(2)).sum();
    let deviation = match sorted.len() {
        1 => String::new(),
        _ => shown_number((squares / (count - 1.0)).sqrt()),
    };
    [shown_number(mean), deviation]
        .into_iter()
        .chain(quartiles.map(shown_number))
        .collect()
}

fn of_texts(column: &Column) -> Vec<String> {
    if !matches!(column.column_type(), ColumnType::Text | ColumnType::Boolean) {
        return vec![String::new(); 3];
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for row in (0..column.len()).filter(|&row| !column.is_missing(row)) {
        *counts.entry(column.text(row)).or_default() += 1;
    }
    // Of equals the first in the alphabet.
    let top = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
    match top {
        Some((text, count)) => vec![counts.len().to_string(), text.clone(), count.to_string()],
        None => vec![String::new(); 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (part, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&values, part) - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[3.0], 0.25), 3.0);
    }
}
