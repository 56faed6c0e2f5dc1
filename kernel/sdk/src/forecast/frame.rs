//! Series side by side: one time column and columns of numbers.

use candle_core::bail;
use patchbay_protocol::MimeBundle;

use super::{CsvOptions, csv_file, format_time};
use crate::{Result, Show, Table, show, table::escape, tensor::number};

/// Columns of numbers over equidistant times.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    times: Vec<i64>,
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
    /// Columns of the file that are text.
    left_out: Vec<String>,
}

impl Frame {
    /// From times (seconds since 1970, ascending and equidistant) and named columns of as many values.
    ///
    /// # Errors
    ///
    /// Fails where lengths differ, two names are the same, times are not equidistant, or a value is not finite.
    pub fn new(times: Vec<i64>, columns: Vec<(String, Vec<f64>)>) -> Result<Frame> {
        if columns.is_empty() {
            bail!("a frame needs a column of numbers");
        }
        if let Some((name, column)) = columns
            .iter()
            .find(|(_, column)| column.len() != times.len())
        {
            bail!(
                "the column {name} has {} values for {} times",
                column.len(),
                times.len()
            );
        }
        for (index, (name, column)) in columns.iter().enumerate() {
            if columns[..index].iter().any(|(known, _)| known == name) {
                bail!("two columns are named {name}; name them differently");
            }
            if let Some(row) = column.iter().position(|value| !value.is_finite()) {
                bail!("the column {name} has {} in row {row}", column[row]);
            }
        }
        if let Some(row) = (2..times.len())
            .find(|&row| times[row].checked_sub(times[row - 1]) != times[1].checked_sub(times[0]))
            .or_else(|| (times.len() > 1 && times[1] <= times[0]).then_some(1))
        {
            bail!(
                "times must ascend in equal steps; row {row} is {} after {}",
                format_time(times[row]),
                format_time(times[row - 1])
            );
        }
        let (names, columns) = columns.into_iter().unzip();
        Ok(Frame {
            times,
            names,
            columns,
            left_out: Vec::new(),
        })
    }

    pub(super) fn with_left_out(mut self, names: Vec<String>) -> Frame {
        self.left_out = names;
        self
    }

    /// Reads a file with a head; the first column whose first value is a time is the time column, and columns
    /// at least half of whose values are numbers are series. Other columns are left out, which the frame says when it
    /// is shown.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, and at missing values, bad values and gaps, by line and column.
    pub fn read_csv(path: &str) -> Result<Frame> {
        Frame::read_csv_with(path, &CsvOptions::default())
    }

    /// [`Frame::read_csv`] that is told which column has the time and what to do with what is missing.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_csv_with(path: &str, options: &CsvOptions) -> Result<Frame> {
        csv_file::read(path, options)
    }

    /// Seconds since 1970.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The columns' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many times there are.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// The values of a column.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn column(&self, name: &str) -> Result<&[f64]> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(&self.columns[index]),
            None => bail!(
                "there is no column {name}; the columns are {}",
                self.names.join(", ")
            ),
        }
    }

    /// These columns only.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn select(&self, names: &[&str]) -> Result<Frame> {
        let columns = names
            .iter()
            .map(|name| Ok((String::from(*name), self.column(name)?.to_vec())))
            .collect::<Result<_>>()?;
        Frame::new(self.times.clone(), columns)
    }

    /// All columns but these.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn without(&self, names: &[&str]) -> Result<Frame> {
        for name in names {
            self.column(name)?;
        }
        let rest: Vec<&str> = self
            .names
            .iter()
            .map(String::as_str)
            .filter(|name| !names.contains(name))
            .collect();
        self.select(&rest)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["column", "first", "last", "lowest", "mean", "highest"]);
        for (name, column) in self.names.iter().zip(&self.columns) {
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            table.push([
                name.clone(),
                column.first().map_or_else(String::new, |&x| number(x)),
                column.last().map_or_else(String::new, |&x| number(x)),
                number(column.iter().copied().fold(f64::INFINITY, f64::min)),
                number(mean),
                number(column.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            ]);
        }
        table
    }

    fn summary(&self) -> String {
        let left_out = match &self.left_out[..] {
            [] => String::new(),
            names => format!("; left out, not numbers: {}", names.join(", ")),
        };
        match (self.times.first(), self.times.last()) {
            (Some(&first), Some(&last)) => format!(
                "{} rows, {} to {}{left_out}",
                self.rows(),
                format_time(first),
                format_time(last)
            ),
            _ => format!("0 rows{left_out}"),
        }
    }
}

impl Show for Frame {
    fn show(&self) -> MimeBundle {
        show::bundle(
            format!("{}\n{}", self.summary(), self.table()),
            "text/html",
            format!(
                "<div>{}</div>{}",
                escape(&self.summary()),
                self.table().to_html()
            ),
        )
    }
}
