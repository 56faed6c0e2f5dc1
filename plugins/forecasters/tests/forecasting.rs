//! `patchbay::forecast` with the plugin's forecasters: files, fitting, testing, saving, and bad input.

use std::{io::Write, path::Path};

use patchbay::{
    forecast::{
        self, CsvOptions, Dataset, FitOptions, Frame, Missing, Part, Split, backtest, fit, predict,
    },
    nn,
    plugin::{Slot, Window, create, prelude::*},
};

fn forecaster(id: &str, config: patchbay::serde_json::Value) -> Slot<dyn Forecaster> {
    patchbay_forecasters::register().unwrap();
    create::<dyn Forecaster>(id, config).unwrap()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn read(text: &str, missing: Missing) -> patchbay::Result<Frame> {
    let file = file(text);
    let options = CsvOptions {
        missing,
        ..CsvOptions::default()
    };
    Frame::read_csv_with(file.path().to_str().unwrap(), &options)
}

/// The message of what failed.
fn refusal<T>(result: patchbay::Result<T>) -> String {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.to_string(),
    }
}

/// Two hourly series with a daily rhythm whose height the hour decides, and a level that wanders.
fn hourly(rows: usize) -> Frame {
    let times: Vec<i64> = (0..rows as i64)
        .map(|row| 1_467_331_200 + row * 3600)
        .collect();
    let mut noise = 12345u64;
    let mut random = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 33) as f64 / (1u64 << 31) as f64 - 0.5
    };
    let mut series = |period: f64| -> Vec<f64> {
        (0..rows)
            .map(|row| 10.0 + 3.0 * (row as f64 / period * std::f64::consts::TAU).sin() + random())
            .collect()
    };
    let columns = vec![
        ("a".to_owned(), series(24.0)),
        ("b".to_owned(), series(12.0)),
    ];
    Frame::new(times, columns).unwrap()
}

fn data(rows: usize) -> Dataset {
    let frame = hourly(rows);
    Dataset::new(&frame, Split::shares(rows, 0.6, 0.2).unwrap()).unwrap()
}

const GOOD: &str = "date,kind,x,y\n2020-01-01 00:00:00,p,1,2\n2020-01-01 01:00:00,q,2,4.5\n\
                    2020-01-01 02:00:00,r,3,-1e1\n";

#[test]
fn columns_of_numbers_are_read_and_others_left_out() {
    let frame = read(GOOD, Missing::Refuse).unwrap();
    assert_eq!(frame.names(), ["x", "y"]);
    assert_eq!(frame.column("y").unwrap(), [2.0, 4.5, -10.0]);
    assert_eq!(frame.times()[2] - frame.times()[0], 7200);
    assert_eq!(frame.without(&["x"]).unwrap().names(), ["y"]);
    let error = refusal(frame.column("z").map(<[f64]>::to_vec));
    assert!(
        error.contains("no column z; the columns are x, y"),
        "{error}"
    );
}

