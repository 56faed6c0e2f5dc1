//! Series side by side: one time column and columns of numbers.

use std::{ops::Range, path::Path};

use candle_core::{Error, bail};
use patchbay_protocol::MimeBundle;

use super::{Frequency, Zone};
use patchbay_show::{Result, Show, Table, show, table::escape, tensor::number};

/// Columns of numbers over times in equal steps, of which some may be steps of a calendar.
///
/// Every value is finite. Where one was missing it lies on the line between its neighbors, and the frame knows that it
/// was not measured: such values are inputs of a forecaster and count neither in losses nor in errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    times: Vec<i64>,
    zone: Zone,
    frequency: Frequency,
    names: Vec<String>,
    columns: Vec<Column>,
    /// What reading left out, for the summary.
    note: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub values: Vec<f64>,
    /// Which values were measured; none: all.
    pub measured: Option<Vec<bool>>,
}

impl Column {
    /// Of values of which those that are NaN are missing.
    fn interpolated(mut values: Vec<f64>) -> Column {
        let measured: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
        if measured.iter().all(|&measured| measured) {
            return Column {
                values,
                measured: None,
            };
        }
        interpolate(&mut values);
        Column {
            values,
            measured: Some(measured),
        }
    }

    fn missing(&self) -> usize {
        let measured = self.measured.iter().flatten();
        measured.filter(|&&measured| !measured).count()
    }
}

impl Frame {
    /// From times (seconds since 1970, ascending, in equal steps or in steps of UTC's calendar: months, business days) and
    /// named columns of as many values.
    ///
    /// # Errors
    ///
    /// Fails where lengths differ, two names are the same, times are not in equal steps, or a value is not finite.
    pub fn new(times: Vec<i64>, columns: Vec<(String, Vec<f64>)>) -> Result<Frame> {
        for (name, column) in &columns {
            if let Some(row) = column.iter().position(|value| !value.is_finite()) {
                bail!(
                    "the column {name} has {} in row {row}{}",
                    column[row],
                    if column[row].is_nan() {
                        "; Frame::with_missing(times, columns) takes NaN for a missing value"
                    } else {
                        ""
                    }
                );
            }
        }
        Frame::with_missing(times, columns)
    }

    /// As [`Frame::new`], where NaN is a missing value: it is interpolated, counted, and never scored.
    ///
    /// # Errors
    ///
    /// As [`Frame::new`], and where a column has no value at all.
    pub fn with_missing(times: Vec<i64>, columns: Vec<(String, Vec<f64>)>) -> Result<Frame> {
        Frame::in_steps(times, columns, Zone::utc(), None)
    }

    /// From a table of `data::read_csv`: its column of times, which must ascend in equal steps, and these of numbers. What is missing
    /// is interpolated.
    ///
    /// # Errors
    ///
    /// Fails as [`Frame::with_missing`], and where there are no such columns or `time` has no times.
    pub fn from_table(table: &patchbay_data::Frame, time: &str, columns: &[&str]) -> Result<Frame> {
        let times = table.column(time)?;
        let patchbay_data::Values::Time(seconds) = times.values() else {
            bail!(
                "the column {time} is of the type {}; expected times: read it with data::CsvOptions {{ types: \
                 vec![(\"{time}\".into(), data::ColumnType::Time)], ..Default::default() }}",
                times.column_type().name()
            );
        };
        if times.missing() > 0 {
            bail!("the column {time} misses {} times", times.missing());
        }
        let columns = columns
            .iter()
            .map(|name| Ok((String::from(*name), table.column(name)?.numbers()?)))
            .collect::<Result<_>>()?;
        Frame::in_steps(seconds.clone(), columns, times.zone().clone(), None)
    }

