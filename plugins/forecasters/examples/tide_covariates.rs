//! Where TiDE's network is needed: series that known covariates move in ways that are not linear.
//!
//!   cargo run --release --example tide_covariates -- [--seeds 5] [--bikeshare bikeshare.csv]
//!
//! The first table is of generated data whose effects are known: hourly demand that heating and cooling raise on both sides of a
//! comfortable temperature, a promotion that works at weekends only, a daily rhythm, and noise that remembers (an AR(1)).
//! Temperature and promotion are known for the future. No forecast can be better than the floor: the noise that nothing
//! says in advance. Every seed makes other data and other first weights. The second table is of hires of bicycles
//! with weather and calendar (`bikeshare.py` beside this file writes the file, and names source and licence); there seeds differ in
//! the first weights and the order of windows only. Weather is taken as known for the future, as if its forecast were right.
//!
//! Ridge regression with `known` has the same covariates at all steps of past and future, and is the best that is linear in
//! them. The sizes of TiDE are chosen by hand, and by nothing of the test part. Differences are paired: over seeds, and for
//! the bicycles over days of the test part, too.

use std::{collections::BTreeMap, env, error::Error};

use patchbay::{
    forecast::{CsvOptions, Dataset, FitOptions, Frame, Missing, Part, Split, backtest, fit},
    nn,
    plugin::Slot,
    prelude::*,
    serde_json, stats,
};

const HORIZON: usize = 24;
/// Memory and deviation of the generated noise.
const MEMORY: f64 = 0.7;
const NOISE: f64 = 0.3;

/// Uniform and normal numbers (SplitMix64, Steele et al. 2014; Box and Muller 1958).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Demand with temperature and promotion, and the mean squared error that no forecast can go below, in standard scores.
fn generated(seed: u64) -> Result<(Dataset, f64)> {
    let rows = 24 * 365;
    let mut random = Random(seed);
    let (mut weather, mut noise, mut promotion) = (0.0, 0.0, 0.0);
    let (mut demand, mut temperatures, mut promotions) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let day = row / 24;
        let hour = (row % 24) as f64 / 24.0 * std::f64::consts::TAU;
        if row % 24 == 0 {
            promotion = f64::from(u8::from(random.uniform() < 0.3));
        }
        // Weather changes over days; seasons are short, so that each part has warm and cold weeks.
        weather = 0.98 * weather + 0.8 * random.normal();
        let season = (day as f64 / 30.0 * std::f64::consts::TAU).sin();
        let temperature = 18.0 + 8.0 * season + 4.0 * (hour - 2.0).sin() + weather;
        let heating = (16.0 - temperature).max(0.0) / 6.0;
        let cooling = (temperature - 22.0).max(0.0) / 6.0;
        let is_weekend = day % 7 >= 5;
        noise = MEMORY * noise + NOISE * random.normal();
        let effect = heating + 1.5 * cooling + if is_weekend { 1.5 * promotion } else { 0.0 };
        demand.push(5.0 + hour.sin() + effect + noise);
        temperatures.push(temperature);
        promotions.push(promotion);
    }
    let times: Vec<i64> = (0..rows as i64)
        .map(|row| 1_577_836_800 + 3600 * row)
        .collect();
    let series = Frame::new(times.clone(), vec![("demand".to_owned(), demand)])?;
    let known = vec![
        ("temperature".to_owned(), temperatures),
        ("promotion".to_owned(), promotions),
    ];
    let data = Dataset::new(&series, Split::shares(rows, 0.6, 0.2)?)?
        .with_time_features()
        .with_known(&Frame::new(times, known)?)?;
    // The error of an AR(1) whose last value is known, after h steps.
    let after = |h: i32| NOISE * NOISE * (1.0 - MEMORY.powi(2 * h)) / (1.0 - MEMORY * MEMORY);
    let floor = (1..=HORIZON as i32).map(after).sum::<f64>() / HORIZON as f64;
    let floor = floor / data.scaler().deviations[0].powi(2);
    Ok((data, floor))
}

