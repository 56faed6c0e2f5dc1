//! Frames from CSV files, with errors that name lines and columns.

use std::{borrow::Cow, path::Path};

use candle_core::{Error, bail};
use patchbay_show::Result;

use super::{Column, ColumnType, CsvOptions, Frame, Values};
use crate::{
    decode::read_file,
    time::{Written, Zone, day_order, read_time},
};

/// Reads a CSV file with a head. Separators, decimal commas and types are seen in the file: a column is of integers, floats, booleans or times where all
/// its values are, and else of texts.
///
/// # Errors
///
/// Fails where the file cannot be read or is not UTF-8, and at rows with another number of fields, by line.
///
/// ```
/// use patchbay::prelude::*;
/// let path = std::env::temp_dir().join(format!("patchbay-doc-{}.csv", std::process::id()));
/// std::fs::write(&path, "name;height\nAda;1,65\nAlan;1,80\n")?;
/// let frame = data::read_csv(&path)?;
/// assert_eq!(frame.column("height")?.numbers()?, [1.65, 1.8]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_csv(path: impl AsRef<Path>) -> Result<Frame> {
    read_csv_with(path, &CsvOptions::default())
}

/// [`read_csv`] that is told what the file does not say.
///
/// # Errors
///
/// Fails as there, where there is no column that is asked for, and where a value is not of its column's type, by line.
pub fn read_csv_with(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Frame> {
    let path = path.as_ref();
    let bytes = read_file(path)?;
    let name = path.display().to_string();
    let text = decoded(&bytes, &name, options.encoding.as_deref())?;
    read(&text, &name, options)
}

fn decoded<'a>(bytes: &'a [u8], name: &str, encoding: Option<&str>) -> Result<Cow<'a, str>> {
    let encoding = match encoding {
        Some(label) => match encoding_rs::Encoding::for_label(label.as_bytes()) {
            Some(encoding) => Some(encoding),
            None => bail!(
                "there is no encoding \"{label}\"; there are utf-8, windows-1252, iso-8859-2, utf-16le, shift_jis, gb18030 and the others \
                 of the web"
            ),
        },
        None => encoding_rs::Encoding::for_bom(bytes).map(|(encoding, _)| encoding),
    };
    let encoding = encoding.unwrap_or(encoding_rs::UTF_8);
    if encoding == encoding_rs::UTF_8 {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        return match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                let at = error.valid_up_to();
                let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
                let begin = bytes[..at]
                    .iter()
                    .rposition(|&byte| byte == b'\n')
                    .map_or(0, |end| end + 1);
                let end = bytes[at..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .map_or(bytes.len(), |end| at + end);
                let guess = encoding_rs::WINDOWS_1252.decode(&bytes[begin..end]).0;
                let shown: String = guess.trim().chars().take(60).collect();
                bail!(
                    "{name}, line {line}: not UTF-8. As windows-1252 the line is \"{shown}\"; if that is right, read with CsvOptions {{ \
                     encoding: Some(\"windows-1252\".into()), ..Default::default() }}"
                )
            }
        };
    }
    let (text, used, has_errors) = encoding.decode(bytes);
    if has_errors {
        bail!(
            "{name} is not in {}: some bytes are no characters of it",
            used.name()
        );
    }
    Ok(text)
}

fn delimiter_of(text: &str, options: &CsvOptions) -> Result<u8> {
    match options.delimiter {
        Some(delimiter) if delimiter.is_ascii() => Ok(delimiter as u8),
        Some(delimiter) => bail!("the delimiter '{delimiter}' is no ASCII character"),
        None => {
            let head = text.lines().next().unwrap_or_default();
            let count = |delimiter: char| head.matches(delimiter).count();
            // Of equals the first.
            let best = [',', ';', '\t', '|']
                .into_iter()
                .rev()
                .max_by_key(|&delimiter| count(delimiter))
                .unwrap_or(',');
            Ok(best as u8)
        }
    }
}

/// How values are written.
struct Format {
    decimal: char,
    thousands: Option<char>,
    missing: Vec<String>,
    zone: Zone,
}

impl Format {
    fn is_missing(&self, text: &str) -> bool {
        text.is_empty()
            || ["na", "n/a", "nan", "null", "none"]
                .iter()
                .any(|name| text.eq_ignore_ascii_case(name))
            || self.missing.iter().any(|name| name == text)
    }

    fn plain<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if self.decimal == '.' && self.thousands.is_none() {
            return Some(Cow::Borrowed(text));
        }
        let digits: String = text
            .chars()
            .filter(|&c| Some(c) != self.thousands)
            .collect();
        if self.decimal != '.' && digits.contains('.') {
            return None;
        }
        Some(Cow::Owned(digits.replace(self.decimal, ".")))
    }

    fn float(&self, text: &str) -> Option<f64> {
        self.plain(text)?.parse().ok()
    }

    fn integer(&self, text: &str) -> Option<i64> {
        // Numbers with leading zeros are names: postcodes, identifiers.
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.plain(text)?.parse().ok()
    }

    fn boolean(text: &str) -> Option<bool> {
        match () {
            () if text.eq_ignore_ascii_case("true") => Some(true),
            () if text.eq_ignore_ascii_case("false") => Some(false),
            () => None,
        }
    }

    fn time(&self, text: &str, day_first: Option<bool>, takes_numbers: bool) -> Option<i64> {
        match read_time(text, day_first)? {
            Written::Instant(seconds, _) => Some(seconds),
            Written::Local(local) => self.zone.instant(local),
            Written::Number(seconds) => takes_numbers.then_some(seconds),
        }
    }
}