#[test]
fn bad_files_are_refused_by_line_and_column() {
    for (text, parts) in [
        (
            GOOD.replace("4.5", ""),
            ["line 3: column y: no value", "Missing::Interpolate"],
        ),
        (
            GOOD.replace("4.5", "four"),
            ["line 3: column y: \"four\" is not a finite", "1 bad"],
        ),
        (
            GOOD.replace("4.5", "inf"),
            ["line 3: column y: \"inf\"", "1 bad"],
        ),
        (
            GOOD.replace("02:00:00", "25:00:00"),
            ["line 4: column date", "is not a time"],
        ),
        (
            GOOD.replace("02:00:00", "01:00:00"),
            ["line 4", "does not come after"],
        ),
        (
            GOOD.replace(",r,3,-1e1", ",r,3"),
            ["line 4: 3 fields", "the head has 4"],
        ),
        (
            format!("{GOOD}2020-01-01 05:00:00,s,1,1\n"),
            [
                "line 5: a step of 10800 s after 2020-01-01 02:00:00",
                "fill the gaps",
            ],
        ),
        ("date,x\n".to_owned(), ["no rows", "below its head"]),
        (
            "a,b\n1,2\n".to_owned(),
            ["no column that begins with a time", "a, b"],
        ),
    ] {
        let error = refusal(read(&text, Missing::Refuse));
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let error = refusal(Frame::read_csv("/nowhere.csv"));
    assert!(error.contains("/nowhere.csv cannot be read"), "{error}");
}

#[test]
fn missing_values_and_rows_are_interpolated_where_that_is_asked_for() {
    let text = GOOD.replace(",q,2,4.5", ",q,NA,4.5") + "2020-01-01 05:00:00,s,6,2\n";
    let frame = read(&text, Missing::Interpolate).unwrap();
    assert_eq!(frame.column("x").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(
        frame.column("y").unwrap(),
        [2.0, 4.5, -10.0, -6.0, -2.0, 2.0]
    );
}

#[test]
fn constant_series_and_wrong_covariates_are_refused() {
    let frame = hourly(100);
    let flat = Frame::new(
        frame.times().to_vec(),
        vec![("flat".to_owned(), vec![7.0; 100])],
    );
    let flat = flat.unwrap();
    let split = Split::shares(100, 0.6, 0.2).unwrap();
    let error = refusal(Dataset::new(&flat, split.clone()));
    assert!(
        error.contains("the column flat is 7 in all 60 training rows"),
        "{error}"
    );
    let data = Dataset::new(&frame, split).unwrap();
    let error = refusal(data.clone().with_known(&hourly(99)));
    assert!(
        error.contains("must have the 100 times of the series; the frame has 99"),
        "{error}"
    );
    assert_eq!(data.with_time_features().known(), 7);
    let error = refusal(Dataset::new(&frame, Split::ett_hourly()));
    assert!(error.contains("the frame has 100 rows"), "{error}");
}

#[test]
fn windows_hold_what_their_place_says() {
    let data = data(200).with_time_features();
    let windows = data.windows(Part::Validation, 10, 4).unwrap();
    // Futures lie in the rows 120 to 160: 37 places of two series.
    assert_eq!(windows.len(), 74);
    let (window, future) = windows.batch(&[0, 73]).unwrap();
    assert_eq!(windows.place(73), (156, 1));
    let value = |row: usize, series: usize| {
        let name = &data.names()[series];
        let value = hourly(200).column(name).unwrap()[row];
        data.scaler().scale(series, value) as f32
    };
    let past: Vec<Vec<f32>> = window.past.to_vec2().unwrap();
    let future: Vec<Vec<f32>> = future.to_vec2().unwrap();
    assert_eq!((past[0][0], past[0][9]), (value(110, 0), value(119, 0)));
    assert_eq!((past[1][0], future[1][0]), (value(146, 1), value(156, 1)));
    assert_eq!(future[1][3], value(159, 1));
    assert_eq!(window.known.unwrap().dims(), [2, 14, 7]);
    let error = refusal(data.windows(Part::Test, 10, 50));
    assert!(error.contains("no window of 10 + 50 steps"), "{error}");
    let mut order = windows.shuffled();
    assert_ne!(order, (0..74).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..74).collect::<Vec<_>>());
}

#[test]
fn closed_form_and_trained_forecasters_beat_the_last_value() {
    let data = data(900);
    let sizes = json!({"lookback": 48, "horizon": 12});
    let error = |id: &str, config| {
        nn::seed_all(1).unwrap();
        let model = forecaster(id, config);
        let options = FitOptions {
            epochs: 8,
            batch: 64,
            quiet: true,
            ..FitOptions::default()
        };
        let fitted = fit(&model, &data, &options).unwrap();
        assert!(fitted.loading <= fitted.seconds);
        backtest(&model, &data, Part::Test).unwrap().mse
    };
    let last = error("forecaster/last_value", sizes.clone());
    let seasonal = error("forecaster/seasonal_naive", sizes.clone());
    let ridge = error("forecaster/ridge", sizes.clone());
    let d_linear = error("forecaster/d_linear", sizes.clone());
    let tide = error(
        "forecaster/tide",
        json!({"lookback": 48, "horizon": 12, "hidden": 16}),
    );
    let started = json!({"lookback": 48, "horizon": 12, "hidden": 16, "skip_start": "ridge"});
    let from_ridge = error("forecaster/tide", started);
    println!("{last} {seasonal} {ridge} {d_linear} {tide} {from_ridge}");
    assert!(seasonal < 0.2 * last);
    assert!(ridge < seasonal);
    assert!(d_linear < 0.5 * last);
    assert!(tide < seasonal);
    assert!(from_ridge < 1.05 * ridge);
}

#[test]
fn ridge_is_the_ridge_regression_of_scikit_learn() {
    // Numbers by reference/ridge_reference.py.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let text = std::fs::read_to_string(folder.join("ridge.json")).unwrap();
    let numbers: patchbay::serde_json::Value = patchbay::serde_json::from_str(&text).unwrap();
    let tensor = |name: &str| {
        let rows: Vec<Vec<f64>> = patchbay::serde_json::from_value(numbers[name].clone()).unwrap();
        Tensor::new(rows, &Device::Cpu).unwrap()
    };
    let (lookback, horizon) = (6, 3);
    let mut train = patchbay_forecasters::normal_equations::NormalEquations::new(lookback, horizon);
    let mut held_out =
        patchbay_forecasters::normal_equations::NormalEquations::new(lookback, horizon);
    train.add(&tensor("past"), &tensor("future")).unwrap();
    held_out
        .add(&tensor("held_out_past"), &tensor("held_out_future"))
        .unwrap();
    let best = train.best(&held_out).unwrap();
    assert_eq!(best.penalty, numbers["penalty"].as_f64().unwrap());
    let error = numbers["mean_squared_error"].as_f64().unwrap();
    assert!((best.mean_squared_error / error - 1.0).abs() < 1e-9);
    let values = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let worst = patchbay_compare::largest_difference(
        &values(best.weight().unwrap()),
        &values(tensor("weight")),
    );
    assert!(worst < 1e-10, "{worst}");
}

#[test]
fn quantiles_are_calibrated_and_in_order() {
    nn::seed_all(3).unwrap();
    let data = data(1500);
    let config = json!({"lookback": 48, "horizon": 6, "hidden": 32, "quantiles": [0.1, 0.5, 0.9]});
    let model = forecaster("forecaster/tide", config);
    let options = FitOptions {
        epochs: 20,
        batch: 64,
        ema: Some(0.99),
        quiet: true,
        ..FitOptions::default()
    };
    fit(&model, &data, &options).unwrap();
    let test = backtest(&model, &data, Part::Test).unwrap();
    for (level, share, _) in &test.calibration {
        assert!((level - share).abs() < 0.12, "{:?}", test.calibration);
    }
    let forecast = predict(&model, &data, 1490).unwrap();
    let svg = forecast.plot("b").unwrap();
    assert!(svg.svg().contains("0.1 to 0.9") && svg.svg().contains("<polygon"));
    assert!(
        forecast
            .plot_parts("a")
            .unwrap()
            .svg()
            .contains("linear skip")
    );
    assert_eq!(forecast.values("a").unwrap().len(), 6);
    assert_eq!(forecast.truth("a").unwrap().len(), 6);
    // The last forecast that there are data for has no truth beside it.
    assert!(
        predict(&model, &data, 1500)
            .unwrap()
            .truth("a")
            .unwrap()
            .is_empty()
    );
    let error = refusal(predict(&model, &data, 40));
    assert!(error.contains("needs the 48 rows before it"), "{error}");
    let error = refusal(forecast.plot("c"));
    assert!(error.contains("the series are a, b"), "{error}");
}

#[test]
fn a_saved_forecaster_is_the_same_and_a_damaged_file_is_refused() {
    let data = data(400);
    let folder = tempfile::tempdir().unwrap();
    for (id, config) in [
        (
            "forecaster/tide",
            json!({"lookback": 24, "horizon": 6, "hidden": 8, "quantiles": [0.2, 0.8]}),
        ),
        ("forecaster/ridge", json!({"lookback": 24, "horizon": 6})),
    ] {
        let model = forecaster(id, config);
        let options = FitOptions {
            epochs: 1,
            quiet: true,
            ..FitOptions::default()
        };
        fit(&model, &data, &options).unwrap();
        let path = folder.path().join("model.safetensors");
        forecast::save(&model, &path).unwrap();
        let again = forecast::load(&path).unwrap();
        let (window, _) = data
            .windows(Part::Test, 24, 6)
            .unwrap()
            .batch(&[0, 5])
            .unwrap();
        let values = |model: &Slot<dyn Forecaster>| -> Vec<f32> {
            let forecast = model.forward(&window, false).unwrap();
            forecast.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!(values(&model), values(&again));
    }
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(forecast::load(&path)).contains("cannot be read"));
    let other = std::collections::HashMap::from([(
        "x".to_owned(),
        Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap(),
    )]);
    candle::safetensors::save(&other, &path).unwrap();
    assert!(refusal(forecast::load(&path)).contains("did not write it"));
}

#[test]
fn an_unfitted_ridge_says_so() {
    let model = forecaster("forecaster/ridge", json!({"lookback": 24, "horizon": 6}));
    let past = Tensor::zeros((1, 24), DType::F32, &Device::Cpu).unwrap();
    let error = refusal(model.forward(&Window::new(past), false));
    assert!(error.contains("it is not fitted"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_that_names_the_step() {
    let data = data(200);
    let model = forecaster("forecaster/d_linear", json!({"lookback": 24, "horizon": 6}));
    let options = FitOptions {
        learning_rate: Some(1e30),
        quiet: true,
        ..FitOptions::default()
    };
    let error = refusal(fit(&model, &data, &options));
    assert!(
        error.contains("the training loss is")
            && error.contains("at epoch")
            && error.contains("the batch's scaled values are finite"),
        "{error}"
    );
    // The weights are those from before.
    let test = backtest(&model, &data, Part::Test).unwrap();
    assert!(test.mse.is_finite(), "{}", test.mse);
}

#[test]
fn a_mistyped_time_is_refused_and_does_not_fill_the_memory() {
    let text = "date,x\n157783680,1\n157787280,2\n157790880,3\n157783680000000000,4\n";
    for missing in [Missing::Refuse, Missing::Interpolate] {
        let options = CsvOptions {
            time: Some("date".to_owned()),
            missing,
            ..CsvOptions::default()
        };
        let file = file(text);
        let error = refusal(Frame::read_csv_with(
            file.path().to_str().unwrap(),
            &options,
        ));
        assert!(
            error.contains("line 5: a step of") && error.contains("the others are of 3600 s"),
            "{error}"
        );
        assert_eq!(
            error.contains("Missing::Interpolate"),
            missing == Missing::Refuse
        );
    }
    // Times whose difference is beyond the numbers, and a gap of whole steps that is too long.
    let text = format!("date,x\n{},1\n{},2\n", i64::MIN, i64::MAX);
    let options = CsvOptions {
        time: Some("date".to_owned()),
        missing: Missing::Interpolate,
        ..CsvOptions::default()
    };
    let two = file(&text);
    let error = refusal(Frame::read_csv_with(two.path().to_str().unwrap(), &options));
    assert!(
        error.contains("line 3") && error.contains("too far"),
        "{error}"
    );
    let long = file("date,x\n0,1\n1,2\n2,3\n1500,4\n");
    let error = refusal(Frame::read_csv_with(
        long.path().to_str().unwrap(),
        &options,
    ));
    assert!(
        error.contains("line 5") && error.contains("1497 rows would have to be made up"),
        "{error}"
    );
}

#[test]
fn a_word_among_numbers_is_a_mistake_and_a_column_of_words_is_text() {
    let text =
        "date,kind,x\n2020-01-01,a,none\n2020-01-02,b,word\n2020-01-03,c,2\n2020-01-04,4,3\n";
    let error = refusal(read(text, Missing::Interpolate));
    assert!(error.contains("line 3: column x: \"word\""), "{error}");
    let frame = read(&text.replace("word", "1"), Missing::Interpolate).unwrap();
    assert_eq!(frame.names(), ["x"]);
    let shown = frame.show().data["text/plain"].to_string();
    assert!(shown.contains("left out, not numbers: kind"), "{shown}");
    let twice = refusal(read("date,x,x\n2020-01-01,1,2\n", Missing::Refuse));
    assert!(
        twice.contains("the columns 2 and 3 are both named \"x\""),
        "{twice}"
    );
    let twice = refusal(frame.select(&["x", "x"]));
    assert!(twice.contains("two columns are named x"), "{twice}");
}

#[test]
fn parts_that_overlap_or_lie_beyond_the_rows_are_refused() {
    let frame = hourly(100);
    for (train, validation, test, part) in [
        (0..60, 60..120, 80..100, "the frame has 100 rows"),
        (0..60, 50..80, 80..100, "overlap"),
        (0..60, 60..80, 70..100, "overlap"),
        (40..60, 0..40, 60..100, "another order"),
        (10..10, 10..50, 50..100, "none for training"),
    ] {
        let split = Split {
            train,
            validation,
            test,
        };
        let error = refusal(Dataset::new(&frame, split));
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn values_without_a_finite_scale_are_refused_by_column() {
    let split = Split::shares(100, 0.6, 0.2).unwrap();
    let column = |at: usize| -> Frame {
        let mut values: Vec<f64> = (0..100).map(|row| f64::from(row % 9)).collect();
        values[at] = 1e300;
        let good = (0..100).map(|row| f64::from(row % 5)).collect();
        let columns = vec![("good".to_owned(), good), ("huge".to_owned(), values)];
        Frame::new((0..100).collect(), columns).unwrap()
    };
    let error = refusal(Dataset::new(&column(7), split.clone()));
    assert!(error.contains("the column huge has the mean"), "{error}");
    let error = refusal(Dataset::new(&column(90), split));
    assert!(
        error.contains("the column huge has") && error.contains("in row 90"),
        "{error}"
    );
    let error = refusal(data(100).with_attributes(vec![vec![1.0], vec![f32::NAN]]));
    assert!(
        error.contains("attribute 0 of the series b is NaN"),
        "{error}"
    );
}

#[test]
fn a_series_without_an_affine_map_and_a_loss_beside_quantiles_are_refused() {
    let data = data(200);
    let quiet = FitOptions {
        quiet: true,
        epochs: 1,
        ..FitOptions::default()
    };
    let sizes = json!({"lookback": 24, "horizon": 6, "hidden": 8, "series": 1});
    let model = forecaster("forecaster/tide", sizes);
    let error = refusal(fit(&model, &data, &quiet));
    assert!(
        error.contains("the setting `series` is 1") && error.contains("\"series\": 2"),
        "{error}"
    );
    let error = refusal(predict(&model, &data, 100));
    assert!(error.contains("the setting `series` is 1"), "{error}");
    let past = Tensor::zeros((3, 24), DType::F32, &Device::Cpu).unwrap();
    let mut window = Window::new(past);
    window.series = Some(Tensor::zeros(1, DType::U32, &Device::Cpu).unwrap());
    let error = refusal(model.forward(&window, false));
    assert!(error.contains("`series` is [1], expected [3]"), "{error}");
}

#[test]
fn a_result_is_shown_beside_simple_forecasts() {
    let data = data(600);
    let sizes = json!({"lookback": 48, "horizon": 12});
    let fitted = |name: &str| {
        let model = forecaster(&format!("forecaster/{name}"), sizes.clone());
        fit(&model, &data, &FitOptions::default()).unwrap();
        backtest(&model, &data, Part::Test).unwrap()
    };
    let (last, seasonal) = (fitted("last_value"), fitted("seasonal_naive"));
    assert_eq!(data.season(), Some(24));
    let names: Vec<&str> = last.baselines.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["last value", "seasonal naive (24 steps)"]);
    assert!((last.baselines[0].mse - last.mse).abs() < 1e-9);
    assert!((last.baselines[0].mae - last.mae).abs() < 1e-9);
    assert!((last.baselines[1].mse - seasonal.mse).abs() < 1e-9);
    let shown = seasonal.show().data["text/plain"].to_string();
    assert!(
        shown.contains("last value") && shown.contains("this"),
        "{shown}"
    );

    let ridge = forecaster("forecaster/ridge", sizes.clone());
    fit(&ridge, &data, &FitOptions::default()).unwrap();
    let all = forecast::beside(&[("mine", &ridge)], &data, Part::Test).unwrap();
    let shown = all.show().data["text/plain"].to_string();
    for name in ["mine", "ridge", "DLinear", "last value", "seasonal naive"] {
        assert_eq!(shown.matches(name).count(), 1, "{name}: {shown}");
    }
    // A forecast shows itself.
    let shown = predict(&ridge, &data, 500).unwrap().show();
    assert!(shown.data["text/html"].to_string().contains("<svg"));
    assert!(shown.data["text/plain"].to_string().contains("12 steps"));
}

#[test]
fn saving_into_a_folder_that_is_absent_names_the_path() {
    let model = forecaster(
        "forecaster/last_value",
        json!({"lookback": 4, "horizon": 2}),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent/model.safetensors");
    let error = refusal(forecast::save(&model, &path));
    assert!(
        error.contains("absent/model.safetensors cannot be written: there is no folder"),
        "{error}"
    );
}

#[test]
fn a_start_by_the_mean_of_five_is_kept_where_nothing_is_trained() {
    let data = data(900);
    let config = json!({"lookback": 96, "horizon": 12, "preset": "compact"});
    let model = forecaster("forecaster/tide", config);
    assert_eq!(model.learning_rate(), Some(3e-5));
    let options = FitOptions {
        epochs: 0,
        quiet: true,
        ..FitOptions::default()
    };
    let fitted = fit(&model, &data, &options).unwrap();
    assert_eq!((fitted.best, fitted.steps), (0, 0));
    let shown = fitted.show().data["text/plain"].to_string();
    assert!(!shown.contains("closed form"), "{shown}");
    let ridge = forecaster("forecaster/ridge", json!({"lookback": 96, "horizon": 12}));
    fit(&ridge, &data, &options).unwrap();
    let mse = |model| backtest(model, &data, Part::Test).unwrap().mse;
    let (mean, plain) = (mse(&model), mse(&ridge));
    assert!(mean < 1.03 * plain, "{mean} {plain}");
    for (preset, rate) in [("etth1", 3.82e-5), ("weather", 3.01e-5)] {
        let model = forecaster("forecaster/tide", json!({"preset": preset}));
        assert_eq!(model.learning_rate(), Some(rate));
    }
    let model = forecaster("forecaster/tide", json!({"hidden": 8}));
    assert_eq!(model.learning_rate(), None);
}

/// The figure was computed with numpy from the same definition.
#[test]
fn the_mean_of_five_reaches_its_known_error_on_etth1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.join("ETTh1.csv");
    if !path.exists() {
        patchbay_compare::skipped(format!("{} is absent", path.display()));
        return;
    }
    let frame = Frame::read_csv(path.to_str().unwrap()).unwrap();
    let data = Dataset::new(&frame, Split::ett_hourly()).unwrap();
    let config = json!({"horizon": 96, "preset": "compact"});
    let model = forecaster("forecaster/tide", config);
    let options = FitOptions {
        epochs: 0,
        quiet: true,
        ..FitOptions::default()
    };
    fit(&model, &data, &options).unwrap();
    let test = backtest(&model, &data, Part::Test).unwrap();
    assert!((test.mse - 0.3641).abs() < 2e-4, "{}", test.mse);
}

#[test]
fn the_audit_shows_a_network_that_learns_nothing() {
    let data = data(200);
    let silent = |layer_norm: &str| {
        let config = json!({"lookback": 24, "horizon": 6, "hidden": 8, "layer_norm": layer_norm});
        let audit = forecast::audit(&forecaster("forecaster/tide", config), &data).unwrap();
        audit.problems().count()
    };
    assert_eq!(silent("inner"), 0);
    assert!(silent("all") > 20);
}

#[test]
fn ridge_reaches_its_known_errors_on_ett() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.join("ETTh1.csv");
    if !path.exists() {
        patchbay_compare::skipped(format!("{} is absent", path.display()));
        return;
    }
    let frame = Frame::read_csv(path.to_str().unwrap()).unwrap();
    let data = Dataset::new(&frame, Split::ett_hourly()).unwrap();
    let model = forecaster("forecaster/ridge", json!({"lookback": 336, "horizon": 24}));
    fit(&model, &data, &FitOptions::default()).unwrap();
    let test = backtest(&model, &data, Part::Test).unwrap();
    assert_eq!(test.windows, (2880 - 24 + 1) * 7);
    let naive = forecaster(
        "forecaster/seasonal_naive",
        json!({"lookback": 336, "horizon": 24}),
    );
    let naive = backtest(&naive, &data, Part::Test).unwrap();
    // numpy in float64, the same penalties: penalty 0.1, MSE 0.3181484, MAE 0.3613717.
    for (found, known) in [(test.mse, 0.318_148_4), (test.mae, 0.361_371_7)] {
        assert!((found / known - 1.0).abs() < 1e-4, "{found}, known {known}");
    }
    assert!(test.mse < 0.8 * naive.mse, "{} {}", test.mse, naive.mse);
}