fn bikeshare(path: &str) -> Result<Dataset> {
    let options = CsvOptions {
        missing: Missing::Interpolate,
        ..CsvOptions::default()
    };
    let frame = Frame::read_csv_with(path, &options)?;
    println!(
        "{} hours are absent in the file: they are neither trained on nor scored",
        frame
            .measured("bikers")?
            .iter()
            .filter(|&&one| !one)
            .count()
    );
    let series = frame.select(&["bikers"])?;
    let data = Dataset::new(&series, Split::shares(frame.rows(), 0.6, 0.2)?)?;
    data.with_time_features()
        .with_known(&frame.without(&["bikers"])?)
}

fn settings(id: &str, lookback: usize, known: usize) -> (String, serde_json::Value) {
    let sizes = json!({"lookback": lookback, "horizon": HORIZON});
    let with = |more: serde_json::Value| {
        let mut sizes = sizes.clone();
        if let (Some(sizes), Some(more)) = (sizes.as_object_mut(), more.as_object()) {
            sizes.extend(more.clone());
        }
        sizes
    };
    match id {
        "tide" => (
            "forecaster/tide".to_owned(),
            with(json!({
                "known": known, "hidden": 128, "decoder_output": 16, "temporal_decoder_hidden": 64,
                "projection_hidden": 64, "temporal_width": 8, "dropout": 0.1,
            })),
        ),
        "ridge" => ("forecaster/ridge".to_owned(), with(json!({"known": known}))),
        other => (format!("forecaster/{other}"), sizes),
    }
}

fn fitted(id: &str, data: &Dataset, lookback: usize, known: usize) -> Result<Slot<dyn Forecaster>> {
    let (id, config) = settings(id, lookback, known);
    let model = create::<dyn Forecaster>(&id, config)
        .map_err(|error| candle::Error::Msg(error.to_string()))?;
    let options = FitOptions {
        epochs: 30,
        batch: 128,
        learning_rate: Some(1e-3),
        patience: 6,
        ema: Some(0.95),
        quiet: true,
        ..FitOptions::default()
    };
    fit(&model, data, &options)?;
    Ok(model)
}

fn mse(model: &Slot<dyn Forecaster>, data: &Dataset) -> Result<f64> {
    Ok(backtest(model, data, Part::Test)?.mse)
}

/// Mean squared errors of forecasts that begin a day apart in the test part.
fn by_day(model: &Slot<dyn Forecaster>, data: &Dataset) -> Result<Vec<f64>> {
    let windows = data.windows(Part::Test, model.lookback(), model.horizon())?;
    let mut errors = Vec::new();
    for index in 0..windows.len() {
        if windows.place(index).0 % HORIZON != 0 {
            continue;
        }
        let (window, future, mask) = windows.masked_batch(&[index])?;
        let forecast = model
            .forward(&window, false)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let future = future.flatten_all()?.to_vec1::<f32>()?;
        let mask = mask
            .map(|mask| mask.flatten_all()?.to_vec1::<u8>())
            .transpose()?;
        let squares: Vec<f64> = (0..HORIZON)
            .filter(|&step| mask.as_ref().is_none_or(|mask| mask[step] == 1))
            .map(|step| f64::from(forecast[step] - future[step]).powi(2))
            .collect();
        errors.push(squares.iter().sum::<f64>() / squares.len() as f64);
    }
    Ok(errors)
}

/// The error of the linear skip alone, over the test part.
fn skip_alone(model: &Slot<dyn Forecaster>, data: &Dataset) -> Result<f64> {
    let windows = data.windows(Part::Test, model.lookback(), model.horizon())?;
    let (mut sum, mut count) = (0.0, 0.0);
    for batch in windows.masked_batches(256) {
        let (window, future, mask) = batch?;
        let skip = model.parts(&window)?.swap_remove(0).1.squeeze(2)?;
        let error = (skip - &future)?.sqr()?.to_dtype(DType::F64)?;
        let mask = match mask {
            Some(mask) => mask.to_dtype(DType::F64)?,
            None => error.ones_like()?,
        };
        sum += (error * &mask)?.sum_all()?.to_scalar::<f64>()?;
        count += mask.sum_all()?.to_scalar::<f64>()?;
    }
    Ok(sum / count)
}

