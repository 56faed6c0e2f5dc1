//! How a CSV file is read.

use super::ColumnType;

/// How [`read_csv_with`](super::read_csv_with) reads a file. What is none is seen in the file.
#[derive(Clone, Debug, Default)]
pub struct CsvOptions {
    /// What stands between fields; none: the one of `,`, `;`, tab and `|` that the first line has most of. (pandas' `sep`.)
    pub delimiter: Option<char>,
    /// The decimal point; none: a comma where fields are not separated by commas and numbers have one.
    pub decimal: Option<char>,
    /// What stands between thousands, which is left out; none: nothing does.
    pub thousands: Option<char>,
    /// What texts are quoted with; none: `"`.
    pub quote: Option<char>,
    /// The file's encoding: `utf-8`, `windows-1252`, `iso-8859-15`, `utf-16le`, `shift_jis` and so on (those of the web). None: UTF-8, or UTF-16
    /// where the file begins with its mark; anything else is an error that says where.
    pub encoding: Option<String>,
    /// Further texts that are missing values, beside the empty one, `NA`, `N/A`, `NaN`, `null` and `none`. (pandas' `na_values`.)
    pub missing: Vec<String>,
    /// The columns that are wanted, in this order; empty: all. (pandas' `usecols`.)
    pub columns: Vec<String>,
    /// The types of columns, by their names; others are seen in the values. (pandas' `dtype`.)
    pub types: Vec<(String, ColumnType)>,
    /// Whether `01/07/2016` is the first of July; none: as a row shows that has a number above 12, or else such columns are text. (pandas'
    /// `dayfirst`.)
    pub day_first: Option<bool>,
    /// The zone of times without an offset, `Europe/Berlin` for instance; none: UTC.
    pub zone: Option<String>,
    /// Names for the columns of a file whose first line is a row already. (pandas' `header=None, names=...`.)
    pub names: Option<Vec<String>>,
}
