//! Points in time as seconds since 1970, and what a calendar says of them.

const DAY: i64 = 86_400;

/// Days since 1970 of a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// Year, month and day of a day since 1970: the reverse of [`days`].
fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Seconds since 1970 of a text: `2016-07-01`, `2016-07-01 13:00`, `2016-07-01T13:00:00Z`, or a whole number
/// of seconds. Without a zone, which only `Z` may name, it is taken as UTC. `None` for anything else.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, clock) = match text.split_once([' ', 'T']) {
        Some((day, clock)) => (day, clock),
        None => (text, "00:00:00"),
    };
    let numbers = |text: &str, separator: char| -> Option<Vec<i64>> {
        text.split(separator)
            .map(
                |part| match part.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => part.parse().ok(),
                    false => None,
                },
            )
            .collect()
    };
    let separator = if day.contains('/') { '/' } else { '-' };
    let [year, month, day] = numbers(day, separator)?[..] else {
        return None;
    };
    // Fractions of a second do not count.
    let clock = numbers(clock.split('.').next()?, ':')?;
    let (hour, minute, second) = match clock[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let length = match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let fits = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=length).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    fits.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// `2016-07-01 13:00:00`.
pub fn format_time(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let clock = seconds.rem_euclid(DAY);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}

/// What the calendar says of a point in time: minute of the hour, hour of the day, day of the month, day of the
/// week, day of the year, month, and week of the year, each scaled to -0.5..0.6.
///
/// They are those of TiDE's authors (google-research/tide, `time_features.py`) without the holidays, in their
/// order: days of the month and of the year and months are counted from 1, days of the week from Monday, and week 1
/// begins with the year's first Sunday.
pub fn time_features(seconds: i64) -> [f32; 7] {
    let day = seconds.div_euclid(DAY);
    let clock = seconds.rem_euclid(DAY);
    let (year, month, of_month) = date(day);
    let of_year = day - days(year, 1, 1);
    // The first of January 1970 was a Thursday; weeks begin on Monday.
    let of_week = (day + 3).rem_euclid(7);
    let from_sunday = (of_week + 1) % 7;
    [
        (clock / 60 % 60, 59),
        (clock / 3600, 23),
        (of_month, 30),
        (of_week, 6),
        (of_year + 1, 364),
        (month, 11),
        ((of_year + 7 - from_sunday) / 7, 51),
    ]
    .map(|(value, most)| value as f32 / most as f32 - 0.5)
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
        assert_eq!(parse_time("2016/07/01T13:00Z"), Some(1_467_378_000));
        assert_eq!(parse_time("12"), Some(12));
        for text in [
            "2015-02-29",
            "2015-13-01",
            "noon",
            "",
            "2015-01-01 25:00",
            "1-2",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for day in (-100_000..100_000).step_by(37) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
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