/// The errors of all forecasters for each seed, by name.
type Errors = Vec<(&'static str, Vec<f64>)>;

const NAMES: [&str; 6] = [
    "last day again",
    "ridge, past only",
    "ridge, with covariates",
    "TiDE, past only",
    "TiDE, with covariates",
    "TiDE, with covariates, its network taken out",
];

fn one_seed(
    data: &Dataset,
    bare: &Dataset,
    lookback: usize,
    seed: u64,
) -> Result<([f64; 6], Vec<f64>, Vec<f64>)> {
    nn::seed_all(seed)?;
    let known = data.known();
    let naive = fitted("seasonal_naive", bare, lookback, 0)?;
    let past_ridge = fitted("ridge", bare, lookback, 0)?;
    let ridge = fitted("ridge", data, lookback, known)?;
    let past_tide = fitted("tide", bare, lookback, 0)?;
    let tide = fitted("tide", data, lookback, known)?;
    let errors = [
        mse(&naive, bare)?,
        mse(&past_ridge, bare)?,
        mse(&ridge, data)?,
        mse(&past_tide, bare)?,
        mse(&tide, data)?,
        skip_alone(&tide, data)?,
    ];
    println!(
        "seed {seed}: {}",
        errors.map(|mse| format!("{mse:.4}")).join(", ")
    );
    Ok((errors, by_day(&ridge, data)?, by_day(&tide, data)?))
}

fn table(errors: &Errors) -> Table {
    let mut table = Table::new([
        "forecaster",
        "test MSE",
        "less ridge with covariates, paired over seeds",
    ]);
    for (name, values) in errors {
        table.push([
            (*name).to_owned(),
            format!("{:.4}", stats::mean_interval(values)),
            match *name == NAMES[2] {
                true => String::new(),
                false => format!("{:.4}", stats::paired_difference(values, &errors[2].1)),
            },
        ]);
    }
    table
}

/// The mean of each place over several lists of one length.
fn mean_over_seeds(seeds: &[Vec<f64>]) -> Vec<f64> {
    let mean = |day: usize| seeds.iter().map(|seed| seed[day]).sum::<f64>() / seeds.len() as f64;
    (0..seeds.first().map_or(0, Vec::len)).map(mean).collect()
}

fn collect(all: &[[f64; 6]]) -> Errors {
    let column = |index: usize| all.iter().map(|row| row[index]).collect();
    NAMES
        .iter()
        .enumerate()
        .map(|(index, name)| (*name, column(index)))
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    patchbay_bench::compute_as_the_kernel_does()?;
    patchbay_forecasters::register()?;
    let words: Vec<String> = env::args().skip(1).collect();
    let mut options: BTreeMap<&str, &str> = BTreeMap::from([("--seeds", "5")]);
    for pair in words.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("{} needs a value", pair[0]).into());
        };
        options.insert(name, value);
    }
    let seeds: u64 = options["--seeds"].parse()?;

    println!(
        "Generated demand; MSE in standard scores, 95 % intervals over {seeds} seeds, each of other data"
    );
    let (mut all, mut floors) = (Vec::new(), Vec::new());
    for seed in 1..=seeds {
        let (data, floor) = generated(seed)?;
        let bare = data.without_covariates();
        all.push(one_seed(&data, &bare, 96, seed)?.0);
        floors.push(floor);
    }
    println!("{}", table(&collect(&all)));
    println!("floor: {:.4}\n", stats::mean_interval(&floors));

    let Some(path) = options.get("--bikeshare") else {
        println!("bicycles: skipped, as there is no --bikeshare FILE");
        return Ok(());
    };
    println!(
        "Hires of bicycles, Washington 2011; MSE in standard scores, 95 % intervals over {seeds} seeds"
    );
    let data = bikeshare(path)?;
    let bare = data.without_covariates();
    let mut all = Vec::new();
    let mut days: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for seed in 1..=seeds {
        let (errors, ridge, tide) = one_seed(&data, &bare, 168, seed)?;
        all.push(errors);
        days.push((tide, ridge));
    }
    println!("{}", table(&collect(&all)));
    let (of_tide, of_ridge): (Vec<_>, Vec<_>) = days.into_iter().unzip();
    let (tide, ridge) = (mean_over_seeds(&of_tide), mean_over_seeds(&of_ridge));
    println!(
        "TiDE less ridge, both with covariates, paired over {} days of the test part (means over seeds): {:.4}",
        tide.len(),
        stats::paired_difference(&tide, &ridge)
    );
    Ok(())
}
