//! Frames from CSV files, with errors that name lines and columns.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use candle_core::{Error, bail};

use super::{
    CsvOptions, Frame, Frequency, Missing, Zone,
    csv_times::{self, TimeRow, is_named_as_time, is_year_or_date},
    problems::Problems,
    time::{is_clock, looks_like_time},
};
use patchbay_show::Result;

/// Files with fewer rows than this may lack so many.
const FEW: usize = 1000;

/// Names that mark a file in long format, as Nixtla's libraries and AutoGluon have them.
const IDS: [&str; 2] = ["unique_id", "item_id"];

/// A row of the frame before gaps are filled.
struct Row {
    line: u64,
    time: i64,
    /// NaN where a value is missing.
    values: Vec<f64>,
}

/// A file as it was parsed.
struct Table {
    path: String,
    head: csv::StringRecord,
    records: Vec<csv::StringRecord>,
    numbers: NumberFormat,
    /// The time column.
    time: usize,
    /// A column that has the time of day, where the time column has the date alone.
    clock: Option<usize>,
}

impl Frame {
    /// Reads a file with a head; the first column whose first value is a time is the time column, and columns
    /// at least half of whose values are numbers are series. Other columns are left out, which the frame says when it
    /// is shown. Separators and decimal commas are seen by themselves, and a column `unique_id` or `item_id` makes it a file
    /// in long format, with a row for each time and series.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, and at missing values, bad values and gaps, by line and column.
    pub fn read_csv(path: &str) -> Result<Frame> {
        Frame::read_csv_with(path, &CsvOptions::default())
    }

    /// [`Frame::read_csv`] that is told what the file does not say: columns, zone, order of day and month, what to do with
    /// what is missing.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_csv_with(path: &str, options: &CsvOptions) -> Result<Frame> {
        read(path, options)
    }
}

fn read(path: &str, options: &CsvOptions) -> Result<Frame> {
    let (head, records, delimiter) = parse(path, options)?;
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
    let numbers = NumberFormat::of(&records, time, delimiter, options)?;
    let has_date_alone = first.get(time).is_some_and(|text| !text.contains(':'));
    let clock = (0..head.len()).find(|&column| {
        let mut texts = records.iter().filter_map(|record| record.get(column));
        has_date_alone && column != time && texts.all(is_clock)
    });
    let table = Table {
        path: path.to_owned(),
        head,
        records,
        numbers,
        time,
        clock,
    };
    let mut problems = Problems::of(path);
    match table.id_column(options)? {
        Some(id) => long(&table, id, options, &mut problems),
        None => wide(&table, options, &mut problems),
    }
}

/// The head and the rows of a file, and what separates its fields.
fn parse(
    path: &str,
    options: &CsvOptions,
) -> Result<(csv::StringRecord, Vec<csv::StringRecord>, char)> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::Msg(format!("{path} cannot be read: {error}")))?;
    // A file of another encoding has other bytes in names at most, so it is read; times and numbers are ASCII.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let delimiter = match options.delimiter {
        Some(delimiter) if delimiter.is_ascii() => delimiter,
        Some(delimiter) => bail!("the delimiter '{delimiter}' is no ASCII character"),
        None => {
            let head = text.lines().next().unwrap_or_default();
            let count = |delimiter: char| head.matches(delimiter).count();
            // Of equals the first.
            let mut best = ',';
            for delimiter in [',', ';', '\t', '|'] {
                if count(delimiter) > count(best) {
                    best = delimiter;
                }
            }
            best
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter as u8)
        .from_reader(text.as_bytes());
    let head = reader
        .headers()
        .map_err(|error| Error::Msg(format!("{path} has no head: {error}")))?
        .clone();
    let mut records = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|error| Error::Msg(format!("{path}: {error}")))?);
    }
    Ok((head, records, delimiter))
}

