//! Points in time as seconds since 1970, and what a calendar says of them in a time zone.

use candle_core::bail;
use jiff::{
    Timestamp,
    civil::{Date, DateTime, ISOWeekDate, Time, Weekday},
    tz::{Offset, TimeZone},
};

use patchbay_show::Result;

/// Where a calendar is read: UTC, a fixed offset, or a zone of the IANA database such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// A zone by its name: `UTC`, `Europe/Berlin`, or a fixed offset such as `+01:00`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such zone.
    pub fn named(name: &str) -> Result<Zone> {
        if name.eq_ignore_ascii_case("utc") || name == "Z" {
            return Ok(Zone::utc());
        }
        if let Some(seconds) = offset(name) {
            return Zone::fixed(seconds);
        }
        match TimeZone::get(name) {
            Ok(zone) => Ok(Zone(zone)),
            Err(error) => bail!(
                "there is no time zone \"{name}\" ({error}); zones are written Europe/Berlin, America/New_York, UTC or \
                 +01:00"
            ),
        }
    }

    pub fn fixed(seconds: i64) -> Result<Zone> {
        let offset = i32::try_from(seconds)
            .ok()
            .and_then(|seconds| Offset::from_seconds(seconds).ok());
        match offset {
            Some(offset) if seconds != 0 => Ok(Zone(TimeZone::fixed(offset))),
            Some(_) => Ok(Zone::utc()),
            None => bail!("an offset of {seconds} s from UTC is beyond a day"),
        }
    }

    /// Its name: `UTC`, `Europe/Berlin`, `+01:00`.
    pub fn name(&self) -> String {
        match self.0.iana_name() {
            Some(name) => name.to_owned(),
            None => match self.0.to_fixed_offset() {
                Ok(offset) if offset.seconds() == 0 => "UTC".to_owned(),
                Ok(offset) => {
                    let (seconds, sign) = (offset.seconds().abs(), offset.seconds() < 0);
                    let sign = if sign { '-' } else { '+' };
                    format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
                }
                Err(_) => "a zone without a name".to_owned(),
            },
        }
    }

    /// Whether its clock is never changed.
    pub fn is_fixed(&self) -> bool {
        self.0.to_fixed_offset().is_ok()
    }

    /// The clock at a time; none beyond the years that calendars have.
    pub fn local(&self, seconds: i64) -> Option<DateTime> {
        Timestamp::from_second(seconds)
            .ok()
            .map(|time| self.0.to_datetime(time))
    }

    /// The time at which the clock shows this: where it shows it twice the first, where never as much later.
    pub fn instant(&self, local: DateTime) -> Option<i64> {
        self.0.to_timestamp(local).ok().map(Timestamp::as_second)
    }

    /// All times at which the clock shows this: none where it is set forward over it, two where it is set back.
    pub fn instants(&self, local: DateTime) -> Vec<i64> {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let both = [ambiguous.earlier(), ambiguous.later()];
        let mut found: Vec<i64> = both
            .into_iter()
            .flatten()
            .map(Timestamp::as_second)
            .filter(|&seconds| self.local(seconds) == Some(local))
            .collect();
        found.dedup();
        found
    }
}

/// What a text says of a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    /// An instant, with the offset that the text has: `2020-01-01T00:00:00+01:00`.
    Instant(i64, i64),
    /// What a clock shows, in a zone that the text does not name.
    Local(DateTime),
    /// A plain number.
    Number(i64),
}

/// Seconds since 1970 of a text. Understood are dates as `2016-07-01`, `2016/07/01`, `01.07.2016`, `13/07/2016`, `1 Jul 2016`;
/// months, quarters, weeks as `2016-07`, `Jul 2016`, `2016Q3`, `2016-W27`; a time of day behind a date, with `AM` or
/// `PM` and an offset (`Z`, `+02:00`) where there is one; and a whole number of seconds. Without an offset it is UTC.
///
/// `None` for anything else, and for `01/07/2016`, which is another day for other readers: the
/// option `day_first` of who reads a file says which.
pub fn parse_time(text: &str) -> Option<i64> {
    match read_time(text, None)? {
        Written::Instant(seconds, _) | Written::Number(seconds) => Some(seconds),
        Written::Local(local) => Zone::utc().instant(local),
    }
}

