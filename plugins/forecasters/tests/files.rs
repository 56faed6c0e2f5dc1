//! CSV files as people have them: calendars, zones, separators, long format, and what is missing.

use std::io::Write;

use patchbay::{
    forecast::{
        CsvOptions, Dataset, FitOptions, Frame, Frequency, Missing, Part, Split, Zone, backtest,
        fit, parse_time,
    },
    plugin::{create, prelude::*},
};

fn read(text: &str, options: &CsvOptions) -> patchbay::Result<Frame> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Frame::read_csv_with(file.path().to_str().unwrap(), options)
}

fn good(text: &str) -> Frame {
    read(text, &CsvOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str, options: &CsvOptions) -> String {
    match read(text, options) {
        Ok(frame) => panic!("expected an error, got {:?} for\n{text}", frame.times()),
        Err(error) => error.to_string(),
    }
}

fn interpolate() -> CsvOptions {
    CsvOptions {
        missing: Missing::Interpolate,
        ..CsvOptions::default()
    }
}

/// A file with these times and the values 1, 2, 3, ...
fn with_times(head: &str, times: &[&str]) -> String {
    let rows = times.iter().enumerate();
    let rows: Vec<String> = rows.map(|(i, time)| format!("{time},{}", i + 1)).collect();
    format!("{head},x\n{}\n", rows.join("\n"))
}

#[test]
fn steps_of_the_calendar_are_read_in_every_way_of_writing_them() {
    for (head, times, frequency, season, first) in [
        (
            "month",
            &["2019-11", "2019-12", "2020-01", "2020-02"][..],
            "MS",
            Some(12),
            "2019-11-01",
        ),
        (
            "m",
            &["Nov 2019", "Dec 2019", "Jan 2020"],
            "MS",
            Some(12),
            "2019-11-01",
        ),
        (
            "date",
            &["2019-11-01", "2019-12-01", "2020-01-01"],
            "MS",
            Some(12),
            "2019-11-01",
        ),
        (
            "date",
            &["2019-12-31", "2020-01-31", "2020-02-29"],
            "ME",
            Some(12),
            "2019-12-31",
        ),
        (
            "date",
            &["2019-12-15", "2020-01-15", "2020-02-15"],
            "MS on day 15",
            Some(12),
            "2019-12-15",
        ),
        (
            "q",
            &["2019Q4", "2020Q1", "2020Q2"],
            "QS",
            Some(4),
            "2019-10-01",
        ),
        (
            "q",
            &["2019-Q4", "2020-Q1", "2020-Q2"],
            "QS",
            Some(4),
            "2019-10-01",
        ),
        (
            "q",
            &["Q4 2019", "Q1 2020", "Q2 2020"],
            "QS",
            Some(4),
            "2019-10-01",
        ),
        (
            "date",
            &["2019-09-30", "2019-12-31", "2020-03-31"],
            "QE",
            Some(4),
            "2019-09-30",
        ),
        (
            "Year",
            &["1998", "1999", "2000", "2001"],
            "YS",
            None,
            "1998-01-01",
        ),
        (
            "ds",
            &["1998-12-31", "1999-12-31", "2000-12-31"],
            "YE",
            None,
            "1998-12-31",
        ),
        (
            "week",
            &["2020-W52", "2020-W53", "2021-W01"],
            "W",
            Some(52),
            "2020-12-21",
        ),
        (
            "date",
            &["2020-12-20", "2020-12-27", "2021-01-03"],
            "W",
            Some(52),
            "2020-12-20",
        ),
        (
            "date",
            &["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"],
            "B",
            Some(5),
            "2020-01-02",
        ),
        (
            "date",
            &["20200227", "20200228", "20200229", "20200301"],
            "D",
            Some(7),
            "2020-02-27",
        ),
        (
            "date",
            &["27.02.2020", "28.02.2020", "29.02.2020"],
            "D",
            Some(7),
            "2020-02-27",
        ),
        (
            "date",
            &["27/02/2020", "28/02/2020", "29/02/2020"],
            "D",
            Some(7),
            "2020-02-27",
        ),
        (
            "date",
            &["2/27/2020", "2/28/2020", "2/29/2020"],
            "D",
            Some(7),
            "2020-02-27",
        ),
        (
            "t",
            &["2020-01-01 11:00 PM", "2020-01-02 12:00 AM"],
            "h",
            Some(24),
            "2020-01-01 23:00",
        ),
        // The date in one column, the time of day in another.
        (
            "Datum,Uhrzeit",
            &["01.01.2020,23:45", "02.01.2020,00:00", "02.01.2020,00:15"],
            "15min",
            Some(96),
            "2020-01-01 23:45",
        ),
        (
            "t",
            &["01.01.2020 23:45", "01.01.2020 24:00"],
            "15min",
            Some(96),
            "2020-01-01 23:45",
        ),
    ] {
        let text = with_times(head, times);
        let frame = good(&text);
        assert_eq!(frame.frequency().to_string(), frequency, "{text}");
        assert_eq!(frame.frequency().season(), season, "{text}");
        assert_eq!(frame.times()[0], parse_time(first).unwrap(), "{text}");
        assert_eq!(frame.rows(), times.len());
        let shown = frame.show().data["text/plain"].to_string();
        assert!(shown.contains(&format!("step {frequency}")), "{shown}");
    }
}

#[test]
fn gaps_in_the_calendar_are_filled_and_marked() {
    for (times, filled) in [
        (&["2019-11", "2019-12", "2020-03", "2020-04"][..], 2),
        (
            &[
                "2020-01-02",
                "2020-01-03",
                "2020-01-06",
                "2020-01-08",
                "2020-01-09",
            ],
            1,
        ),
        (&["2019Q1", "2019Q2", "2019Q4"], 1),
        (&["2020-01-31", "2020-02-29", "2020-04-30"], 1),
    ] {
        let text = with_times("date", times);
        let error = refusal(&text, &CsvOptions::default());
        assert!(
            error.contains("the step of the others is") && error.contains("Missing::Interpolate"),
            "{error}"
        );
        let frame = read(&text, &interpolate()).unwrap();
        assert_eq!(
            (frame.rows(), frame.interpolated()),
            (times.len() + filled, filled)
        );
        let missing = frame
            .measured("x")
            .unwrap()
            .iter()
            .filter(|&&one| !one)
            .count();
        assert_eq!(missing, filled);
        let shown = frame.show().data["text/plain"].to_string();
        assert!(
            shown.contains(&format!("{filled} values were missing")),
            "{shown}"
        );
    }
    // A step that few rows show is said.
    let text = with_times("date", &["2020-01-02", "2020-01-03"]);
    let options = CsvOptions {
        frequency: Some("B".parse().unwrap()),
        ..interpolate()
    };
    assert_eq!(
        read(&text, &options).unwrap().frequency(),
        Frequency::BusinessDays
    );
}

#[test]
fn separators_and_decimal_commas_are_seen() {
    let expected = good("date,x,y\n2020-01-01,1.5,2\n2020-01-02,-2.5,3\n");
    for text in [
        "date;x;y\n01.01.2020;1,5;2\n02.01.2020;-2,5;3\n",
        "date;x;y\n2020-01-01;1.5;2\n2020-01-02;-2.5;3\n",
        "date\tx\ty\n2020-01-01\t1.5\t2\n2020-01-02\t-2.5\t3\n",
        "date|x|y\r\n2020-01-01|1,5|2,0\r\n2020-01-02|-2,5|3\r\n",
        "\u{feff}date;x;y\n\"01.01.2020\";\"1,5\";\"2\"\n\"02.01.2020\";\"-2,5\";\"3\"\n",
        // Newest first.
        "date,x,y\n2020-01-02,-2.5,3\n2020-01-01,1.5,2\n",
    ] {
        let frame = good(text);
        assert_eq!(
            frame.column("x").unwrap(),
            expected.column("x").unwrap(),
            "{text}"
        );
        assert_eq!(
            (frame.names(), frame.times()),
            (expected.names(), expected.times()),
            "{text}"
        );
    }
    let text = "date;x\n01.01.2020;1.234,5\n02.01.2020;2.000.000,25\n";
    let error = refusal(text, &CsvOptions::default());
    assert!(
        error.contains("no column of numbers") || error.contains("thousands"),
        "{error}"
    );
    let options = CsvOptions {
        decimal: Some(','),
        thousands: Some('.'),
        ..CsvOptions::default()
    };
    assert_eq!(
        read(text, &options).unwrap().column("x").unwrap(),
        [1234.5, 2_000_000.25]
    );
    let options = CsvOptions {
        decimal: Some('.'),
        thousands: Some('.'),
        ..CsvOptions::default()
    };
    assert!(refusal(text, &options).contains("both '.'"));
}

#[test]
fn a_day_that_may_be_a_month_is_asked_for() {
    let text = with_times("date", &["01/02/2020", "02/02/2020", "03/02/2020"]);
    let error = refusal(&text, &CsvOptions::default());
    assert!(
        error.contains("day_first: Some(true)") && error.contains("line 2"),
        "{error}"
    );
    let with = |day_first| CsvOptions {
        day_first: Some(day_first),
        ..CsvOptions::default()
    };
    let days = read(&text, &with(true)).unwrap();
    assert_eq!(
        (days.frequency().to_string(), days.times()[0]),
        ("D".to_owned(), parse_time("2020-02-01").unwrap())
    );
    let months = read(&text, &with(false)).unwrap();
    assert_eq!(
        (months.frequency().to_string(), months.times()[0]),
        ("MS on day 2".to_owned(), parse_time("2020-01-02").unwrap())
    );
    let options = CsvOptions {
        time: Some("t".to_owned()),
        time_format: Some("%d%b%Y:%H".to_owned()),
        ..CsvOptions::default()
    };
    let frame = read("t,x\n01Jan2020:00,1\n01Jan2020:01,2\n", &options);
    // A format without minutes is a date and an hour.
    match frame {
        Ok(frame) => assert_eq!(frame.frequency().to_string(), "h"),
        Err(error) => assert!(error.to_string().contains("is not a time"), "{error}"),
    }
    let options = CsvOptions {
        time_format: Some("%d-%b-%y %H:%M".to_owned()),
        ..options
    };
    let frame = read("t,x\n01-Jan-20 00:00,1\n01-Jan-20 00:30,2\n", &options).unwrap();
    assert_eq!(frame.frequency(), Frequency::Seconds(1800));
}

#[test]
fn offsets_and_clocks_that_are_set_are_instants() {
    // One offset for all: its clock.
    let frame = good(&with_times(
        "t",
        &["2020-01-01T00:00+01:00", "2020-01-01T01:00+01:00"],
    ));
    assert_eq!(frame.times()[0], parse_time("2019-12-31 23:00").unwrap());
    assert_eq!(frame.zone().name(), "+01:00");
    assert!((frame.zone().time_features(frame.times()[0])[1] + 0.5).abs() < 1e-6);
    // Around both changes in Berlin, with offsets.
    for times in [
        &[
            "2020-03-29T01:00+01:00",
            "2020-03-29T03:00+02:00",
            "2020-03-29T04:00+02:00",
        ][..],
        &[
            "2020-10-25T01:00+02:00",
            "2020-10-25T02:00+02:00",
            "2020-10-25T02:00+01:00",
            "2020-10-25T03:00+01:00",
        ],
    ] {
        let frame = good(&with_times("t", times));
        assert_eq!(frame.frequency(), Frequency::Seconds(3600));
        assert_eq!(
            frame
                .in_zone(&Zone::named("Europe/Berlin").unwrap())
                .unwrap()
                .rows(),
            times.len()
        );
    }
    // Without offsets: the zone says which hours there are.
    let berlin = CsvOptions {
        zone: Some("Europe/Berlin".to_owned()),
        ..CsvOptions::default()
    };
    let spring = with_times(
        "t",
        &[
            "2020-03-29 00:00",
            "2020-03-29 01:00",
            "2020-03-29 03:00",
            "2020-03-29 04:00",
        ],
    );
    let autumn = with_times(
        "t",
        &[
            "2020-10-25 01:00",
            "2020-10-25 02:00",
            "2020-10-25 02:00",
            "2020-10-25 03:00",
        ],
    );
    for text in [&spring, &autumn] {
        let error = refusal(text, &CsvOptions::default());
        assert!(error.contains("zone: Some(\"Europe/Berlin\""), "{error}");
        assert!(!error.contains("take out"), "{error}");
        let frame = read(text, &berlin).unwrap();
        assert_eq!(
            (frame.frequency(), frame.rows()),
            (Frequency::Seconds(3600), 4)
        );
    }
    // Quarters of an hour come in two rows of four.
    let quarters: Vec<String> = [
        "01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00",
    ]
    .iter()
    .map(|clock| format!("2020-10-25 {clock}"))
    .collect();
    let quarters: Vec<&str> = quarters.iter().map(String::as_str).collect();
    assert_eq!(
        read(&with_times("t", &quarters), &berlin)
            .unwrap()
            .frequency(),
        Frequency::Seconds(900)
    );
    let error = refusal(
        &with_times("t", &["2020-03-29 01:30", "2020-03-29 02:30"]),
        &berlin,
    );
    assert!(
        error.contains("line 3") && error.contains("set forward over it"),
        "{error}"
    );
    // Days of 23, 24 and 25 hours.
    let days = read(
        &with_times(
            "t",
            &["2020-03-28", "2020-03-29", "2020-03-30", "2020-03-31"],
        ),
        &berlin,
    )
    .unwrap();
    assert_eq!(days.frequency(), Frequency::Days(1));
    assert_eq!(days.times()[2] - days.times()[1], 23 * 3600);
    assert_eq!(days.frequency().season(), Some(7));
    let nowhere = CsvOptions {
        zone: Some("Europe/Nowhere".to_owned()),
        ..CsvOptions::default()
    };
    assert!(refusal(&spring, &nowhere).contains("no time zone"));
}

const LONG: &str = "unique_id,ds,y,price\na,2020-01-01,1,10\nb,2020-01-01,5,20\na,2020-01-02,2,11\nb,2020-01-02,6,21\n\
                    a,2020-01-03,3,12\nb,2020-01-03,7,22\n";

#[test]
fn files_in_long_format_become_columns() {
    let frame = good(LONG);
    assert_eq!(frame.names(), ["a", "b"]);
    assert_eq!(frame.column("b").unwrap(), [5.0, 6.0, 7.0]);
    let price = CsvOptions {
        value: Some("price".to_owned()),
        ..CsvOptions::default()
    };
    assert_eq!(
        read(LONG, &price).unwrap().column("a").unwrap(),
        [10.0, 11.0, 12.0]
    );
    // Under any name, with series one after the other; nobody is told to remove rows.
    let other = "shop,day,sold\n1,2020-01-01,1\n1,2020-01-02,2\n1,2020-01-03,3\n2,2020-01-01,5\n2,2020-01-02,6\n2,2020-01-03,7\n";
    let error = refusal(other, &CsvOptions::default());
    assert!(
        error.contains("id: Some(\"shop\"") && error.contains("no row has to go"),
        "{error}"
    );
    let shop = CsvOptions {
        id: Some("shop".to_owned()),
        ..CsvOptions::default()
    };
    let frame = read(other, &shop).unwrap();
    assert_eq!(
        (frame.names(), frame.column("2").unwrap()),
        (&["1".to_owned(), "2".to_owned()][..], &[5.0, 6.0, 7.0][..])
    );
    let error = refusal(
        LONG,
        &CsvOptions {
            id: Some("nothing".to_owned()),
            ..CsvOptions::default()
        },
    );
    assert!(error.contains("no column nothing"), "{error}");
    let twice = LONG.to_owned() + "a,2020-01-03,4,12\n";
    let error = refusal(&twice, &CsvOptions::default());
    assert!(
        error.contains("line 8: a has 2020-01-03 00:00:00 a second time, as in line 6"),
        "{error}"
    );
    let two = LONG.replace(",y,", ",sold,");
    let error = refusal(&two, &CsvOptions::default());
    assert!(
        error.contains("several columns of numbers, sold, price"),
        "{error}"
    );
    // A series that begins later.
    let later = LONG.replace("b,2020-01-01,5,20\n", "");
    let error = refusal(&later, &CsvOptions::default());
    assert!(
        error.contains("b has no row for 2020-01-01") && error.contains("begin later"),
        "{error}"
    );
    let frame = read(&later, &interpolate()).unwrap();
    assert_eq!(frame.column("b").unwrap(), [6.0, 6.0, 7.0]);
    assert_eq!(frame.measured("b").unwrap(), [false, true, true]);
    assert_eq!(frame.interpolated(), 1);
}

#[test]
fn a_frame_is_written_as_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.csv");
    let path = path.to_str().unwrap();
    let gaps = with_times(
        "t",
        &[
            "2020-03-28 22:00",
            "2020-03-29 00:00",
            "2020-03-29 04:00",
            "2020-03-29 05:00",
        ],
    );
    for zone in [None, Some("Europe/Berlin".to_owned())] {
        let options = CsvOptions {
            zone: zone.clone(),
            frequency: Some(Frequency::Seconds(3600)),
            ..interpolate()
        };
        let frame = read(&gaps, &options).unwrap();
        frame.write_csv(path).unwrap();
        let again = Frame::read_csv_with(path, &options).unwrap();
        assert_eq!(
            (again.times(), again.interpolated()),
            (frame.times(), frame.interpolated())
        );
        assert_eq!(again.measured("x").unwrap(), frame.measured("x").unwrap());
        assert!(frame.interpolated() >= 3);
    }
    let frame = good(LONG);
    assert_eq!(frame.slice(1..3).unwrap().column("a").unwrap(), [2.0, 3.0]);
    assert!(frame.slice(1..9).is_err());
    assert!(
        frame
            .write_csv(folder.path().join("absent/frame.csv"))
            .is_err()
    );
}

