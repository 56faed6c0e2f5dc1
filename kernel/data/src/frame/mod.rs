//! Tables: named columns of as many values, each of one type.

mod categories;
mod column;
mod csv_file;
mod csv_options;
mod describe;
mod scaler;
mod tensors;

use candle_core::bail;
use patchbay_protocol::MimeBundle;
use patchbay_show::{Result, Show, Table, show, table::escape, tensor::number};

pub use categories::Categories;
pub use column::{Column, ColumnType, Values};
pub use csv_file::{read_csv, read_csv_with};
pub use csv_options::CsvOptions;
pub use scaler::StandardScaler;

/// A table: named columns of as many values, of which some may be missing.
///
/// ```
/// use patchbay::prelude::*;
/// let frame = data::Frame::new(vec![
///     data::Column::floats("height", vec![1.6, 1.8, f64::NAN]),
///     data::Column::texts("eyes", vec!["blue", "brown", "blue"]),
/// ])?;
/// assert_eq!((frame.rows(), frame.column("height")?.missing()), (3, 1));
/// assert_eq!(frame.head(2).rows(), 2);
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<Column>,
    rows: usize,
}

/// More rows are shown as the first and the last of them.
const SHOWN: usize = 10;

impl Frame {
    /// Of columns.
    ///
    /// # Errors
    ///
    /// Fails where lengths differ or two columns have one name.
    pub fn new(columns: Vec<Column>) -> Result<Frame> {
        let rows = columns.first().map_or(0, Column::len);
        for (index, column) in columns.iter().enumerate() {
            if column.len() != rows {
                bail!(
                    "the column {} has {} values and {} has {rows}: each needs a value for each row",
                    column.name(),
                    column.len(),
                    columns[0].name()
                );
            }
            if columns[..index]
                .iter()
                .any(|known| known.name() == column.name())
            {
                bail!(
                    "two columns are named {}; name them differently",
                    column.name()
                );
            }
        }
        Ok(Frame { columns, rows })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns' names.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(Column::name).collect()
    }

    /// A column.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, and lists those that there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        match self.columns.iter().find(|column| column.name() == name) {
            Some(column) => Ok(column),
            None => bail!(
                "there is no column {name}; the columns are {}",
                self.names().join(", ")
            ),
        }
    }

    /// The texts of a column.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, and at missing values.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let column = self.column(name)?;
        column.refuse_missing()?;
        Ok((0..self.rows).map(|row| column.text(row)).collect())
    }

    /// These columns only, in this order.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, or it is named twice.
    pub fn select(&self, names: &[&str]) -> Result<Frame> {
        let columns = names.iter().map(|name| Ok(self.column(name)?.clone()));
        let mut frame = Frame::new(columns.collect::<Result<_>>()?)?;
        frame.rows = self.rows;
        Ok(frame)
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
        let columns = self
            .columns
            .iter()
            .filter(|column| !names.contains(&column.name()));
        Ok(Frame {
            columns: columns.cloned().collect(),
            rows: self.rows,
        })
    }

    /// With this column, in the place of the one of its name where there is one.
    ///
    /// # Errors
    ///
    /// Fails where it has not a value for each row.
    pub fn with(&self, column: Column) -> Result<Frame> {
        let mut columns = self.columns.clone();
        match columns
            .iter_mut()
            .find(|known| known.name() == column.name())
        {
            Some(old) => *old = column,
            None => columns.push(column),
        }
        Frame::new(columns)
    }

    /// These rows, in this order: the parts of [`split`](crate::split), for instance.
    ///
    /// # Errors
    ///
    /// Fails where there is no such row.
    pub fn take(&self, rows: &[usize]) -> Result<Frame> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows) {
            bail!("there is no row {row}; there are {}", self.rows);
        }
        Ok(Frame {
            columns: self
                .columns
                .iter()
                .map(|column| column.take(rows))
                .collect(),
            rows: rows.len(),
        })
    }

    /// The first rows, at most `count`.
    pub fn head(&self, count: usize) -> Frame {
        let rows: Vec<usize> = (0..count.min(self.rows)).collect();
        Frame {
            columns: self
                .columns
                .iter()
                .map(|column| column.take(&rows))
                .collect(),
            rows: rows.len(),
        }
    }

    /// The rows in which none of these columns misses a value; of all columns where `names` is empty.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn drop_missing(&self, names: &[&str]) -> Result<Frame> {
        let columns: Vec<&Column> = match names {
            [] => self.columns.iter().collect(),
            names => names
                .iter()
                .map(|name| self.column(name))
                .collect::<Result<_>>()?,
        };
        let rows: Vec<usize> = (0..self.rows)
            .filter(|&row| !columns.iter().any(|column| column.is_missing(row)))
            .collect();
        self.take(&rows)
    }

    /// Puts a number where this column misses one.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, or it is none of numbers.
    pub fn fill_missing(&self, name: &str, value: f64) -> Result<Frame> {
        let column = self.column(name)?;
        let mut numbers = column.numbers()?;
        numbers
            .iter_mut()
            .filter(|number| number.is_nan())
            .for_each(|number| *number = value);
        self.with(Column::floats(name, numbers))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(std::iter::once("").chain(self.names()));
        let rows: Vec<Option<usize>> = match self.rows > SHOWN {
            true => (0..SHOWN / 2)
                .map(Some)
                .chain([None])
                .chain((self.rows - SHOWN / 2..self.rows).map(Some))
                .collect(),
            false => (0..self.rows).map(Some).collect(),
        };
        for row in rows {
            table.push(match row {
                Some(row) => std::iter::once(row.to_string())
                    .chain(self.columns.iter().map(|column| column.shown(row)))
                    .collect::<Vec<_>>(),
                None => vec!["...".to_owned(); self.columns.len() + 1],
            });
        }
        table
    }

    fn summary(&self) -> String {
        let types: Vec<String> = self
            .columns
            .iter()
            .map(|column| match column.missing() {
                0 => format!("{} {}", column.name(), column.column_type().name()),
                missing => format!(
                    "{} {} ({missing} missing)",
                    column.name(),
                    column.column_type().name()
                ),
            })
            .collect();
        format!(
            "{} rows, {} columns: {}",
            self.rows,
            self.columns.len(),
            types.join(", ")
        )
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.summary(), self.table())
    }
}

impl Show for Frame {
    fn show(&self) -> MimeBundle {
        show::bundle(
            self.to_string(),
            "text/html",
            format!(
                "<div>{}</div>{}",
                escape(&self.summary()),
                self.table().to_html()
            ),
        )
    }
}

fn shown_number(value: f64) -> String {
    number(value)
}