/// Reads a time; `day_first` decides what `01/07/2016` is.
pub fn read_time(text: &str, day_first: Option<bool>) -> Option<Written> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(Written::Number(number));
    }
    if let Some(date) = period(text) {
        return Some(Written::Local(date.at(0, 0, 0, 0)));
    }
    // The clock is what has a colon, and what follows it.
    let (date, clock) = match text.find(':') {
        Some(colon) => {
            let begin = text[..colon].rfind([' ', 'T', 't'])?;
            (&text[..begin], text[begin + 1..].trim())
        }
        None => (text, ""),
    };
    let date = read_date(date.trim().trim_end_matches(','), day_first)?;
    if clock.is_empty() {
        return Some(Written::Local(date.at(0, 0, 0, 0)));
    }
    let (clock, zone) = split_offset(clock)?;
    let (time, next_day) = read_clock(clock)?;
    let date = if next_day {
        date.tomorrow().ok()?
    } else {
        date
    };
    let local = date.to_datetime(time);
    Some(match zone {
        None => Written::Local(local),
        Some(offset) => Written::Instant(Zone::utc().instant(local)? - offset, offset),
    })
}

/// Whether a text is a time of day alone: `13:00`.
pub fn is_clock(text: &str) -> bool {
    text.contains(':') && read_clock(text.trim()).is_some()
}

/// Whether a text is a date for one of the two readings of `01/07/2016`.
pub fn looks_like_time(text: &str) -> bool {
    [Some(true), Some(false)].iter().any(|&order| {
        matches!(
            read_time(text, order),
            Some(Written::Instant(..) | Written::Local(_))
        )
    })
}