#[test]
fn what_was_not_measured_counts_in_no_loss_and_no_error() {
    patchbay_forecasters::register().unwrap();
    let rows = 600;
    let value = |row: usize| {
        (row as f64 / 24.0 * std::f64::consts::TAU).sin() + 0.01 * ((row * 7919) % 100) as f64
    };
    let times: Vec<i64> = (0..rows as i64).map(|row| 3600 * row).collect();
    let whole: Vec<f64> = (0..rows).map(value).collect();
    // Half a day is missing here and there, in which the line between the neighbors is far from the truth.
    let missing = |row: usize| row % 61 > 48;
    let with_gaps: Vec<f64> = (0..rows)
        .map(|row| if missing(row) { f64::NAN } else { value(row) })
        .collect();
    let split = || Split::shares(rows, 0.6, 0.2).unwrap();
    let frame = Frame::with_missing(times.clone(), vec![("x".to_owned(), with_gaps)]).unwrap();
    let data = Dataset::new(&frame, split()).unwrap();
    assert_eq!(
        data.interpolated(),
        (0..rows).filter(|&row| missing(row)).count()
    );
    // The scale is that of the measured values.
    let measured: Vec<f64> = (0..360).filter(|&row| !missing(row)).map(value).collect();
    let mean = measured.iter().sum::<f64>() / measured.len() as f64;
    assert!((data.scaler().means[0] - mean).abs() < 1e-12);
    // Repeating the last day, with its error by hand over what was measured.
    let model = create::<dyn Forecaster>(
        "forecaster/seasonal_naive",
        json!({"lookback": 24, "horizon": 12}),
    )
    .unwrap();
    let test = backtest(&model, &data, Part::Test).unwrap();
    let column = frame.column("x").unwrap();
    let (mut sum, mut count, mut left_out) = (0.0, 0, 0);
    for begin in 480..=rows - 12 {
        let any = (begin..begin + 12).any(|row| !missing(row));
        for row in begin..begin + 12 {
            if missing(row) {
                left_out += usize::from(any);
            } else {
                sum += ((column[row] - column[row - 24]) / data.scaler().deviations[0]).powi(2);
                count += 1;
            }
        }
    }
    assert!(
        (test.mse / (sum / f64::from(count)) - 1.0).abs() < 1e-4,
        "{} {}",
        test.mse,
        sum / f64::from(count)
    );
    assert_eq!(test.interpolated, left_out);
    assert!((test.baselines[1].mse - test.mse).abs() < 1e-9);
    let shown = test.show().data["text/plain"].to_string();
    assert!(
        shown.contains("interpolated values do not count"),
        "{shown}"
    );
    let windows = data.windows(Part::Train, 24, 12).unwrap();
    let (_, future, mask) = windows.masked_batch(&[30]).unwrap();
    let (row, _) = windows.place(30);
    let mask = mask.unwrap().to_vec2::<u8>().unwrap();
    for (step, &measured) in mask[0].iter().enumerate() {
        assert_eq!(measured == 0, missing(row + step));
    }
    assert_eq!(future.dims(), [1, 12]);
    // Other made-up values in their place change neither training nor result: the loss does not see them.
    let error = |id: &str| {
        patchbay::nn::seed_all(1).unwrap();
        let model = create::<dyn Forecaster>(id, json!({"lookback": 24, "horizon": 12})).unwrap();
        let quiet = FitOptions {
            quiet: true,
            batch: 64,
            epochs: 6,
            learning_rate: Some(5e-3),
            ..FitOptions::default()
        };
        fit(&model, &data, &quiet).unwrap();
        backtest(&model, &data, Part::Test).unwrap().mse
    };
    for id in ["forecaster/ridge", "forecaster/d_linear", "forecaster/tide"] {
        assert!(error(id) < 0.5, "{id}: {}", error(id));
    }
    // A part in which nothing was measured is no part.
    let mut gone = whole.clone();
    gone[480..].fill(f64::NAN);
    let frame = Frame::with_missing(times.clone(), vec![("x".to_owned(), gone)]).unwrap();
    let data = Dataset::new(&frame, split()).unwrap();
    let text = backtest(&model, &data, Part::Test).unwrap_err().to_string();
    assert!(text.contains("interpolated there"), "{text}");
    let mut gone = whole;
    gone[..360].fill(f64::NAN);
    let frame = Frame::with_missing(times, vec![("x".to_owned(), gone)]).unwrap();
    let text = Dataset::new(&frame, split()).unwrap_err().to_string();
    assert!(
        text.contains("no measured value in the training rows"),
        "{text}"
    );
}

