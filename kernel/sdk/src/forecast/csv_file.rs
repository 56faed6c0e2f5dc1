//! Frames from CSV files, with errors that name lines and columns.

use std::fmt::Write as _;

use candle_core::{Error, bail};

use super::{Frame, format_time, parse_time};
use crate::Result;

/// What becomes of values and rows that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// They are an error.
    #[default]
    Refuse,
    /// They lie on the line between their neighbours; at the ends they are the nearest value. A file may lack as
    /// many rows as it has, or a thousand.
    Interpolate,
}

/// How [`Frame::read_csv_with`] reads a file.
#[derive(Clone, Debug, Default)]
pub struct CsvOptions {
    /// The time column's name; none: the first column that begins with a time.
    pub time: Option<String>,
    /// What becomes of empty fields (also `NA`, `NaN`, `null`) and of missing times.
    pub missing: Missing,
}

/// An error names this many places.
const SHOWN: usize = 5;

/// Files with fewer rows than this may lack so many.
const FEW: usize = 1000;

/// Places in a file where something is wrong.
struct Problems {
    path: String,
    shown: Vec<String>,
    count: usize,
}

impl Problems {
    fn note(&mut self, line: u64, what: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("line {line}: {what}"));
        }
    }

    /// An error if something was noted; `hint` says what to do.
    fn check(&self, hint: &str) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let mut text = format!("{} has {} bad places", self.path, self.count);
        for place in &self.shown {
            let _ = write!(text, "\n  {place}");
        }
        if self.count > self.shown.len() {
            let _ = write!(text, "\n  and {} more", self.count - self.shown.len());
        }
        bail!("{text}\n{hint}")
    }
}

struct Row {
    line: u64,
    time: i64,
    /// NaN where a value is missing.
    values: Vec<f64>,
}

pub(super) fn read(path: &str, options: &CsvOptions) -> Result<Frame> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| Error::Msg(format!("{path} cannot be read: {error}")))?;
    let head = reader
        .headers()
        .map_err(|error| Error::Msg(format!("{path} has no head: {error}")))?
        .clone();
    let mut records = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|error| Error::Msg(format!("{path}: {error}")))?);
    }
    let Some(first) = records.first() else {
        bail!("{path} has no rows below its head");
    };
    for (column, name) in head.iter().enumerate() {
        if let Some(before) = head.iter().take(column).position(|known| known == name) {
            bail!(
                "{path}, line 1: the columns {} and {} are both named \"{name}\"; name them differently",
                before + 1,
                column + 1
            );
        }
    }
    let time = time_column(path, &head, first, options)?;
    let (series, left_out): (Vec<usize>, Vec<usize>) = (0..head.len())
        .filter(|&column| column != time)
        .partition(|&column| is_numeric(&records, column));
    if series.is_empty() {
        bail!(
            "{path} has no column of numbers beside {}; its columns are {}",
            &head[time],
            head.iter().collect::<Vec<_>>().join(", ")
        );
    }

    let mut problems = Problems {
        path: path.to_owned(),
        shown: Vec::new(),
        count: 0,
    };
    let mut rows = Vec::with_capacity(records.len());
    for record in &records {
        rows.extend(row(record, &head, time, &series, options, &mut problems));
    }
    problems.check(match options.missing {
        Missing::Refuse => {
            "correct them, or read with CsvOptions { missing: Missing::Interpolate, ..Default::default() } if values \
             are only missing"
        }
        Missing::Interpolate => "correct them: only what is missing is interpolated",
    })?;
    let step = ascending_step(&rows, &mut problems)?;
    let (times, columns) = fill(&rows, series.len(), step, options, &mut problems)?;
    let names = |columns: &[usize]| -> Vec<String> {
        columns
            .iter()
            .map(|&column| head[column].to_owned())
            .collect()
    };
    let frame = Frame::new(times, names(&series).into_iter().zip(columns).collect())?;
    Ok(frame.with_left_out(names(&left_out)))
}

