//! Forecasters in other data than they were fitted on: later files, other steps, the future.

use std::collections::HashMap;

use patchbay::{
    forecast::{
        self, CsvOptions, Dataset, FitOptions, Frame, Part, Split, Zone, backtest, fit, predict,
    },
    nn,
    plugin::{Slot, create, prelude::*},
    serde_json::Value,
};

fn forecaster(id: &str, config: Value) -> Slot<dyn Forecaster> {
    patchbay_forecasters::register().unwrap();
    create::<dyn Forecaster>(id, config).unwrap()
}

fn refusal<T>(result: patchbay::Result<T>) -> String {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.to_string(),
    }
}

const STEP: i64 = 3600;

/// Two hourly series whose level and height grow, and a covariate that moves the first.
fn hourly(rows: usize) -> (Frame, Frame) {
    let mut state = 5u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as f64 / (1u64 << 31) as f64 - 0.5
    };
    let times: Vec<i64> = (0..rows as i64)
        .map(|row| 1_577_836_800 + row * STEP)
        .collect();
    let promotion: Vec<f64> = (0..rows)
        .map(|row| f64::from(u8::from(row / 24 % 5 == 0)))
        .collect();
    let mut series = |level: f64, effect: f64| -> Vec<f64> {
        (0..rows)
            .map(|row| {
                let growth = 1.0 + 4.0 * row as f64 / rows as f64;
                let wave = (row as f64 / 24.0 * std::f64::consts::TAU).sin();
                level * growth + 3.0 * growth * wave + effect * promotion[row] + random()
            })
            .collect()
    };
    let columns = vec![
        ("a".to_owned(), series(10.0, 4.0)),
        ("b".to_owned(), series(50.0, 0.0)),
    ];
    let covariate = vec![("promotion".to_owned(), promotion)];
    (
        Frame::new(times.clone(), columns).unwrap(),
        Frame::new(times, covariate).unwrap(),
    )
}

fn dataset(frame: &Frame) -> Dataset {
    Dataset::new(frame, Split::shares(frame.rows(), 0.6, 0.2).unwrap()).unwrap()
}

fn quiet(epochs: usize) -> FitOptions {
    FitOptions {
        quiet: true,
        epochs,
        batch: 64,
        ..FitOptions::default()
    }
}

