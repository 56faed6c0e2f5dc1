//! The time column of a CSV file: what its texts say together.

use std::{borrow::Cow, collections::HashMap};

use candle_core::bail;
use jiff::civil::{Date, DateTime};

use super::{
    CsvOptions,
    problems::Problems,
    time::{Written, Zone, day_order, read_time},
};
use patchbay_show::Result;

/// A row of the file whose time is wanted: its line, its text, and which series it is of where each has rows of its own.
pub(super) struct TimeRow<'a> {
    pub line: u64,
    pub text: Cow<'a, str>,
    pub series: usize,
}

/// The times of all rows, and the clock that they are read by. None where a text is no time, which is noted.
///
/// A clock that is set back shows an hour twice: of two rows the first is the earlier one.
pub(super) fn read(
    rows: &[TimeRow<'_>],
    column: &str,
    options: &CsvOptions,
    problems: &mut Problems,
) -> Result<(Vec<Option<i64>>, Zone)> {
    let day_first = match options.day_first {
        Some(day_first) => Some(day_first),
        None => order(rows),
    };
    let written: Vec<Option<Written>> = rows
        .iter()
        .map(|row| one(&row.text, options, day_first))
        .collect();
    if day_first.is_none()
        && let Some(index) = (0..rows.len()).find(|&index| {
            written[index].is_none() && one(&rows[index].text, options, Some(true)).is_some()
        })
    {
        bail!(
            "column {column}, line {}: \"{}\" is another day for readers who write the month first, and no row shows \
             which is meant: read with CsvOptions {{ day_first: Some(true), ..Default::default() }} if it is the {}th day \
             of a month, and Some(false) if it is of the {}th month",
            rows[index].line,
            rows[index].text,
            leading_number(&rows[index].text),
            leading_number(&rows[index].text),
        );
    }
    for (row, written) in rows.iter().zip(&written) {
        if written.is_none() {
            problems.note(
                row.line,
                &format!("column {column}: \"{}\" is not a time", row.text),
            );
        }
    }
    let numbers = Numbers::of(&written);
    let zone = match &options.zone {
        Some(name) => Zone::named(name)?,
        None => common_offset(&written)?,
    };
    let mut last: HashMap<usize, i64> = HashMap::new();
    let mut times = Vec::with_capacity(rows.len());
    for (row, written) in rows.iter().zip(written) {
        let local = |local: DateTime, problems: &mut Problems, last: &HashMap<usize, i64>| {
            let instants = zone.instants(local);
            let after = |&&time: &&i64| last.get(&row.series).is_none_or(|&last| time > last);
            let found = instants.iter().find(after).or(instants.first());
            if found.is_none() {
                problems.note(
                    row.line,
                    &format!(
                        "column {column}: {} never shows \"{}\", its clock is set forward over it",
                        zone.name(),
                        row.text
                    ),
                );
            }
            found.copied()
        };
        let time = match written {
            None => None,
            Some(Written::Instant(seconds, _)) => Some(seconds),
            Some(Written::Local(clock)) => local(clock, problems, &last),
            Some(Written::Number(number)) => match numbers.read(number) {
                Written::Local(clock) => local(clock, problems, &last),
                Written::Instant(seconds, _) | Written::Number(seconds) => Some(seconds),
            },
        };
        if let Some(time) = time {
            last.insert(row.series, time);
        }
        times.push(time);
    }
    Ok((times, zone))
}

fn one(text: &str, options: &CsvOptions, day_first: Option<bool>) -> Option<Written> {
    match &options.time_format {
        None => read_time(text, day_first),
        Some(format) => {
            let text = text.trim();
            if let Ok(local) = DateTime::strptime(format, text) {
                return Some(Written::Local(local));
            }
            let date = Date::strptime(format, text).ok()?;
            Some(Written::Local(date.at(0, 0, 0, 0)))
        }
    }
}

/// Whether days come first, if a row shows it and none the contrary.
fn order(rows: &[TimeRow<'_>]) -> Option<bool> {
    let mut orders = rows.iter().filter_map(|row| day_order(&row.text));
    let first = orders.next()?;
    orders.all(|order| order == first).then_some(first)
}

fn leading_number(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].trim_start_matches('0')
}

/// The clock of a file in which all times have one offset; UTC where they have none or several.
fn common_offset(written: &[Option<Written>]) -> Result<Zone> {
    let mut common = None;
    for written in written.iter().flatten() {
        let Written::Instant(_, offset) = *written else {
            return Ok(Zone::utc());
        };
        if *common.get_or_insert(offset) != offset {
            return Ok(Zone::utc());
        }
    }
    Zone::fixed(common.unwrap_or(0))
}

/// What a column of plain numbers counts.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Seconds,
    Milliseconds,
    /// `2016`.
    Years,
    /// `20160701`.
    Dates,
}

impl Numbers {
    /// Years and dates if all numbers are, so that a column of seconds is not taken for one.
    fn of(written: &[Option<Written>]) -> Numbers {
        let all = |is: &dyn Fn(i64) -> bool| {
            written.iter().flatten().all(|written| match written {
                Written::Number(number) => is(*number),
                _ => false,
            })
        };
        if all(&|number| (1500..2500).contains(&number)) {
            Numbers::Years
        } else if all(&|number| date_of(number).is_some()) {
            Numbers::Dates
        } else if all(&|number| (100_000_000_000..10_000_000_000_000).contains(&number)) {
            Numbers::Milliseconds
        } else {
            Numbers::Seconds
        }
    }

    fn read(self, number: i64) -> Written {
        let midnight = |date: Option<Date>| match date {
            Some(date) => Written::Local(date.at(0, 0, 0, 0)),
            None => Written::Number(number),
        };
        match self {
            Numbers::Seconds => Written::Number(number),
            Numbers::Milliseconds => Written::Number(number.div_euclid(1000)),
            Numbers::Years => midnight(Date::new(number as i16, 1, 1).ok()),
            Numbers::Dates => midnight(date_of(number)),
        }
    }
}

/// A date of eight digits, of the years from 1900 to 2199.
fn date_of(number: i64) -> Option<Date> {
    let year = i16::try_from(number / 10_000)
        .ok()
        .filter(|year| (1900..2200).contains(year))?;
    let month = i8::try_from(number / 100 % 100).ok()?;
    let day = i8::try_from(number % 100).ok()?;
    Date::new(year, month, day).ok()
}

/// Whether a column of this name may hold plain numbers that are years or dates.
pub(super) fn is_named_as_time(name: &str) -> bool {
    [
        "year",
        "date",
        "ds",
        "time",
        "datetime",
        "timestamp",
        "jahr",
        "datum",
    ]
    .contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a plain number is a year or a date of eight digits.
pub(super) fn is_year_or_date(text: &str) -> bool {
    let number: Option<i64> = text.trim().parse().ok();
    number.is_some_and(|number| (1500..2500).contains(&number) || date_of(number).is_some())
}