fn time_column(
    path: &str,
    head: &csv::StringRecord,
    first: &csv::StringRecord,
    options: &CsvOptions,
) -> Result<usize> {
    let found = match &options.time {
        Some(name) => head.iter().position(|known| known == name),
        None => (0..head.len()).find(|&column| {
            first.get(column).is_some_and(|text| {
                // A plain number may be a value; a date cannot.
                parse_time(text).is_some() && text.parse::<f64>().is_err()
            })
        }),
    };
    match found {
        Some(column) => Ok(column),
        None => bail!(
            "{path} has no {}; its columns are {}. Times are written 2016-07-01 13:00:00; a column of seconds \
             needs CsvOptions {{ time: Some(name), .. }}",
            match &options.time {
                Some(name) => format!("column {name}"),
                None => "column that begins with a time".to_owned(),
            },
            head.iter().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn is_missing(text: &str) -> bool {
    text.is_empty() || ["na", "nan", "null", "none"].contains(&text.to_ascii_lowercase().as_str())
}

/// Whether at least half of the values that a column has are numbers: then the others are mistakes, which are
/// reported, and else the column is text.
fn is_numeric(records: &[csv::StringRecord], column: usize) -> bool {
    let (mut values, mut numbers) = (0, 0);
    let present = records
        .iter()
        .filter_map(|record| record.get(column))
        .filter(|text| !is_missing(text));
    for text in present {
        values += 1;
        numbers += usize::from(text.parse::<f64>().is_ok());
    }
    numbers > 0 && 2 * numbers >= values
}

fn row(
    record: &csv::StringRecord,
    head: &csv::StringRecord,
    time: usize,
    series: &[usize],
    options: &CsvOptions,
    problems: &mut Problems,
) -> Option<Row> {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() != head.len() {
        problems.note(
            line,
            &format!("{} fields, the head has {}", record.len(), head.len()),
        );
        return None;
    }
    let Some(seconds) = parse_time(&record[time]) else {
        problems.note(
            line,
            &format!(
                "column {}: \"{}\" is not a time",
                &head[time], &record[time]
            ),
        );
        return None;
    };
    let values = series
        .iter()
        .map(|&column| {
            let text = &record[column];
            if is_missing(text) {
                if options.missing == Missing::Refuse {
                    problems.note(line, &format!("column {}: no value", &head[column]));
                }
                return f64::NAN;
            }
            let value = text.parse().unwrap_or(f64::NAN);
            if !f64::is_finite(value) {
                problems.note(
                    line,
                    &format!(
                        "column {}: \"{text}\" is not a finite number",
                        &head[column]
                    ),
                );
            }
            value
        })
        .collect();
    Some(Row {
        line,
        time: seconds,
        values,
    })
}

/// The most frequent step between times, all of which must ascend.
fn ascending_step(rows: &[Row], problems: &mut Problems) -> Result<i64> {
    let mut counts = std::collections::BTreeMap::new();
    for pair in rows.windows(2) {
        let (before, after) = (pair[0].time, pair[1].time);
        match after.checked_sub(before) {
            Some(step) if step > 0 => *counts.entry(step).or_insert(0usize) += 1,
            Some(_) => problems.note(
                pair[1].line,
                &format!(
                    "{} does not come after {}",
                    format_time(after),
                    format_time(before)
                ),
            ),
            None => problems.note(
                pair[1].line,
                &format!("{after} is too far from {before} to be seconds since 1970"),
            ),
        }
    }
    problems.check("sort the rows by time and take out repeated ones")?;
    // Of steps that are as frequent the shortest: the others may be gaps.
    let most = counts
        .into_iter()
        .min_by_key(|&(_, count)| std::cmp::Reverse(count));
    Ok(most.map_or(1, |(step, _)| step))
}

/// Times in equal steps and one column of values for each series, with nothing missing.
fn fill(
    rows: &[Row],
    count: usize,
    step: i64,
    options: &CsvOptions,
    problems: &mut Problems,
) -> Result<(Vec<i64>, Vec<Vec<f64>>)> {
    let mut times = Vec::with_capacity(rows.len());
    let mut columns = vec![Vec::with_capacity(rows.len()); count];
    // One mistyped time must not ask for more rows than the file has.
    let most = rows.len().max(FEW) as i64;
    let mut filled = 0i64;
    for row in rows {
        if let Some(&last) = times.last() {
            // `ascending_step` has seen that no difference overflows.
            let gap = row.time.saturating_sub(last);
            let absent = gap / step - 1;
            let what = format!(
                "a step of {gap} s after {}, the others are of {step} s",
                format_time(last)
            );
            if gap % step != 0 || (absent > 0 && options.missing == Missing::Refuse) {
                problems.note(row.line, &what);
            } else if absent > most - filled {
                let limit = format!(
                    "{what}: {absent} rows would have to be made up, and {most} are allowed in all"
                );
                problems.note(row.line, &limit);
            } else {
                filled += absent;
                for index in 1..=absent {
                    times.push(last + index * step);
                    columns.iter_mut().for_each(|column| column.push(f64::NAN));
                }
            }
        }
        times.push(row.time);
        for (column, &value) in columns.iter_mut().zip(&row.values) {
            column.push(value);
        }
    }
    problems.check(match options.missing {
        Missing::Refuse => {
            "correct the times or fill the gaps, or read with CsvOptions { missing: Missing::Interpolate, \
             ..Default::default() }, which fills gaps of whole steps"
        }
        Missing::Interpolate => "correct the times: gaps of whole steps are filled, others are not",
    })?;
    for column in &mut columns {
        interpolate(column);
    }
    Ok((times, columns))
}

/// Puts what is NaN on the line between its neighbours.
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