/// What a column may still be, as its values show.
struct Seen {
    may_be_float: bool,
    may_be_integer: bool,
    may_be_boolean: bool,
    may_be_time: bool,
    has_leading_zeros: bool,
    is_empty: bool,
    /// Whether there is a `01/07/2016`, which may be either.
    is_ambiguous: bool,
    day_first: Option<bool>,
}

fn read(text: &str, path: &str, options: &CsvOptions) -> Result<Frame> {
    let delimiter = delimiter_of(text, options)?;
    let quote = match options.quote {
        Some(quote) if quote.is_ascii() => quote as u8,
        Some(quote) => bail!("the quote '{quote}' is no ASCII character"),
        None => b'"',
    };
    let reader = || {
        csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(options.names.is_none())
            .trim(csv::Trim::All)
            .delimiter(delimiter)
            .quote(quote)
            .from_reader(text.as_bytes())
    };
    let failed = |error: csv::Error| Error::Msg(format!("{path}: {error}"));
    let head: Vec<String> = match &options.names {
        Some(names) => names.clone(),
        None => reader()
            .headers()
            .map_err(failed)?
            .iter()
            .map(str::to_owned)
            .collect(),
    };
    if head.is_empty() || text.trim().is_empty() {
        bail!("{path} is empty: expected a line with the columns' names");
    }
    for (column, name) in head.iter().enumerate() {
        if let Some(before) = head[..column].iter().position(|known| known == name) {
            bail!(
                "{path}: the columns {} and {} are both named \"{name}\"; name them differently",
                before + 1,
                column + 1
            );
        }
    }
    let place = |name: &str| match head.iter().position(|known| known == name) {
        Some(place) => Ok(place),
        None => bail!(
            "{path} has no column {name}; its columns are {}",
            head.join(", ")
        ),
    };
    let wanted: Vec<usize> = match options.columns.is_empty() {
        true => (0..head.len()).collect(),
        false => options
            .columns
            .iter()
            .map(|name| place(name))
            .collect::<Result<_>>()?,
    };
    let mut types: Vec<Option<ColumnType>> = vec![None; head.len()];
    for (name, of_column) in &options.types {
        types[place(name)?] = Some(*of_column);
    }
    let zone = match &options.zone {
        Some(name) => Zone::named(name)?,
        None => Zone::utc(),
    };
    let mut format = Format {
        decimal: options.decimal.unwrap_or('.'),
        thousands: options.thousands,
        missing: options.missing.clone(),
        zone,
    };
    if options.thousands == Some(format.decimal) && options.decimal.is_some() {
        bail!(
            "CsvOptions: decimal and thousands are both '{}'",
            format.decimal
        );
    }
    // Each row has a field for each column; a decimal comma is seen on the way.
    let mut rows = 0usize;
    let mut has_decimal_comma = false;
    let mut seen_points = false;
    let mut record = csv::StringRecord::new();
    let mut lines = reader();
    while lines.read_record(&mut record).map_err(failed)? {
        rows += 1;
        if record.len() != head.len() {
            bail!(
                "{path}, line {}: {} fields where the head has {} ({}). A text with '{}' in it is quoted with '{}'",
                record.position().map_or(0, csv::Position::line),
                record.len(),
                head.len(),
                head.join(", "),
                delimiter as char,
                quote as char
            );
        }
        if options.decimal.is_none() && delimiter != b',' {
            for text in &record {
                let has_comma = text.matches(',').count() == 1 && !text.contains('.');
                has_decimal_comma |= has_comma && text.replace(',', ".").parse::<f64>().is_ok();
                seen_points |= text.contains('.') && text.parse::<f64>().is_ok();
            }
        }
    }
    if has_decimal_comma && !seen_points {
        format.decimal = ',';
    }
    let chosen = chosen_types(&mut reader(), &format, &types, options.day_first).map_err(failed)?;
    let mut builders: Vec<Builder> = wanted
        .iter()
        .map(|&column| Builder::new(chosen[column].0, rows))
        .collect();
    let mut lines = reader();
    while lines.read_record(&mut record).map_err(failed)? {
        for (builder, &column) in builders.iter_mut().zip(&wanted) {
            let text = record.get(column).unwrap_or_default();
            let day_first = chosen[column].1;
            if builder.push(text, &format, day_first).is_none() {
                bail!(
                    "{path}, line {}, column {}: \"{text}\" is no {}{}",
                    record.position().map_or(0, csv::Position::line),
                    head[column],
                    chosen[column].0.name(),
                    match chosen[column].0 {
                        ColumnType::Float | ColumnType::Integer =>
                            "; a text for missing values is named by CsvOptions' missing, another decimal point by decimal",
                        ColumnType::Time =>
                            "; CsvOptions' day_first says which number of 01/07/2016 is the day",
                        _ => "",
                    }
                );
            }
        }
    }
    let columns = builders
        .into_iter()
        .zip(&wanted)
        .map(|(builder, &column)| {
            let zone = format.zone.clone();
            builder.column(&head[column]).in_zone(zone)
        })
        .collect();
    Frame::new(columns)
}

