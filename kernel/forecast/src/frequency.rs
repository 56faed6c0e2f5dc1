//! The step from one row to the next, and steps along it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use candle_core::{Error, bail};
use jiff::{
    Span,
    civil::{Date, DateTime},
};

use super::time::Zone;
use patchbay_show::Result;

const DAY: i64 = 86_400;

/// The step of a series: so many seconds, or a step of the calendar, whose seconds differ.
///
/// It is shown, and read by `parse`, as pandas' offset aliases: `s`, `min`, `h`, `D`, `W`, `B`, `MS`, `ME`, `QS`, `QE`, `YS`,
/// `YE`, with a number in front for several: `15min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// So many seconds.
    Seconds(i64),
    /// So many days of a zone whose clock is changed, some of which have 23 or 25 hours.
    Days(i64),
    /// From Monday to Friday.
    BusinessDays,
    /// So many months, always on this day; in a month that has no such day, on its last. So 31 is the end of the month.
    Months {
        /// 1: months; 3: quarters; 12: years.
        count: i64,
        /// 1 to 31.
        day: i8,
    },
}

impl Frequency {
    /// The step that most neighbors among ascending times have. With fewer than two times it is a second.
    pub(super) fn infer(times: &[i64], zone: &Zone) -> Frequency {
        let seconds = most_frequent(
            times
                .windows(2)
                .filter_map(|pair| pair[1].checked_sub(pair[0])),
        );
        let Some(seconds) = seconds.filter(|&step| step > 0) else {
            return Frequency::Seconds(1);
        };
        if seconds >= DAY - 2 * 3600 {
            let local: Option<Vec<DateTime>> = times.iter().map(|&time| zone.local(time)).collect();
            let same_clock = |local: &[DateTime]| {
                local
                    .windows(2)
                    .all(|pair| pair[0].time() == pair[1].time())
            };
            if let Some(local) = local.filter(|local| same_clock(local)) {
                let dates: Vec<Date> = local.iter().map(|local| local.date()).collect();
                return calendar(&dates, seconds, zone);
            }
        }
        Frequency::Seconds(seconds)
    }

    /// The time so many steps later; none where no calendar has it.
    pub fn advance(&self, time: i64, steps: i64, zone: &Zone) -> Option<i64> {
        let span = |date: Date| -> Option<Date> {
            match *self {
                Frequency::Seconds(_) => None,
                Frequency::Days(count) => days_later(date, count.checked_mul(steps)?),
                Frequency::BusinessDays => {
                    // A Saturday or Sunday counts as the Friday before.
                    let from = i64::from(date.weekday().to_monday_zero_offset());
                    let all = from.min(4).checked_add(steps)?;
                    let days = all.div_euclid(5).checked_mul(7)? + all.rem_euclid(5) - from;
                    days_later(date, days)
                }
                Frequency::Months { count, day } => {
                    let first = date.first_of_month();
                    let month = first
                        .checked_add(Span::new().try_months(count.checked_mul(steps)?).ok()?)
                        .ok()?;
                    month
                        .with()
                        .day(day.min(month.days_in_month()))
                        .build()
                        .ok()
                }
            }
        };
        match *self {
            Frequency::Seconds(step) => time.checked_add(step.checked_mul(steps)?),
            _ => {
                let local = zone.local(time)?;
                zone.instant(span(local.date())?.to_datetime(local.time()))
            }
        }
    }

    /// How many steps lead from one time to another; none where none do.
    pub fn steps(&self, from: i64, to: i64, zone: &Zone) -> Option<i64> {
        let steps = match *self {
            Frequency::Seconds(step) => to.checked_sub(from)? / step,
            _ => {
                let (from, to) = (zone.local(from)?.date(), zone.local(to)?.date());
                let days = days_between(from, to);
                match *self {
                    Frequency::Days(count) => days / count,
                    Frequency::BusinessDays => {
                        let begin = i64::from(from.weekday().to_monday_zero_offset());
                        let end = begin + days;
                        end.div_euclid(7) * 5 + end.rem_euclid(7).min(4) - begin.min(4)
                    }
                    Frequency::Months { count, .. } => {
                        let months =
                            |date: Date| 12 * i64::from(date.year()) + i64::from(date.month());
                        (months(to) - months(from)) / count
                    }
                    Frequency::Seconds(_) => return None,
                }
            }
        };
        (self.advance(from, steps, zone) == Some(to)).then_some(steps)
    }

    /// Steps after which a rhythm returns: those of a day below a day, 7 days, 5 business days, 52 weeks, 12 months, 4
    /// quarters. None where there is no such number.
    pub fn season(&self) -> Option<usize> {
        match *self {
            Frequency::Seconds(step) if (1..DAY).contains(&step) && DAY % step == 0 => {
                usize::try_from(DAY / step).ok()
            }
            Frequency::Seconds(DAY) | Frequency::Days(1) => Some(7),
            Frequency::Days(7) => Some(52),
            Frequency::Seconds(step) if step == 7 * DAY => Some(52),
            Frequency::BusinessDays => Some(5),
            Frequency::Months { count, .. } if count < 12 && 12 % count == 0 => {
                usize::try_from(12 / count).ok()
            }
            _ => None,
        }
    }