    /// The series as a table, with the times as a column `time`; what was interpolated is missing there.
    ///
    /// # Errors
    ///
    /// Fails where a series is named `time`.
    pub fn to_table(&self) -> Result<patchbay_data::Frame> {
        let mut columns = vec![
            patchbay_data::Column::times("time", self.times.clone()).in_zone(self.zone.clone()),
        ];
        for (name, column) in self.names.iter().zip(&self.columns) {
            let is_measured = |row: usize| {
                column
                    .measured
                    .as_ref()
                    .is_none_or(|measured| measured[row])
            };
            let values = column.values.iter().enumerate();
            let values =
                values.map(|(row, &value)| if is_measured(row) { value } else { f64::NAN });
            columns.push(patchbay_data::Column::floats(name, values.collect()));
        }
        patchbay_data::Frame::new(columns)
    }

    /// With a step that is known, or else the one that most times have.
    pub(super) fn in_steps(
        times: Vec<i64>,
        columns: Vec<(String, Vec<f64>)>,
        zone: Zone,
        frequency: Option<Frequency>,
    ) -> Result<Frame> {
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
            if let Some(row) = column.iter().position(|value| value.is_infinite()) {
                bail!("the column {name} has {} in row {row}", column[row]);
            }
            if !column.is_empty() && column.iter().all(|value| value.is_nan()) {
                bail!(
                    "the column {name} has no value; leave it out with frame.without(&[\"{name}\"])"
                );
            }
        }
        let frequency = frequency.unwrap_or_else(|| Frequency::infer(&times, &zone));
        if let Some(row) = (1..times.len())
            .find(|&row| frequency.steps(times[row - 1], times[row], &zone) != Some(1))
        {
            bail!(
                "times must ascend in equal steps; row {row} is {} after {}, the others are in steps of {frequency}",
                zone.format(times[row]),
                zone.format(times[row - 1])
            );
        }
        let (names, columns) = columns
            .into_iter()
            .map(|(name, values)| (name, Column::interpolated(values)))
            .unzip();
        Ok(Frame {
            times,
            zone,
            frequency,
            names,
            columns,
            note: String::new(),
        })
    }

    pub(super) fn with_note(mut self, note: String) -> Frame {
        self.note = note;
        self
    }

    /// Writes a file that [`Frame::read_csv`] reads: a column `time`, as the frame's clock shows it and with its offset where
    /// that is not UTC, and the others. What was not measured is left empty.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be written.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |error: &dyn std::fmt::Display| {
            Error::Msg(format!("{} cannot be written: {error}", path.display()))
        };
        let mut writer = csv::Writer::from_path(path).map_err(|error| failed(&error))?;
        let head = std::iter::once("time").chain(self.names.iter().map(String::as_str));
        writer.write_record(head).map_err(|error| failed(&error))?;
        for (row, &time) in self.times.iter().enumerate() {
            let values = self.columns.iter().map(|column| {
                match column
                    .measured
                    .as_ref()
                    .is_none_or(|measured| measured[row])
                {
                    true => column.values[row].to_string(),
                    false => String::new(),
                }
            });
            let record: Vec<String> = std::iter::once(self.zone.format_with_offset(time))
                .chain(values)
                .collect();
            writer
                .write_record(&record)
                .map_err(|error| failed(&error))?;
        }
        writer.flush().map_err(|error| failed(&error))
    }

    /// Seconds since 1970.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// By which clock calendar features are read and times are shown.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The step from one row to the next.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// The same times by another clock: `frame.in_zone(&Zone::named("Europe/Berlin")?)` where the file has UTC and the rhythm
    /// is that of Berlin's days.
    ///
    /// # Errors
    ///
    /// Fails where the times are in equal steps by neither clock.
    pub fn in_zone(&self, zone: &Zone) -> Result<Frame> {
        let mut frame = self.clone();
        frame.zone = zone.clone();
        frame.frequency = match self.frequency {
            Frequency::Seconds(_) => self.frequency,
            _ => Frequency::infer(&self.times, zone),
        };
        let steps = |pair: &[i64]| frame.frequency.steps(pair[0], pair[1], zone);
        if self.times.windows(2).any(|pair| steps(pair) != Some(1)) {
            bail!(
                "times in steps of {} by the clock of {} are in no equal steps by that of {}: read the file with \
                 CsvOptions {{ zone: Some(\"{}\".into()), ..Default::default() }}",
                self.frequency,
                self.zone.name(),
                zone.name(),
                zone.name()
            );
        }
        Ok(frame)
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
        Ok(&self.find(name)?.values)
    }

    /// Which values of a column were measured; the others were interpolated.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn measured(&self, name: &str) -> Result<Vec<bool>> {
        let column = self.find(name)?;
        Ok(column
            .measured
            .clone()
            .unwrap_or_else(|| vec![true; self.rows()]))
    }

    /// How many values of all columns were interpolated.
    pub fn interpolated(&self) -> usize {
        self.columns.iter().map(Column::missing).sum()
    }

    pub(super) fn find(&self, name: &str) -> Result<&Column> {
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
    /// Fails where there is no such column, or it is named twice.
    pub fn select(&self, names: &[&str]) -> Result<Frame> {
        if names.is_empty() {
            bail!("a frame needs a column of numbers");
        }
        if let Some(name) = names
            .iter()
            .enumerate()
            .find_map(|(index, name)| names[..index].contains(name).then_some(name))
        {
            bail!("two columns are named {name}; name them differently");
        }
        let columns = names
            .iter()
            .map(|name| Ok(self.find(name)?.clone()))
            .collect::<Result<_>>()?;
        Ok(Frame {
            names: names.iter().map(|name| String::from(*name)).collect(),
            columns,
            ..self.clone()
        })
    }

    /// All columns but these.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, or none is left.
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

    /// These rows only.
    ///
    /// # Errors
    ///
    /// Fails where there are no such rows.
    pub fn slice(&self, rows: Range<usize>) -> Result<Frame> {
        if rows.start > rows.end || rows.end > self.rows() {
            bail!("there are no rows {rows:?}; there are {}", self.rows());
        }
        let columns = self
            .columns
            .iter()
            .map(|column| Column {
                values: column.values[rows.clone()].to_vec(),
                measured: column
                    .measured
                    .as_ref()
                    .map(|measured| measured[rows.clone()].to_vec()),
            })
            .collect();
        Ok(Frame {
            times: self.times[rows].to_vec(),
            columns,
            ..self.clone()
        })
    }

    fn table(&self) -> Table {
        let mut head = vec!["column", "first", "last", "lowest", "mean", "highest"];
        let some_are_missing = self.interpolated() > 0;
        if some_are_missing {
            head.push("interpolated");
        }
        let mut table = Table::new(head);
        for (name, column) in self.names.iter().zip(&self.columns) {
            let values = &column.values;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let mut row = vec![
                name.clone(),
                values.first().map_or_else(String::new, |&x| number(x)),
                values.last().map_or_else(String::new, |&x| number(x)),
                number(values.iter().copied().fold(f64::INFINITY, f64::min)),
                number(mean),
                number(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            ];
            if some_are_missing {
                row.push(column.missing().to_string());
            }
            table.push(row);
        }
        table
    }

    fn summary(&self) -> String {
        let note = match self.note.is_empty() {
            true => String::new(),
            false => format!("; {}", self.note),
        };
        let missing = match self.interpolated() {
            0 => String::new(),
            count => format!("; {count} values were missing and are interpolated"),
        };
        match (self.times.first(), self.times.last()) {
            (Some(&first), Some(&last)) => format!(
                "{} rows, {} to {}, step {}{}{missing}{note}",
                self.rows(),
                self.zone.format(first),
                self.zone.format(last),
                self.frequency,
                match self.zone.name().as_str() {
                    "UTC" => String::new(),
                    name => format!(", {name}"),
                }
            ),
            _ => format!("0 rows{note}"),
        }
    }
}

/// Puts what is NaN on the line between its neighbors; at the ends it is the nearest value.
fn interpolate(column: &mut [f64]) {
    let known: Vec<usize> = (0..column.len())
        .filter(|&row| !column[row].is_nan())
        .collect();
    let (Some(&first), Some(&last)) = (known.first(), known.last()) else {
        return;
    };
    let (start, end) = (column[first], column[last]);
    column[..first].fill(start);
    column[last..].fill(end);
    for pair in known.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let slope = (column[to] - column[from]) / (to - from) as f64;
        for row in from + 1..to {
            column[row] = column[from] + slope * (row - from) as f64;
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
