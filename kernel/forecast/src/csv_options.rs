//! How a CSV file is read.

use super::Frequency;

/// What becomes of values and rows that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// They are an error.
    #[default]
    Refuse,
    /// They lie on the line between their neighbors; at the ends they are the nearest value. The frame counts them, and
    /// no loss and no error is taken on them. A file may lack as many rows as it has, or a thousand.
    Interpolate,
}

/// How [`Frame::read_csv_with`](super::Frame::read_csv_with) reads a file. What is none is seen in the file.
#[derive(Clone, Debug, Default)]
pub struct CsvOptions {
    /// The time column's name; none: the first column that begins with a time.
    pub time: Option<String>,
    /// What becomes of empty fields (also `NA`, `NaN`, `null`) and of missing times.
    pub missing: Missing,
    /// The zone of times without an offset, and the clock of calendar features: `Europe/Berlin`. None: UTC, or the offset
    /// that all times have.
    pub zone: Option<String>,
    /// A file in long format, with a row for each time and series: the column that says which series. (pandas'
    /// `pivot(index=time, columns=id, values=value)`.)
    pub id: Option<String>,
    /// The column of a file in long format that holds the values; none: the only one of numbers.
    pub value: Option<String>,
    /// What stands between fields; none: the one of `,`, `;`, tab and `|` that the head has most of. (pandas' `sep`.)
    pub delimiter: Option<char>,
    /// The decimal point; none: a comma where fields are not separated by commas and numbers have one.
    pub decimal: Option<char>,
    /// What stands between thousands, which is left out; none: nothing does.
    pub thousands: Option<char>,
    /// Whether `01/07/2016` is the first of July; none: as a row shows that has a number above 12. (pandas' `dayfirst`.)
    pub day_first: Option<bool>,
    /// How times are written, as for `strptime`: `%d.%m.%Y %H:%M`.
    pub time_format: Option<String>,
    /// The step between rows; none: the one that most have.
    pub frequency: Option<Frequency>,
}