    /// Whether a forecaster for one is one for the other: steps of the same length, on whatever day of a month.
    pub(super) fn is_like(&self, other: &Frequency) -> bool {
        let plain = |frequency: &Frequency| match *frequency {
            Frequency::Days(count) => (0, count * DAY),
            Frequency::Seconds(step) => (0, step),
            Frequency::BusinessDays => (1, 1),
            Frequency::Months { count, .. } => (2, count),
        };
        plain(self) == plain(other)
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

fn days_later(date: Date, days: i64) -> Option<Date> {
    date.checked_add(Span::new().try_days(days).ok()?).ok()
}

/// The step of dates that have the same time of day.
fn calendar(dates: &[Date], seconds: i64, zone: &Zone) -> Frequency {
    let day = dates.iter().map(|date| date.day()).max().unwrap_or(1);
    let on = |day: i8| {
        dates
            .iter()
            .all(|date| date.day() == day.min(date.days_in_month()))
    };
    let months = |date: &Date| 12 * i64::from(date.year()) + i64::from(date.month());
    let of_months = most_frequent(
        dates
            .windows(2)
            .map(|pair| months(&pair[1]) - months(&pair[0])),
    );
    if let Some(count) = of_months.filter(|&count| count > 0)
        && seconds >= 27 * DAY
    {
        if on(31) {
            return Frequency::Months { count, day: 31 };
        }
        if on(day) {
            return Frequency::Months { count, day };
        }
    }
    let days = |pair: &[Date]| days_between(pair[0], pair[1]);
    let of_days = most_frequent(dates.windows(2).map(days)).unwrap_or(1);
    let is_weekend = |date: &Date| date.weekday().to_monday_zero_offset() >= 5;
    let over_a_weekend = dates.windows(2).any(|pair| days(pair) >= 3);
    if of_days == 1 && over_a_weekend && !dates.iter().any(is_weekend) {
        return Frequency::BusinessDays;
    }
    match zone.is_fixed() {
        true => Frequency::Seconds(seconds),
        false => Frequency::Days(of_days.max(1)),
    }
}

/// The most frequent value; of those that are as frequent the least, because the others may be gaps.
fn most_frequent(values: impl Iterator<Item = i64>) -> Option<i64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0usize) += 1;
    }
    counts
        .into_iter()
        .min_by_key(|&(_, count)| std::cmp::Reverse(count))
        .map(|(value, _)| value)
}