#[test]
fn numbers_of_another_format_are_reported_with_what_to_type_however_many_there_are() {
    // Of four values none, one, three and all are above a thousand: a column is never taken for text.
    for large in [0, 1, 3, 4] {
        let mut file = "Datum;a;b\n".to_owned();
        for day in 1..=4 {
            let value = if day <= large { "-1.094,55" } else { "906,72" };
            file += &format!("0{day}.07.2016;{value};{day},5\n");
        }
        if large == 0 {
            assert_eq!(good(&file).names(), ["a", "b"]);
            continue;
        }
        let error = refusal(&file, &CsvOptions::default());
        assert!(
            error.contains("decimal: Some(','), thousands: Some('.')")
                && error.contains("column a: \"-1.094,55\""),
            "{large}: {error}"
        );
        let options = CsvOptions {
            decimal: Some(','),
            thousands: Some('.'),
            ..CsvOptions::default()
        };
        let frame = read(&file, &options).unwrap();
        assert_eq!(frame.column("a").unwrap()[0], -1094.55);
    }
    for (values, advice) in [
        (
            ["1,234.5", "12,345,678.25"],
            "decimal: Some('.'), thousands: Some(',')",
        ),
        (
            ["1'234.5", "7'000'000.5"],
            "decimal: Some('.'), thousands: Some('\\'')",
        ),
    ] {
        let file = format!(
            "time;a\n2020-01-01;{}\n2020-01-02;{}\n2020-01-03;2\n",
            values[0], values[1]
        );
        let error = refusal(&file, &CsvOptions::default());
        assert!(error.contains(advice), "{error}");
    }
    // One mark alone is the decimal point where no three digits follow it.
    let options = CsvOptions {
        decimal: Some('.'),
        ..CsvOptions::default()
    };
    let error = refusal("time;a\n2020-01-01;1,5\n2020-01-02;2\n", &options);
    assert!(
        error.contains("CsvOptions { decimal: Some(','), .. }"),
        "{error}"
    );
    // Names with points and versions are text as before.
    let frame =
        good("time,a,version\n2020-01-01,1,1.2.3\n2020-01-02,2,1.2.10\n2020-01-03,3,2.0.1\n");
    assert_eq!(frame.names(), ["a"]);
}