/// The type of each column, and whether its days come first.
#[allow(clippy::type_complexity)]
fn chosen_types(
    reader: &mut csv::Reader<&[u8]>,
    format: &Format,
    types: &[Option<ColumnType>],
    day_first: Option<bool>,
) -> Result<Vec<(ColumnType, Option<bool>)>, csv::Error> {
    let mut seen: Vec<Seen> = types
        .iter()
        .map(|_| Seen {
            may_be_float: true,
            may_be_integer: true,
            may_be_boolean: true,
            may_be_time: true,
            has_leading_zeros: false,
            is_empty: true,
            is_ambiguous: false,
            day_first,
        })
        .collect();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        for (seen, text) in seen.iter_mut().zip(&record) {
            if format.is_missing(text) {
                continue;
            }
            seen.is_empty = false;
            seen.may_be_integer &= format.integer(text).is_some();
            seen.may_be_float &= seen.may_be_integer || format.float(text).is_some();
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
            seen.has_leading_zeros |=
                digits.len() > 1 && digits[0] == b'0' && digits.iter().all(u8::is_ascii_digit);
            seen.may_be_boolean &= Format::boolean(text).is_some();
            if seen.may_be_time && seen.may_be_float {
                seen.may_be_time = false;
            }
            if seen.may_be_time {
                seen.day_first = seen.day_first.or_else(|| day_order(text));
                seen.is_ambiguous |= format.time(text, None, false).is_none();
                seen.may_be_time = [Some(true), Some(false)]
                    .iter()
                    .any(|&order| format.time(text, order, false).is_some());
            }
        }
    }
    // `01/07/2016` where no row says which is the day is a text until somebody does.
    Ok(seen
        .iter()
        .zip(types)
        .map(|(seen, of_column)| {
            let found = match *seen {
                _ if of_column.is_some() => of_column.unwrap_or(ColumnType::Text),
                Seen { is_empty: true, .. } => ColumnType::Float,
                Seen {
                    may_be_boolean: true,
                    ..
                } => ColumnType::Boolean,
                Seen {
                    has_leading_zeros: true,
                    ..
                } => ColumnType::Text,
                Seen {
                    may_be_integer: true,
                    ..
                } => ColumnType::Integer,
                Seen {
                    may_be_float: true, ..
                } => ColumnType::Float,
                Seen {
                    may_be_time: true,
                    is_ambiguous: false,
                    ..
                } => ColumnType::Time,
                Seen {
                    may_be_time: true,
                    day_first: Some(_),
                    ..
                } => ColumnType::Time,
                _ => ColumnType::Text,
            };
            (found, seen.day_first)
        })
        .collect())
}

/// A column that grows.
struct Builder {
    values: Values,
    missing: Vec<bool>,
}

impl Builder {
    fn new(of_column: ColumnType, rows: usize) -> Builder {
        Builder {
            values: match of_column {
                ColumnType::Float => Values::Float(Vec::with_capacity(rows)),
                ColumnType::Integer => Values::Integer(Vec::with_capacity(rows)),
                ColumnType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
                ColumnType::Time => Values::Time(Vec::with_capacity(rows)),
                ColumnType::Text => Values::Text(Vec::with_capacity(rows)),
            },
            missing: Vec::with_capacity(rows),
        }
    }

    /// None where the text is not of the column's type.
    fn push(&mut self, text: &str, format: &Format, day_first: Option<bool>) -> Option<()> {
        let is_missing = format.is_missing(text);
        self.missing.push(is_missing);
        match &mut self.values {
            Values::Float(values) if is_missing => values.push(f64::NAN),
            Values::Float(values) => values.push(format.float(text)?),
            Values::Integer(values) | Values::Time(values) if is_missing => values.push(0),
            Values::Integer(values) => values.push(format.plain(text)?.parse().ok()?),
            Values::Time(values) => values.push(format.time(text, day_first, true)?),
            Values::Boolean(values) if is_missing => values.push(false),
            Values::Boolean(values) => values.push(match text {
                "0" => false,
                "1" => true,
                text => Format::boolean(text)?,
            }),
            Values::Text(values) if is_missing => values.push(String::new()),
            Values::Text(values) => values.push(text.to_owned()),
        }
        Some(())
    }

    fn column(self, name: &str) -> Column {
        let is_float = matches!(self.values, Values::Float(_));
        let column = Column::new(name, self.values);
        match is_float {
            true => column,
            false => column.with_missing(self.missing),
        }
    }
}