impl fmt::Display for Frequency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match *self {
            Frequency::BusinessDays => (1, "B"),
            Frequency::Days(count) if count % 7 == 0 => (count / 7, "W"),
            Frequency::Days(count) => (count, "D"),
            Frequency::Months { count, day } => {
                match (count % 12 == 0, count % 3 == 0, day == 31) {
                    (true, _, true) => (count / 12, "YE"),
                    (true, _, false) => (count / 12, "YS"),
                    (_, true, true) => (count / 3, "QE"),
                    (_, true, false) => (count / 3, "QS"),
                    (_, _, true) => (count, "ME"),
                    (_, _, false) => (count, "MS"),
                }
            }
            Frequency::Seconds(step) => [(7 * DAY, "W"), (DAY, "D"), (3600, "h"), (60, "min")]
                .into_iter()
                .find(|(seconds, _)| step % seconds == 0)
                .map_or((step, "s"), |(seconds, unit)| (step / seconds, unit)),
        };
        if count != 1 {
            write!(formatter, "{count}")?;
        }
        write!(formatter, "{unit}")?;
        match *self {
            Frequency::Months { day, .. } if day != 1 && day != 31 => {
                write!(formatter, " on day {day}")
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Frequency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Frequency> {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &text[..text.len() - unit.len()];
        let count: i64 = match number {
            "" => 1,
            _ => number.parse().unwrap_or(0),
        };
        // As pandas has it, `T`, `H` and such are older names, and months without a letter are their ends.
        let seconds = |step: i64| Some(Frequency::Seconds(count.checked_mul(step)?));
        let months = |months: i64, day| {
            Some(Frequency::Months {
                count: count.checked_mul(months)?,
                day,
            })
        };
        let found = match unit {
            "s" | "S" => seconds(1),
            "min" | "T" => seconds(60),
            "h" | "H" => seconds(3600),
            "D" | "d" => seconds(DAY),
            "W" | "w" => seconds(7 * DAY),
            "B" if count == 1 => Some(Frequency::BusinessDays),
            "MS" => months(1, 1),
            "M" | "ME" => months(1, 31),
            "QS" => months(3, 1),
            "Q" | "QE" => months(3, 31),
            "YS" | "AS" => months(12, 1),
            "Y" | "YE" | "A" => months(12, 31),
            _ => None,
        };
        match found.filter(|_| count > 0) {
            Some(found) => Ok(found),
            None => bail!(
                "\"{text}\" is no frequency; they are s, min, h, D, W, B, MS, ME, QS, QE, YS, YE, with a number in front for \
                 several, as in 15min"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_time;

    fn times(texts: &[&str]) -> Vec<i64> {
        texts.iter().map(|text| parse_time(text).unwrap()).collect()
    }

    #[test]
    fn the_step_is_what_most_neighbors_have() {
        for (texts, expected) in [
            (
                &["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"][..],
                "MS",
            ),
            (&["2020-01-31", "2020-02-29", "2020-03-31"], "ME"),
            (&["2020-01-30", "2020-02-29", "2020-03-30"], "MS on day 30"),
            (&["2020-01-15", "2020-02-15"], "MS on day 15"),
            (&["2019-10-01", "2020-01-01", "2020-04-01"], "QS"),
            (&["2019-12-31", "2020-03-31", "2020-06-30"], "QE"),
            (&["2019-01-01", "2020-01-01", "2021-01-01"], "YS"),
            (&["2019-W01", "2019-W02", "2019-W03", "2019-W05"], "W"),
            (
                &["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"],
                "B",
            ),
            (
                &["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-07"],
                "D",
            ),
            (
                &[
                    "2020-01-01 00:00",
                    "2020-01-01 00:15",
                    "2020-01-01 01:00",
                    "2020-01-01 01:15",
                ],
                "15min",
            ),
            (&["2020-01-01", "2020-01-29", "2020-02-26"], "4W"),
            (&["2020-01-01"], "s"),
        ] {
            assert_eq!(
                Frequency::infer(&times(texts), &Zone::utc()).to_string(),
                expected,
                "{texts:?}"
            );
        }
        // Midnights in Berlin around both changes of the clock.
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let midnights: Vec<i64> = times(&[
            "2020-03-27 23:00",
            "2020-03-28 23:00",
            "2020-03-29 22:00",
            "2020-03-30 22:00",
        ]);
        let daily = Frequency::infer(&midnights, &berlin);
        assert_eq!(daily, Frequency::Days(1));
        assert_eq!(daily.steps(midnights[0], midnights[3], &berlin), Some(3));
        assert_eq!(daily.advance(midnights[0], 3, &berlin), Some(midnights[3]));
        assert!(daily.is_like(&Frequency::Seconds(DAY)));
        assert_eq!(
            Frequency::infer(&midnights, &Zone::utc()),
            Frequency::Seconds(DAY)
        );
    }

    #[test]
    fn steps_lead_where_the_calendar_says() {
        let utc = Zone::utc();
        for (frequency, from, steps, to) in [
            ("MS", "2019-11-01", 3, "2020-02-01"),
            ("ME", "2020-01-31", 1, "2020-02-29"),
            ("ME", "2020-02-29", -2, "2019-12-31"),
            ("QE", "2019-12-31", 2, "2020-06-30"),
            ("YS", "2019-01-01", 5, "2024-01-01"),
            ("B", "2020-01-03", 1, "2020-01-06"),
            ("B", "2020-01-02", 12, "2020-01-20"),
            ("B", "2020-01-06", -1, "2020-01-03"),
            ("W", "2020-01-03", 2, "2020-01-17"),
            ("15min", "2020-01-01 23:45", 1, "2020-01-02 00:00"),
        ] {
            let frequency: Frequency = frequency.parse().unwrap();
            let (from, to) = (parse_time(from).unwrap(), parse_time(to).unwrap());
            assert_eq!(
                frequency.advance(from, steps, &utc),
                Some(to),
                "{frequency}"
            );
            assert_eq!(frequency.steps(from, to, &utc), Some(steps), "{frequency}");
            assert_eq!(
                frequency
                    .steps(from, to + 3600, &utc)
                    .filter(|_| frequency != Frequency::Seconds(900)),
                None
            );
        }
        let monthly: Frequency = "MS".parse().unwrap();
        assert_eq!(monthly.advance(i64::MAX, 1, &utc), None);
        assert_eq!(monthly.advance(0, i64::MAX, &utc), None);
        for text in ["", "3", "0h", "2B", "fortnight", "99999999999999999999h"] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
        let seasons = ["h", "30min", "D", "W", "B", "MS", "QS", "YS", "7h"]
            .map(|text| text.parse::<Frequency>().unwrap().season());
        assert_eq!(
            seasons,
            [
                Some(24),
                Some(48),
                Some(7),
                Some(52),
                Some(5),
                Some(12),
                Some(4),
                None,
                None
            ]
        );
        for text in [
            "15min", "h", "2h", "D", "W", "B", "MS", "ME", "QS", "QE", "YS", "YE",
        ] {
            assert_eq!(text.parse::<Frequency>().unwrap().to_string(), text);
        }
    }
}