#[test]
fn a_saved_forecaster_forecasts_a_file_that_begins_later_as_before() {
    let (frame, covariate) = hourly(1000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let begin = 700;
    let later = |columns: &[&str]| {
        let rows = begin..1000;
        let data = dataset(&frame.slice(rows.clone()).unwrap().select(columns).unwrap());
        data.with_time_features()
            .with_known(&covariate.slice(rows).unwrap())
            .unwrap()
    };
    for (id, config) in [
        ("forecaster/ridge", json!({"lookback": 48, "horizon": 12})),
        (
            "forecaster/d_linear",
            json!({"lookback": 48, "horizon": 12}),
        ),
        (
            "forecaster/tide",
            json!({"lookback": 48, "horizon": 12, "hidden": 8, "known": 8, "reversible": false}),
        ),
        (
            "forecaster/tide",
            json!({"lookback": 48, "horizon": 12, "hidden": 8, "known": 8, "series": 2}),
        ),
    ] {
        nn::seed_all(1).unwrap();
        let data = dataset(&frame)
            .with_time_features()
            .with_known(&covariate)
            .unwrap();
        let model = forecaster(id, config);
        fit(&model, &data, &quiet(2)).unwrap();
        forecast::save(&model, &path).unwrap();
        let loaded = forecast::load(&path).unwrap();
        // The columns in another order, and one of them alone.
        for columns in [&["a", "b"][..], &["b", "a"], &["b"]] {
            let later = later(columns);
            for row in [100, 200, 288] {
                let before = predict(&model, &data, begin + row).unwrap();
                for again in [
                    predict(&loaded, &later, row).unwrap(),
                    predict(&model, &later, row).unwrap(),
                ] {
                    for name in columns {
                        let (a, b) = (before.values(name).unwrap(), again.values(name).unwrap());
                        for (a, b) in a.iter().zip(b) {
                            assert!((a - b).abs() < 2e-3, "{id} {columns:?} {row}: {a} {b}");
                        }
                        assert_eq!(before.times, again.times);
                    }
                }
            }
        }
        // Errors are in the scale that it was fitted in.
        let test = |model: &Slot<dyn Forecaster>, data: &Dataset| {
            backtest(model, data, Part::Test).unwrap()
        };
        let one = test(&loaded, &later(&["a", "b"]));
        let two = test(
            &loaded,
            &later(&["a", "b"]).with_scales_of(&loaded).unwrap(),
        );
        assert_eq!(one.mse, two.mse);
    }
}

#[test]
fn data_that_do_not_fit_a_forecaster_are_refused() {
    let (frame, covariate) = hourly(600);
    let config = json!({"lookback": 24, "horizon": 6, "hidden": 4, "known": 8});
    let model = forecaster("forecaster/tide", config);
    let data = dataset(&frame)
        .with_time_features()
        .with_known(&covariate)
        .unwrap();
    assert!(refusal(data.with_scales_of(&model)).contains("was never fitted"));
    fit(&model, &data, &quiet(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    forecast::save(&model, &path).unwrap();
    let loaded = forecast::load(&path).unwrap();
    let renamed = |from: &Frame, names: &[&str], step: i64| {
        let columns = from.names().iter().zip(names);
        let columns = columns
            .map(|(old, new)| (String::from(*new), from.column(old).unwrap().to_vec()))
            .collect();
        let times = (0..from.rows() as i64)
            .map(|row| 1_577_836_800 + row * step)
            .collect();
        Frame::new(times, columns).unwrap()
    };
    let quarter_hours = renamed(&frame, &["a", "b"], 900);
    let daily = renamed(&frame, &["a", "b"], 86_400);
    let others = renamed(&frame, &["a", "c"], STEP);
    let price = renamed(&covariate, &["price"], STEP);
    let in_berlin = |frame: &Frame| {
        frame
            .in_zone(&Zone::named("Europe/Berlin").unwrap())
            .unwrap()
    };
    let known = |data: Dataset| {
        data.with_time_features()
            .with_known(&renamed(&covariate, &["promotion"], STEP))
            .unwrap()
    };
    for (data, parts) in [
        (
            dataset(&quarter_hours)
                .with_time_features()
                .with_known(&renamed(&covariate, &["promotion"], 900))
                .unwrap(),
            ["with a step of h", "these have a step of 15min"],
        ),
        (
            dataset(&daily)
                .with_time_features()
                .with_known(&renamed(&covariate, &["promotion"], 86_400))
                .unwrap(),
            ["with a step of h", "these have a step of D"],
        ),
        (known(dataset(&others)), ["series a, b", "no scale for c"]),
        (
            dataset(&frame)
                .with_time_features()
                .with_known(&price)
                .unwrap(),
            ["of the calendar; promotion", "of the calendar; price"],
        ),
        (
            dataset(&frame)
                .with_known(&covariate)
                .unwrap()
                .with_time_features(),
            ["of the calendar; promotion", "promotion; of the calendar"],
        ),
        (dataset(&frame), ["of the calendar; promotion", "have none"]),
        (
            known(dataset(&in_berlin(&frame))),
            ["by the clock of UTC", "Europe/Berlin"],
        ),
        (
            known(dataset(&frame))
                .with_attributes(vec![vec![1.0], vec![2.0]])
                .unwrap(),
            [
                "the window's `attributes` is [",
                "the setting `attributes` is 0",
            ],
        ),
    ] {
        for model in [&model, &loaded] {
            for error in [
                refusal(predict(model, &data, 100)),
                refusal(backtest(model, &data, Part::Test)),
            ] {
                assert!(parts.iter().all(|part| error.contains(part)), "{error}");
            }
        }
    }
}

#[test]
fn a_forecaster_without_covariates_takes_data_with_any() {
    let (frame, covariate) = hourly(600);
    let bare = dataset(&frame);
    let with = dataset(&frame)
        .with_known(&covariate)
        .unwrap()
        .with_time_features();
    for id in ["ridge", "d_linear"] {
        let config = json!({"lookback": 24, "horizon": 6});
        let model = forecaster(&format!("forecaster/{id}"), config);
        fit(&model, &bare, &quiet(1)).unwrap();
        let error = |data: &Dataset| backtest(&model, data, Part::Test).unwrap().mse;
        assert_eq!(error(&bare), error(&with));
    }
}

#[test]
fn files_without_scales_are_refused_with_the_way_to_read_them() {
    let (frame, _) = hourly(400);
    let data = dataset(&frame);
    let model = forecaster("forecaster/ridge", json!({"lookback": 24, "horizon": 6}));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let error = refusal(forecast::save(&model, &path));
    assert!(
        error.contains("was never fitted") && error.contains("save_with"),
        "{error}"
    );
    assert!(!path.exists());
    fit(&model, &data, &quiet(1)).unwrap();
    forecast::save(&model, &path).unwrap();
    // What the versions before wrote: id and settings alone.
    let mut tensors = candle::safetensors::load(&path, &Device::Cpu).unwrap();
    tensors.retain(|name, _| !name.starts_with("patchbay.scales"));
    let text =
        json!({"id": "forecaster/ridge", "config": {"lookback": 24, "horizon": 6}}).to_string();
    let entry = |text: &str| {
        let bytes = text.as_bytes().to_vec();
        Tensor::from_vec(bytes.clone(), bytes.len(), &Device::Cpu).unwrap()
    };
    let old = folder.path().join("old.safetensors");
    let write =
        |tensors: &HashMap<String, Tensor>| candle::safetensors::save(tensors, &old).unwrap();
    tensors.insert("patchbay.component".to_owned(), entry(&text));
    write(&tensors);
    let error = refusal(forecast::load(&old));
    assert!(
        error.contains("did not keep the scales") && error.contains("load_with"),
        "{error}"
    );
    let again = forecast::load_with(&old, &data).unwrap();
    let values = |model: &Slot<dyn Forecaster>| {
        predict(model, &data, 300)
            .unwrap()
            .values("a")
            .unwrap()
            .to_vec()
    };
    assert_eq!(values(&again), values(&model));
    forecast::save(&again, &path).unwrap();
    assert_eq!(values(&forecast::load(&path).unwrap()), values(&model));
    assert!(refusal(forecast::load_with(&path, &data)).contains("scales of its own"));
    // A newer version, and one whose scales are damaged.
    for (version, part) in [(3, "has version 3"), (2, "scales are damaged")] {
        let data = json!({"calendar": "tide-7", "series": ["a", "b"]});
        let text =
            json!({"version": version, "id": "forecaster/ridge", "config": {}, "data": data})
                .to_string();
        tensors.insert("patchbay.component".to_owned(), entry(&text));
        write(&tensors);
        let error = refusal(forecast::load(&old));
        assert!(error.contains(part), "{error}");
    }
    let text = json!({"version": 2, "id": "forecaster/ridge", "config": {}, "data": {"calendar": "other"}}).to_string();
    tensors.insert("patchbay.component".to_owned(), entry(&text));
    write(&tensors);
    assert!(refusal(forecast::load(&old)).contains("convention \"other\""));
    // One that needs no fit.
    let naive = forecaster(
        "forecaster/last_value",
        json!({"lookback": 24, "horizon": 6}),
    );
    forecast::save_with(&naive, &data, &path).unwrap();
    assert_eq!(values(&forecast::load(&path).unwrap()), values(&naive));
}

#[test]
fn the_future_is_forecast_with_covariates_that_reach_it() {
    let (long, covariate) = hourly(700);
    let frame = long.slice(0..600).unwrap();
    let calendar = forecaster(
        "forecaster/tide",
        json!({"lookback": 24, "horizon": 48, "hidden": 8, "known": 7}),
    );
    let data = dataset(&frame).with_time_features();
    fit(&calendar, &data, &quiet(1)).unwrap();
    // Calendar features go on by themselves, as they are where the data go on.
    let future = predict(&calendar, &data, 600).unwrap();
    assert_eq!(future.times[0], frame.times()[599] + STEP);
    assert!(future.truth("a").unwrap().is_empty());
    let longer = Dataset::new(
        &long,
        Split {
            train: 0..360,
            validation: 360..480,
            test: 480..600,
        },
    );
    let longer = longer.unwrap().with_time_features();
    assert_eq!(
        predict(&calendar, &longer, 600)
            .unwrap()
            .values("a")
            .unwrap(),
        future.values("a").unwrap()
    );

    // A frame that begins before and ends behind the series.
    let inner = long.slice(50..600).unwrap();
    let with = |until: usize| dataset(&inner).with_known(&covariate.slice(0..until).unwrap());
    let model = forecaster(
        "forecaster/ridge",
        json!({"lookback": 24, "horizon": 48, "known": 1}),
    );
    let data = with(700).unwrap();
    fit(&model, &data, &quiet(1)).unwrap();
    let last = data.times().len();
    let future = predict(&model, &data, last).unwrap();
    // The promotion's effect is there where it will be.
    let on = |step: usize| covariate.column("promotion").unwrap()[600 + step] > 0.0;
    let without: Vec<f64> = (0..700).map(|_| 0.0).collect();
    assert!((0..48).any(on) && without.len() == 700);
    let mut none = covariate.column("promotion").unwrap().to_vec();
    none[600..].fill(0.0);
    let none = Frame::new(
        covariate.times().to_vec(),
        vec![("promotion".to_owned(), none)],
    )
    .unwrap();
    let other = predict(&model, &dataset(&inner).with_known(&none).unwrap(), last).unwrap();
    let difference: Vec<f64> = future
        .values("a")
        .unwrap()
        .iter()
        .zip(other.values("a").unwrap())
        .map(|(a, b)| a - b)
        .collect();
    let mean = |wanted: bool| {
        let chosen: Vec<f64> = (0..48)
            .filter(|&step| on(step) == wanted)
            .map(|step| difference[step])
            .collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    assert!(
        mean(true) > mean(false) + 0.5,
        "{} {}",
        mean(true),
        mean(false)
    );
    // Too short, and not at all.
    for until in [600, 647] {
        let error = refusal(predict(&model, &with(until).unwrap(), last));
        assert!(
            error.contains("needs the covariate promotion up to") && error.contains("with_known"),
            "{error}"
        );
    }
    assert!(predict(&model, &with(648).unwrap(), last).is_ok());
    assert!(predict(&model, &with(600).unwrap(), last - 48).is_ok());
    let error = refusal(with(599));
    assert!(error.contains("it ends earlier"), "{error}");
    let error = refusal(dataset(&inner).with_known(&covariate.slice(60..700).unwrap()));
    assert!(error.contains("it begins later"), "{error}");
    let error = refusal(
        dataset(&inner).with_known(
            &covariate
                .slice(0..700)
                .unwrap()
                .select(&["promotion"])
                .unwrap()
                .slice(0..30)
                .unwrap(),
        ),
    );
    assert!(
        error.contains("must have the 550 times of the series; the frame has 30 rows"),
        "{error}"
    );
    // Observed covariates may go on, too: what goes on is not read.
    assert_eq!(
        dataset(&inner)
            .with_observed(&covariate)
            .unwrap()
            .observed(),
        1
    );
}

#[test]
fn months_are_forecast_as_months() {
    let read = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("months.csv");
        std::fs::write(&path, text).unwrap();
        Frame::read_csv_with(path.to_str().unwrap(), &CsvOptions::default()).unwrap()
    };
    let text: String = (0..120)
        .map(|month| {
            let wave = (f64::from(month) / 12.0 * std::f64::consts::TAU).sin();
            format!(
                "{}-{:02},{}\n",
                2010 + month / 12,
                month % 12 + 1,
                100.0 + 10.0 * wave + f64::from(month % 7)
            )
        })
        .collect();
    let frame = read(&format!("month,sales\n{text}"));
    let data = dataset(&frame).with_time_features();
    assert_eq!(data.season(), Some(12));
    let model = forecaster("forecaster/ridge", json!({"lookback": 24, "horizon": 12}));
    fit(&model, &data, &quiet(1)).unwrap();
    let test = backtest(&model, &data, Part::Test).unwrap();
    assert_eq!(test.baselines[1].name, "seasonal naive (12 steps)");
    let future = predict(&model, &data, 120).unwrap();
    let months: Vec<String> = future
        .times
        .iter()
        .map(|&time| forecast::format_time(time)[..10].to_owned())
        .collect();
    assert_eq!(
        (months[0].as_str(), months[1].as_str(), months[11].as_str()),
        ("2020-01-01", "2020-02-01", "2020-12-01")
    );
    let frame = future.to_frame().unwrap();
    assert_eq!(
        (frame.names(), frame.frequency().to_string()),
        (&["sales".to_owned()][..], "MS".to_owned())
    );
}

#[test]
fn quantiles_are_numbers() {
    let (frame, _) = hourly(500);
    let data = dataset(&frame);
    nn::seed_all(2).unwrap();
    let config = json!({"lookback": 24, "horizon": 6, "hidden": 8, "quantiles": [0.1, 0.25, 0.5, 0.75, 0.9]});
    let model = forecaster("forecaster/tide", config);
    fit(&model, &data, &quiet(2)).unwrap();
    let future = predict(&model, &data, 500).unwrap();
    let level = |level: f64| future.quantile("a", level).unwrap().to_vec();
    assert_eq!(level(0.5), future.values("a").unwrap());
    for step in 0..6 {
        assert!(level(0.1)[step] <= level(0.25)[step] && level(0.75)[step] <= level(0.9)[step]);
    }
    assert_eq!(
        future.interval("a", 0.8).unwrap(),
        (&level(0.1)[..], &level(0.9)[..])
    );
    assert_eq!(future.interval("a", 0.5).unwrap().0, &level(0.25)[..]);
    let error = refusal(future.quantile("a", 0.2).map(<[f64]>::to_vec));
    assert!(
        error.contains("has the levels [0.1, 0.25, 0.5, 0.75, 0.9], not 0.2"),
        "{error}"
    );
    assert!(refusal(future.quantile("c", 0.5).map(<[f64]>::to_vec)).contains("no series c"));
    let table = future.to_frame().unwrap();
    assert_eq!(table.names()[..3], ["a_q0.1", "a_q0.25", "a_q0.5"]);
    assert_eq!(
        table.column("b_q0.9").unwrap(),
        future.quantile("b", 0.9).unwrap()
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("future.csv");
    table.write_csv(&path).unwrap();
    let again = Frame::read_csv(path.to_str().unwrap()).unwrap();
    assert_eq!(
        (again.column("a_q0.1").unwrap(), again.times()),
        (&level(0.1)[..], &future.times[..])
    );
    let point = forecaster("forecaster/ridge", json!({"lookback": 24, "horizon": 6}));
    fit(&point, &data, &quiet(1)).unwrap();
    let point = predict(&point, &data, 500).unwrap();
    assert!(refusal(point.quantile("a", 0.5).map(<[f64]>::to_vec)).contains("point forecast"));
    assert_eq!(
        point.to_frame().unwrap().column("a").unwrap(),
        point.values("a").unwrap()
    );
}

#[test]
fn a_covariate_may_differ_from_series_to_series() {
    let (frame, _) = hourly(500);
    let price = |name: &str, phase: usize| {
        (
            name.to_owned(),
            (0..560)
                .map(|row: usize| f64::from(u8::from(((row + phase) / 8).is_multiple_of(2))))
                .collect(),
        )
    };
    let times: Vec<i64> = (0..560).map(|row| 1_577_836_800 + row * STEP).collect();
    let prices = Frame::new(
        times.clone(),
        vec![price("b", 3), price("a", 0), price("c", 5)],
    )
    .unwrap();
    let data = dataset(&frame)
        .with_time_features()
        .with_known_by_series("price", &prices)
        .unwrap();
    assert_eq!(data.known(), 8);
    let windows = data.windows(Part::Test, 24, 6).unwrap();
    let (window, _) = windows.batch(&[0, 1]).unwrap();
    let known = window.known.unwrap();
    assert_eq!(known.dims(), [2, 30, 8]);
    let known = known.to_vec3::<f32>().unwrap();
    let (row, _) = windows.place(0);
    let sign = |value: f32| value > 0.0;
    for (step, (a, b)) in known[0].iter().zip(&known[1]).enumerate() {
        let at = row - 24 + step;
        assert_eq!(sign(a[7]), (at / 8).is_multiple_of(2), "a {at}");
        assert_eq!(sign(b[7]), ((at + 3) / 8).is_multiple_of(2), "b {at}");
        assert_eq!(a[..7], b[..7]);
    }
    let model = forecaster(
        "forecaster/tide",
        json!({"lookback": 24, "horizon": 6, "hidden": 4, "known": 8}),
    );
    fit(&model, &data, &quiet(1)).unwrap();
    assert_eq!(
        predict(&model, &data, 500)
            .unwrap()
            .values("b")
            .unwrap()
            .len(),
        6
    );
    let alone = prices.select(&["a"]).unwrap();
    let error = refusal(dataset(&frame).with_known_by_series("price", &alone));
    assert!(
        error.contains("the covariate price has no column b"),
        "{error}"
    );
    let observed = dataset(&frame)
        .with_observed_by_series("price", &prices)
        .unwrap();
    assert_eq!(observed.observed(), 1);
}

#[test]
fn ridge_with_known_covariates_is_linear_in_them() {
    // y = promotion's effect + noise that the past says nothing of.
    let (_, covariate) = hourly(1000);
    let promotion = covariate.column("promotion").unwrap();
    let noise = |row: usize| ((row * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5;
    let series: Vec<f64> = (0..1000)
        .map(|row| 5.0 * promotion[row] + noise(row))
        .collect();
    let frame = Frame::new(covariate.times().to_vec(), vec![("y".to_owned(), series)]).unwrap();
    let data = dataset(&frame).with_known(&covariate).unwrap();
    let error = |known: usize| {
        let model = forecaster(
            "forecaster/ridge",
            json!({"lookback": 30, "horizon": 7, "known": known}),
        );
        fit(&model, &data, &quiet(1)).unwrap();
        backtest(&model, &data, Part::Test).unwrap().mse
    };
    let floor = 1.0 / 12.0 / data.scaler().deviations[0].powi(2);
    assert!(error(1) < 1.3 * floor, "{} {floor}", error(1));
    assert!(error(0) > 1.5 * floor, "{} {floor}", error(0));
    let model = forecaster(
        "forecaster/ridge",
        json!({"lookback": 30, "horizon": 7, "known": 2}),
    );
    let text = refusal(fit(&model, &data, &quiet(1)));
    assert!(
        text.contains("`known` is [") && text.contains("the setting `known` is 2"),
        "{text}"
    );
}

#[test]
fn a_batch_may_hold_all_series_of_its_rows() {
    let (frame, _) = hourly(300);
    let data = dataset(&frame);
    let windows = data.windows(Part::Train, 24, 6).unwrap();
    let batches = windows.epoch(32, true, true);
    assert_eq!(batches.len(), windows.len() / 2 / 32);
    for batch in &batches {
        assert_eq!(batch.len(), 64);
        for pair in batch.chunks(2) {
            let places = [windows.place(pair[0]), windows.place(pair[1])];
            assert_eq!((places[0].0, places[0].1, places[1].1), (places[1].0, 0, 1));
        }
    }
    let all: usize = windows.epoch(32, false, false).iter().map(Vec::len).sum();
    assert_eq!(all, windows.len());
    // The rate halves from the third epoch on, and the fit goes by it.
    let options = FitOptions {
        quiet: true,
        ..FitOptions::ltsf_linear(8, 1e-3)
    };
    let model = forecaster("forecaster/d_linear", json!({"lookback": 24, "horizon": 6}));
    let fitted = fit(&model, &data, &options).unwrap();
    assert_eq!(fitted.steps % (windows.len() / 2 / 8), 0);
    assert!(fitted.validation[fitted.best] < fitted.validation[0]);
    // The first epoch's weights take the place of better first ones only where that is asked for.
    let best_after = |keep_start| {
        let model = forecaster("forecaster/d_linear", json!({"lookback": 24, "horizon": 6}));
        let options = FitOptions {
            keep_start,
            learning_rate: Some(10.0),
            epochs: 1,
            ..options.clone()
        };
        let fitted = fit(&model, &data, &options).unwrap();
        assert!(fitted.validation[1] > fitted.validation[0]);
        fitted.best
    };
    assert_eq!((best_after(true), best_after(false)), (0, 1));
    let bad = FitOptions {
        schedule: forecast::Schedule::Exponential {
            gamma: 0.0,
            hold: 0,
        },
        ..options
    };
    assert!(refusal(fit(&model, &data, &bad)).contains("gamma is 0"));
}