/// Which number of `01/07/2016` cannot be a month: true for the first (so it is the day), false for the second.
pub fn day_order(text: &str) -> Option<bool> {
    let date = text.trim().split([' ', 'T']).next()?;
    let numbers: Vec<i64> = date
        .split(['/', '-'])
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [first, second, _] if first <= 31 && second <= 31 => match (first > 12, second > 12) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A month, quarter or week: its first day.
fn period(text: &str) -> Option<Date> {
    let upper = text.to_ascii_uppercase();
    let digits = |text: &str| -> Option<i16> {
        (text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let small = |text: &str, most: i8| -> Option<i8> {
        let number: i8 = text.parse().ok()?;
        (text.bytes().all(|byte| byte.is_ascii_digit()) && (1..=most).contains(&number))
            .then_some(number)
    };
    if let Some((before, after)) = upper.split_once('Q') {
        // 2016Q3, 2016-Q3, 2016 Q3, Q3 2016, Q3-2016, Q3/2016.
        let is_separator = |c: char| matches!(c, '-' | ' ' | '/');
        let (year, quarter) = if before.is_empty() {
            after.split_once(is_separator).map(|(q, y)| (y, q))?
        } else {
            (before.trim_end_matches(is_separator), after)
        };
        return Date::new(digits(year)?, 3 * small(quarter, 4)? - 2, 1).ok();
    }
    if let Some((year, week)) = upper.split_once('W') {
        // 2016-W27, 2016W27, 2016-W27-3.
        let (week, day) = week.split_once('-').unwrap_or((week, "1"));
        let day = Weekday::from_monday_one_offset(small(day, 7)?).ok()?;
        let year = digits(year.trim_end_matches('-'))?;
        return Some(ISOWeekDate::new(year, small(week, 53)?, day).ok()?.date());
    }
    let (first, second) = upper.split_once(['-', '/', '.', ' '])?;
    // 2016-07 and 07/2016.
    if let (Some(year), Some(month)) = (digits(first), small(second, 12)) {
        return Date::new(year, month, 1).ok();
    }
    if let (Some(month), Some(year)) = (small(first, 12), digits(second)) {
        return Date::new(year, month, 1).ok();
    }
    // Jul 2016 and 2016 Jul.
    match (month_name(first), month_name(second)) {
        (Some(month), None) => Date::new(digits(second)?, month, 1).ok(),
        (None, Some(month)) => Date::new(digits(first)?, month, 1).ok(),
        _ => None,
    }
}

/// The month of an English name or its first three letters.
fn month_name(text: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "JANUARY",
        "FEBRUARY",
        "MARCH",
        "APRIL",
        "MAY",
        "JUNE",
        "JULY",
        "AUGUST",
        "SEPTEMBER",
        "OCTOBER",
        "NOVEMBER",
        "DECEMBER",
    ];
    let text = text.trim_end_matches('.').to_ascii_uppercase();
    let index = NAMES.iter().position(|name| {
        text.len() >= 3
            && (text == name[..3] || text == *name || text == "SEPT" && *name == "SEPTEMBER")
    })?;
    i8::try_from(index + 1).ok()
}

fn read_date(text: &str, day_first: Option<bool>) -> Option<Date> {
    let parts: Vec<&str> = text
        .split(['-', '/', '.', ' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let [first, second, third] = parts[..] else {
        return None;
    };
    let number = |text: &str| -> Option<i16> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    };
    // Of two digits the years that POSIX takes: 69 to 99 are of the last century.
    let year = |text: &str| -> Option<i16> {
        let value = number(text)?;
        match text.len() {
            4 => Some(value),
            2 if value >= 69 => Some(1900 + value),
            2 => Some(2000 + value),
            _ => None,
        }
    };
    let date = |year: i16, month: i16, day: i16| {
        (1..=9999)
            .contains(&year)
            .then(|| Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok())
            .flatten()
    };
    // 1 Jul 2016, Jul 1 2016, 2016 Jul 1.
    if let Some(month) = month_name(second) {
        return match first.len() {
            4 => date(year(first)?, month.into(), number(third)?),
            _ => date(year(third)?, month.into(), number(first)?),
        };
    }
    if let Some(month) = month_name(first) {
        return date(year(third)?, month.into(), number(second)?);
    }
    if first.len() == 4 {
        return date(year(first)?, number(second)?, number(third)?);
    }
    let year = year(third)?;
    let (first, second) = (number(first)?, number(second)?);
    // Points stand where the day comes first; slashes and hyphens say nothing.
    let day_first = match text.contains('.') {
        true => Some(true),
        false => day_first.or(match (first > 12, second > 12) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }),
    };
    match day_first? {
        true => date(year, second, first),
        false => date(year, first, second),
    }
}

/// A clock with what stands behind it: seconds from UTC, if it says so.
fn split_offset(clock: &str) -> Option<(&str, Option<i64>)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock.trim(), Some(0)));
    }
    if let Some(clock) = clock
        .strip_suffix("UTC")
        .or_else(|| clock.strip_suffix("GMT"))
    {
        return Some((clock.trim(), Some(0)));
    }
    match clock.rfind(['+', '-']) {
        Some(at) => Some((clock[..at].trim(), Some(offset(&clock[at..])?))),
        None => Some((clock, None)),
    }
}