fn line(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn time_column(
    path: &str,
    head: &csv::StringRecord,
    first: &csv::StringRecord,
    options: &CsvOptions,
) -> Result<usize> {
    let found = match &options.time {
        Some(name) => head.iter().position(|known| known == name),
        // A plain number may be a value; a date cannot.
        None => (0..head.len()).find(|&column| {
            first.get(column).is_some_and(|text| {
                looks_like_time(text) || (is_named_as_time(&head[column]) && is_year_or_date(text))
            })
        }),
    };
    match found {
        Some(column) => Ok(column),
        None => bail!(
            "{path} has no {}; its columns are {}. Times are written 2016-07-01 13:00:00, 01.07.2016 13:00, 2016-07 or \
             2016Q3; a column of seconds needs CsvOptions {{ time: Some(name), .. }}, one in another form \
             CsvOptions {{ time: Some(name), time_format: Some(\"%d%b%Y\".into()), .. }}",
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

/// How numbers are written.
#[derive(Clone, Copy)]
struct NumberFormat {
    decimal: char,
    thousands: Option<char>,
}

impl NumberFormat {
    fn of(
        records: &[csv::StringRecord],
        time: usize,
        delimiter: char,
        options: &CsvOptions,
    ) -> Result<NumberFormat> {
        let has_decimal_comma = |text: &str| {
            text.matches(',').count() == 1 && text.replace(',', ".").parse::<f64>().is_ok()
        };
        let decimal = match options.decimal {
            Some(decimal) => decimal,
            None => {
                let comma = delimiter != ','
                    && records.iter().any(|record| {
                        let others = record
                            .iter()
                            .enumerate()
                            .filter(|&(column, _)| column != time);
                        others.into_iter().any(|(_, text)| has_decimal_comma(text))
                    });
                if comma { ',' } else { '.' }
            }
        };
        if options.thousands == Some(decimal) {
            bail!(
                "CsvOptions: decimal and thousands are both '{decimal}'; numbers as 1.234,5 have decimal Some(',') and \
                 thousands Some('.')"
            );
        }
        Ok(NumberFormat {
            decimal,
            thousands: options.thousands,
        })
    }

    /// Whether it is a number as it is written somewhere: digits in groups, with another decimal point or none. A date has two points, too,
    /// and none of its groups but the first has three digits.
    fn is_of_another(text: &str) -> bool {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let groups: Vec<&str> = digits.split([',', '.', '\'', ' ']).collect();
        let all_digits =
            |group: &&str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
        let between = groups.get(1..groups.len().saturating_sub(1)).unwrap_or(&[]);
        groups.len() > 1
            && groups.iter().all(all_digits)
            && groups[0].len() <= 3
            && between.iter().all(|group| group.len() == 3)
    }

    /// What to type for a number of another format.
    fn advice(self, text: &str) -> String {
        let marks: Vec<char> = text.chars().filter(|c| ",.' ".contains(*c)).collect();
        let last_group = text.rsplit([',', '.', '\'', ' ']).next();
        if let [mark] = marks[..]
            && last_group.is_some_and(|group| group.len() != 3)
        {
            return format!(
                "; numbers as this one are read with CsvOptions {{ decimal: Some({mark:?}), .. }}"
            );
        }
        let decimal = match marks.last() {
            // A mark that comes twice, or after the decimal point, stands between thousands.
            Some(last) if marks.iter().filter(|mark| *mark == last).count() > 1 => self.decimal,
            Some(&last) if marks.len() > 1 => last,
            _ => self.decimal,
        };
        let thousands = marks.iter().find(|mark| **mark != decimal);
        match thousands {
            Some(thousands) => format!(
                "; numbers as this one are read with CsvOptions {{ decimal: Some({decimal:?}), thousands: Some({thousands:?}), .. }}"
            ),
            None => "; CsvOptions' decimal and thousands say how numbers are written".to_owned(),
        }
    }

    fn parse(self, text: &str) -> Option<f64> {
        if self.decimal == '.' && self.thousands.is_none() {
            return text.parse().ok();
        }
        let plain: String = text
            .chars()
            .filter(|&c| Some(c) != self.thousands)
            .collect();
        if self.decimal != '.' && plain.contains('.') {
            return None;
        }
        plain.replace(self.decimal, ".").parse().ok()
    }
}

impl Table {
    /// Whether at least half of the values that a column has are numbers: then the others are mistakes, which are
    /// reported, and else the column is text.
    fn is_numeric(&self, column: usize) -> bool {
        let (mut values, mut numbers) = (0, 0);
        let present = self
            .records
            .iter()
            .filter_map(|record| record.get(column))
            .filter(|text| !is_missing(text));
        for text in present {
            values += 1;
            // A number of another format is a mistake to report, and its column is not text.
            let is_number = self.numbers.parse(text).is_some() || NumberFormat::is_of_another(text);
            numbers += usize::from(is_number);
        }
        numbers > 0 && 2 * numbers >= values
    }

    fn column(&self, name: &str) -> Result<usize> {
        match self.head.iter().position(|known| known == name) {
            Some(column) => Ok(column),
            None => bail!(
                "{} has no column {name}; its columns are {}",
                self.path,
                self.head.iter().collect::<Vec<_>>().join(", ")
            ),
        }
    }

    fn id_column(&self, options: &CsvOptions) -> Result<Option<usize>> {
        match &options.id {
            Some(name) => self.column(name).map(Some),
            None => Ok(self.head.iter().position(|name| IDS.contains(&name))),
        }
    }

    /// The columns that, together with the time, name every row: candidates for the series of a file in long format.
    fn possible_ids(&self) -> Vec<&str> {
        let candidates = (0..self.head.len())
            .filter(|&column| column != self.time && Some(column) != self.clock);
        candidates
            .filter(|&column| {
                let mut seen = HashSet::new();
                let mut values = HashSet::new();
                let unique = self.records.iter().all(|record| {
                    let (Some(time), Some(id)) = (record.get(self.time), record.get(column)) else {
                        return true;
                    };
                    values.insert(id);
                    seen.insert((time, self.clock.and_then(|clock| record.get(clock)), id))
                });
                unique && values.len() > 1 && 2 * values.len() <= self.records.len()
            })
            .map(|column| &self.head[column])
            .collect()
    }

    fn value(
        &self,
        record: &csv::StringRecord,
        column: usize,
        options: &CsvOptions,
        problems: &mut Problems,
    ) -> f64 {
        let text = &record[column];
        if is_missing(text) {
            if options.missing == Missing::Refuse {
                problems.note(
                    line(record),
                    &format!("column {}: no value", &self.head[column]),
                );
            }
            return f64::NAN;
        }
        let value = self.numbers.parse(text).unwrap_or(f64::NAN);
        if !value.is_finite() {
            problems.note(
                line(record),
                &format!(
                    "column {}: \"{text}\" is not a finite number{}",
                    &self.head[column],
                    match NumberFormat::is_of_another(text) {
                        true => self.numbers.advice(text),
                        false => String::new(),
                    }
                ),
            );
        }
        value
    }

    /// The records that have all fields, with their times.
    fn timed(
        &self,
        series: impl Fn(&csv::StringRecord) -> usize,
        options: &CsvOptions,
        problems: &mut Problems,
    ) -> Result<(Vec<(i64, &csv::StringRecord)>, Zone)> {
        let mut whole = Vec::with_capacity(self.records.len());
        for record in &self.records {
            if record.len() == self.head.len() {
                whole.push(record);
            } else {
                problems.note(
                    line(record),
                    &format!("{} fields, the head has {}", record.len(), self.head.len()),
                );
            }
        }
        let rows: Vec<TimeRow<'_>> = whole
            .iter()
            .map(|record| TimeRow {
                line: line(record),
                text: match self.clock {
                    None => Cow::Borrowed(&record[self.time]),
                    Some(clock) => Cow::Owned(format!("{} {}", &record[self.time], &record[clock])),
                },
                series: series(record),
            })
            .collect();
        let name = &self.head[self.time];
        let (times, zone) = csv_times::read(&rows, name, options, problems)
            .map_err(|error| Error::Msg(format!("{}, {error}", self.path)))?;
        let timed = times
            .into_iter()
            .zip(whole)
            .filter_map(|(time, record)| Some((time?, record)))
            .collect();
        Ok((timed, zone))
    }

    /// What to do about bad values.
    fn hint(&self, options: &CsvOptions) -> &'static str {
        match options.missing {
            Missing::Refuse => {
                "correct them, or read with CsvOptions { missing: Missing::Interpolate, ..Default::default() } if values \
                 are only missing"
            }
            Missing::Interpolate => "correct them: only what is missing is interpolated",
        }
    }
}

/// A file with a row for each time and a column for each series.
fn wide(table: &Table, options: &CsvOptions, problems: &mut Problems) -> Result<Frame> {
    let (series, left_out): (Vec<usize>, Vec<usize>) = (0..table.head.len())
        .filter(|&column| column != table.time && Some(column) != table.clock)
        .partition(|&column| table.is_numeric(column));
    if series.is_empty() {
        bail!(
            "{} has no column of numbers beside {}; its columns are {}",
            table.path,
            &table.head[table.time],
            table.head.iter().collect::<Vec<_>>().join(", ")
        );
    }
    let (timed, zone) = table.timed(|_| 0, options, problems)?;
    let mut rows = Vec::with_capacity(timed.len());
    for (time, record) in timed {
        let values = series
            .iter()
            .map(|&column| table.value(record, column, options, problems))
            .collect();
        rows.push(Row {
            line: line(record),
            time,
            values,
        });
    }
    problems.check(table.hint(options))?;
    // Newest first is an order, too.
    if rows.len() > 1 && rows.windows(2).all(|pair| pair[0].time > pair[1].time) {
        rows.reverse();
    }
    for pair in rows.windows(2) {
        let (before, after) = (pair[0].time, pair[1].time);
        match after.checked_sub(before) {
            Some(step) if step > 0 => {}
            Some(_) => problems.note(
                pair[1].line,
                &format!(
                    "{} does not come after {}",
                    zone.format(after),
                    zone.format(before)
                ),
            ),
            None => problems.note(
                pair[1].line,
                &format!("{after} is too far from {before} to be seconds since 1970"),
            ),
        }
    }
    problems.check(&order_hint(table, &rows, &zone))?;
    let names: Vec<String> = series
        .iter()
        .map(|&column| table.head[column].to_owned())
        .collect();
    let frame = fill(rows, names, zone, options, problems)?;
    let texts: Vec<&str> = left_out.iter().map(|&column| &table.head[column]).collect();
    Ok(frame.with_note(match texts.is_empty() {
        true => String::new(),
        false => format!("left out, not numbers: {}", texts.join(", ")),
    }))
}

/// What to do about times that do not ascend, without losing a row.
fn order_hint(table: &Table, rows: &[Row], zone: &Zone) -> String {
    let ids = table.possible_ids();
    let repeated: BTreeSet<i64> = rows
        .windows(2)
        .filter(|pair| pair[1].time <= pair[0].time)
        .map(|pair| pair[1].time)
        .collect();
    let mut seen = HashSet::new();
    let twice = rows.iter().filter(|row| !seen.insert(row.time)).count();
    if twice == 0 {
        return "sort the rows by time".to_owned();
    }
    if !ids.is_empty() {
        return format!(
            "times come several times, once for each {}: a file in long format is read with CsvOptions {{ id: \
             Some(\"{}\".into()), ..Default::default() }}; no row has to go",
            ids.join(" or "),
            ids[0]
        );
    }
    // An hour that comes twice in autumn and is absent in spring.
    let in_autumn = repeated.iter().any(|&time| {
        zone.local(time)
            .is_some_and(|local| matches!(local.month(), 3 | 4 | 9 | 10 | 11) && local.hour() <= 3)
    });
    if in_autumn && zone.name() == "UTC" {
        return "an hour that comes twice a year belongs to a clock that is set back: read with CsvOptions { zone: \
                Some(\"Europe/Berlin\".into()), ..Default::default() }, or the zone that the file has; no row has to go"
            .to_owned();
    }
    "rows of one time that are all wanted need a column that tells them apart, named by CsvOptions' id; of rows that are \
     mistakes keep the right one"
        .to_owned()
}

/// A file with a row for each time and series: series become columns.
fn long(table: &Table, id: usize, options: &CsvOptions, problems: &mut Problems) -> Result<Frame> {
    let numeric: Vec<usize> = (0..table.head.len())
        .filter(|&column| column != table.time && column != id && table.is_numeric(column))
        .collect();
    let name = |column: usize| &table.head[column];
    let value = match (&options.value, &numeric[..]) {
        (Some(wanted), _) => table.column(wanted)?,
        (None, [only]) => *only,
        (None, []) => bail!(
            "{} has no column of numbers beside {} and {}",
            table.path,
            name(table.time),
            name(id)
        ),
        // Nixtla's and AutoGluon's names of what is forecast.
        (None, several) => match several
            .iter()
            .find(|&&column| ["y", "target"].contains(&name(column)))
        {
            Some(&column) => column,
            None => bail!(
                "{} is in long format and has several columns of numbers, {}: say which holds the values with \
                 CsvOptions {{ id: Some(\"{}\".into()), value: Some(\"{}\".into()), ..Default::default() }}",
                table.path,
                several
                    .iter()
                    .map(|&c| name(c))
                    .collect::<Vec<_>>()
                    .join(", "),
                name(id),
                name(several[0])
            ),
        },
    };
    let mut ids: Vec<&str> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for record in &table.records {
        let of = record.get(id).unwrap_or_default();
        index.entry(of).or_insert_with(|| {
            ids.push(of);
            ids.len() - 1
        });
    }
    let series = |record: &csv::StringRecord| index[record.get(id).unwrap_or_default()];
    let (timed, zone) = table.timed(series, options, problems)?;
    // For each time the line that first has it and the values of all series.
    let mut rows: HashMap<i64, Row> = HashMap::new();
    let mut lines: HashMap<(i64, usize), u64> = HashMap::new();
    for (time, record) in timed {
        let of = series(record);
        if let Some(before) = lines.insert((time, of), line(record)) {
            problems.note(
                line(record),
                &format!(
                    "{} has {} a second time, as in line {before}",
                    ids[of],
                    zone.format(time)
                ),
            );
        }
        let row = rows.entry(time).or_insert_with(|| Row {
            line: line(record),
            time,
            values: vec![f64::NAN; ids.len()],
        });
        row.values[of] = table.value(record, value, options, problems);
    }
    problems.check(table.hint(options))?;
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| row.time);
    if options.missing == Missing::Refuse {
        for row in &rows {
            for (of, id) in ids.iter().enumerate() {
                if !lines.contains_key(&(row.time, of)) {
                    problems.note(
                        row.line,
                        &format!("{id} has no row for {}", zone.format(row.time)),
                    );
                }
            }
        }
        problems.check(
            "series that begin later, end earlier or have gaps are read with CsvOptions { missing: Missing::Interpolate, \
             ..Default::default() }: what is missing is neither trained on nor scored",
        )?;
    }
    let names = ids.iter().map(|id| String::from(*id)).collect();
    let frame = fill(rows, names, zone, options, problems)?;
    let others: Vec<&str> = (0..table.head.len())
        .filter(|column| ![table.time, id, value].contains(column) && Some(*column) != table.clock)
        .map(name)
        .collect();
    Ok(frame.with_note(match others.is_empty() {
        true => format!("{} of each {}", name(value), name(id)),
        false => format!(
            "{} of each {}; left out: {}",
            name(value),
            name(id),
            others.join(", ")
        ),
    }))
}

/// A frame in equal steps: times that are missing are filled in, their values are NaN until the frame interpolates.
fn fill(
    rows: Vec<Row>,
    names: Vec<String>,
    zone: Zone,
    options: &CsvOptions,
    problems: &mut Problems,
) -> Result<Frame> {
    let of_rows: Vec<i64> = rows.iter().map(|row| row.time).collect();
    let frequency = options
        .frequency
        .unwrap_or_else(|| Frequency::infer(&of_rows, &zone));
    let mut times: Vec<i64> = Vec::with_capacity(rows.len());
    let mut columns = vec![Vec::with_capacity(rows.len()); names.len()];
    // One mistyped time must not ask for more rows than the file has.
    let most = rows.len().max(FEW) as i64;
    let mut filled = 0i64;
    for row in &rows {
        if let Some(&last) = times.last() {
            let steps = frequency.steps(last, row.time, &zone);
            let what = || match frequency {
                Frequency::Seconds(step) => format!(
                    "a step of {} s after {}, the others are of {step} s",
                    row.time.saturating_sub(last),
                    zone.format(last)
                ),
                _ => format!(
                    "{} after {}, the step of the others is {frequency}",
                    zone.format(row.time),
                    zone.format(last)
                ),
            };
            let absent = steps.map_or(0, |steps| steps - 1);
            if steps.is_none() || absent < 0 || (absent > 0 && options.missing == Missing::Refuse) {
                problems.note(row.line, &what());
            } else if absent > most - filled {
                let limit = format!(
                    "{}: {absent} rows would have to be made up, and {most} are allowed in all",
                    what()
                );
                problems.note(row.line, &limit);
            } else {
                filled += absent;
                for index in 1..=absent {
                    let Some(time) = frequency.advance(last, index, &zone) else {
                        break;
                    };
                    times.push(time);
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
             ..Default::default() }, which fills gaps of whole steps. An hour that is absent in spring belongs to a clock \
             that is set forward: CsvOptions { zone: Some(\"Europe/Berlin\".into()), .. }; and frequency: Some(\"B\".parse()?) \
             says a step that few rows show"
        }
        Missing::Interpolate => {
            "correct the times: gaps of whole steps are filled, others are not; CsvOptions' zone and frequency say by which \
             clock and in which steps they are read"
        }
    })?;
    Frame::in_steps(
        times,
        names.into_iter().zip(columns).collect(),
        zone,
        Some(frequency),
    )
}