/// Seconds of `+01:00`, `+0100` or `+01`.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replace(':', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A time of day, and whether it is 24:00, which is the next day's beginning.
fn read_clock(text: &str) -> Option<(Time, bool)> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim(), Some(0)),
        (_, Some(clock)) => (clock.trim(), Some(12)),
        _ => (upper.as_str(), None),
    };
    // Fractions of a second do not count.
    let clock = clock.split('.').next()?;
    let numbers: Vec<i8> = clock
        .split(':')
        .map(|part| {
            (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        })
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match numbers[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    if (hour, minute, second) == (24, 0, 0) {
        return Some((Time::midnight(), true));
    }
    Some((Time::new(hour, minute, second, 0).ok()?, false))
}

/// `2016-07-01 13:00:00`, in UTC.
pub fn format_time(seconds: i64) -> String {
    Zone::utc().format(seconds)
}

impl Zone {
    /// `2016-07-01 13:00:00`, as its clock shows it.
    pub fn format(&self, seconds: i64) -> String {
        match self.local(seconds) {
            Some(local) => local.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            None => format!("{seconds} s since 1970"),
        }
    }

    /// As [`Zone::format`], with the offset where the zone is not UTC: `2016-07-01 13:00:00+02:00`.
    pub fn format_with_offset(&self, seconds: i64) -> String {
        let zoned =
            Timestamp::from_second(seconds).map(|time| time.to_zoned_datetime(self.0.clone()));
        match zoned {
            Ok(zoned) if self.name() != "UTC" => zoned.strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
            _ => self.format(seconds),
        }
    }

    /// [`time_features`] of what its clock shows.
    pub fn time_features(&self, seconds: i64) -> [f32; 7] {
        let local = self.local(seconds).unwrap_or_default();
        let from_monday = i16::from(local.weekday().to_monday_zero_offset());
        let from_sunday = i16::from(local.weekday().to_sunday_zero_offset());
        let of_year = local.day_of_year();
        [
            (i16::from(local.minute()), 59),
            (i16::from(local.hour()), 23),
            (i16::from(local.day()), 30),
            (from_monday, 6),
            (of_year, 364),
            (i16::from(local.month()), 11),
            ((of_year - 1 + 7 - from_sunday) / 7, 51),
        ]
        .map(|(value, most)| f32::from(value) / most as f32 - 0.5)
    }
}

/// What the calendar says of a point in time in UTC: minute of the hour, hour of the day, day of the month, day of the
/// week, day of the year, month, and week of the year, each scaled to -0.5..0.6. [`Zone::time_features`] is the same by
/// another clock.
///
/// They are those of TiDE's authors (google-research/tide, `time_features.py`) without the holidays, in their
/// order: days of the month and of the year and months are counted from 1, days of the week from Monday, and week 1
/// begins with the year's first Sunday.
pub fn time_features(seconds: i64) -> [f32; 7] {
    Zone::utc().time_features(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2016-07-01 13:00:00", 1_467_378_000),
            ("2000-02-29 23:59:59", 951_868_799),
            ("1969-12-31 00:00:00", -86_400),
        ] {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
            assert_eq!(format_time(seconds), text);
        }
        assert_eq!(parse_time("12"), Some(12));
        assert_eq!(format_time(i64::MAX), format!("{} s since 1970", i64::MAX));
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for text in [
            "2016/07/01T13:00Z",
            "01.07.2016 13:00",
            "1.7.2016 13:00:00",
            "01.07.16 13:00",
            "2016-07-01 13:00:00.000",
            "2016-07-01T15:00:00+02:00",
            "2016-07-01 15:00:00+0200",
            "2016-07-01 08:30:00 -04:30",
            "1 Jul 2016 1:00 PM",
            "Jul 1, 2016 13:00",
            "July 1 2016 13:00 UTC",
            "2016-Jul-01 13:00",
        ] {
            assert_eq!(parse_time(text), Some(1_467_378_000), "{text}");
        }
        for (text, date) in [
            ("13/07/2016", "2016-07-13"),
            ("07/13/2016", "2016-07-13"),
            ("2016-07", "2016-07-01"),
            ("07/2016", "2016-07-01"),
            ("Jul 2016", "2016-07-01"),
            ("2016 july", "2016-07-01"),
            ("Sept-2016", "2016-09-01"),
            ("2016Q3", "2016-07-01"),
            ("2016-Q4", "2016-10-01"),
            ("Q1 2016", "2016-01-01"),
            ("2016-W27", "2016-07-04"),
            ("2016W01", "2016-01-04"),
            ("2015-W53-7", "2016-01-03"),
            ("2016-06-30 24:00", "2016-07-01"),
            ("31.12.99", "1999-12-31"),
        ] {
            assert_eq!(
                parse_time(text),
                parse_time(&format!("{date} 00:00:00")),
                "{text}"
            );
        }
        assert_eq!(read_time("01/07/2016", None), None);
        let first = |order| match read_time("01/07/2016", Some(order)) {
            Some(Written::Local(local)) => (local.month(), local.day()),
            other => panic!("{other:?}"),
        };
        assert_eq!((first(true), first(false)), ((7, 1), (1, 7)));
        assert!(looks_like_time("01/07/2016"));
        assert_eq!(day_order("01/17/2016 12:00"), Some(false));
        assert_eq!(day_order("17-01-2016"), Some(true));
        assert_eq!(day_order("01-02-2016"), None);
        for text in [
            "2015-02-29",
            "2015-13-01",
            "noon",
            "",
            "2015-01-01 25:00",
            "1-2",
            "2015-W54",
            "2015Q5",
            "2015-00",
            "01/07/2016",
            "2015-01-01 10:00+99:00",
            "2015-01-01 13:00 PM",
            "32.01.2015",
            "2015-01-01 :",
            "T",
            ":",
            "2015-01-01 24:01",
            "1,5",
            "x:1",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_says_what_its_clock_shows() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        assert!(!berlin.is_fixed() && Zone::named("+01:00").unwrap().is_fixed());
        assert_eq!(Zone::named("-04:30").unwrap().name(), "-04:30");
        assert_eq!(
            (berlin.name().as_str(), Zone::utc().name().as_str()),
            ("Europe/Berlin", "UTC")
        );
        assert!(
            Zone::named("Europe/Nowhere")
                .unwrap_err()
                .to_string()
                .contains("no time zone")
        );
        // The clock is set forward on 29 March 2020 and back on 25 October.
        let local = |text: &str| match read_time(text, None) {
            Some(Written::Local(local)) => local,
            other => panic!("{other:?}"),
        };
        assert!(berlin.instants(local("2020-03-29 02:30")).is_empty());
        let twice = berlin.instants(local("2020-10-25 02:30"));
        assert_eq!(twice, [1_603_585_800, 1_603_589_400]);
        assert_eq!(berlin.format(1_603_589_400), "2020-10-25 02:30:00");
        let hour = |zone: &Zone| zone.time_features(1_603_589_400)[1];
        assert!((hour(&berlin) - (2.0 / 23.0 - 0.5)).abs() < 1e-6);
        assert!((hour(&Zone::utc()) - (1.0 / 23.0 - 0.5)).abs() < 1e-6);
    }

    #[test]
    fn features_follow_the_calendar() {
        // What Python's calendar has for `minute`, `hour`, `day`, `weekday()`, `tm_yday`, `month` and `strftime("%U")`.
        let rows = [
            ("2016-07-01 23:59:00", [59, 23, 1, 4, 183, 7, 26]),
            ("2017-01-01 00:00:00", [0, 0, 1, 6, 1, 1, 1]),
            ("2018-12-31 12:30:00", [30, 12, 31, 0, 365, 12, 52]),
            ("2016-02-29 01:00:00", [0, 1, 29, 0, 60, 2, 9]),
            ("2020-01-04 00:00:00", [0, 0, 4, 5, 4, 1, 0]),
        ];
        for (text, calendar) in rows {
            let features = time_features(parse_time(text).unwrap_or(0));
            let scales = [59, 23, 30, 6, 364, 11, 51];
            for ((got, value), scale) in features.iter().zip(calendar).zip(scales) {
                let expected = value as f32 / scale as f32 - 0.5;
                assert!((got - expected).abs() < 1e-6, "{text}: {features:?}");
            }
        }
    }
}
