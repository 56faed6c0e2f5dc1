//! TiDE's training step and forecast against an equal model in PyTorch, taking turns in one run.
//!
//! Run it with `cargo run --release --example tide_benchmark`. `PYTHON` names an interpreter with torch (`python3` where
//! it is not set), `RAYON_NUM_THREADS` the threads of both sides, and arguments choose cases whose name contains one of
//! them. The sizes are those that the paper has for ETTh1, with a batch of 512 windows. The numbers are the fastest of
//! all rounds: what else the machine does slows rounds down. Our side also makes the batch of windows, and the last
//! column has the share of the step that this takes.

use std::{env, error::Error, time::Instant};

use patchbay::{
    Table,
    forecast::{Dataset, Frame, Part, Split},
    nn::{Adam, Optimizer, ParameterGroup, ParamsAdam},
    plugin::{Forecaster, create},
    prelude::json,
};

use patchbay_bench::Peer;

const BATCH: usize = 512;
const ROUNDS: usize = 10;
const REPETITIONS: usize = 10;
/// What is done, horizon, known covariates.
const CASES: [(&str, usize, usize); 6] = [
    ("step", 96, 0),
    ("step", 720, 0),
    ("step", 96, 7),
    ("forecast", 96, 0),
    ("forecast", 720, 0),
    ("forecast", 96, 7),
];

/// Seven series as long as ETTh1.
fn data(known: usize) -> Result<Dataset, Box<dyn Error>> {
    let rows = 14_400;
    let times = (0..rows as i64).map(|row| row * 3600).collect();
    let columns = (1..=7)
        .map(|series| {
            let value = |row: usize| ((row * series) as f64 / 24.0).sin() + row as f64 * 1e-4;
            (format!("series {series}"), (0..rows).map(value).collect())
        })
        .collect();
    let data = Dataset::new(&Frame::new(times, columns)?, Split::ett_hourly())?;
    Ok(if known > 0 {
        data.with_time_features()
    } else {
        data
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    patchbay_bench::compute_as_the_kernel_does()?;
    patchbay_forecasters::register()?;
    let threads = patchbay::candle::utils::get_num_threads();
    let mut peer = Peer::start("tide_torch.py", threads)?;
    println!("{threads} threads; torch {}", peer.version);
    let mut table = Table::new(["case", "ours ms", "torch ms", "ratio", "loading"]);
    for (kind, horizon, known) in CASES {
        let case = format!("{kind} {horizon} {known}");
        if !arguments.is_empty() && !arguments.iter().any(|part| case.contains(part.as_str())) {
            continue;
        }
        let data = data(known)?;
        let windows = data.windows(Part::Train, 720, horizon)?;
        let order = windows.shuffled();
        let settings =
            json!({"lookback": 720, "horizon": horizon, "known": known, "preset": "etth1"});
        let model = create::<dyn Forecaster>("forecaster/tide", settings)?;
        let mut optimizer = Adam::with_groups(
            vec![ParameterGroup::new(model.trainable())],
            ParamsAdam {
                lr: 1e-4,
                ..ParamsAdam::default()
            },
        );
        let (mut batches, mut loading) = (order.chunks_exact(BATCH).cycle(), f64::INFINITY);
        let step = || -> Result<(), Box<dyn Error>> {
            let start = Instant::now();
            let indices = batches.next().ok_or("fewer windows than a batch has")?;
            let (window, future) = windows.batch(indices)?;
            loading = loading.min(start.elapsed().as_secs_f64());
            let forecast = model.forward(&window, kind == "step")?;
            if kind == "step" {
                let loss = (forecast.squeeze(2)? - future)?.sqr()?.mean_all()?;
                optimizer.backward_step(&loss)?;
            }
            Ok(())
        };
        let (ours, theirs) = peer.take_turns(&case, ROUNDS, REPETITIONS, step)?;
        table.push([
            format!("{kind}, horizon {horizon}, {known} covariates"),
            format!("{:.1}", ours * 1e3),
            format!("{:.1}", theirs * 1e3),
            format!("{:.2}", ours / theirs),
            format!("{:.1}%", 100.0 * loading / ours),
        ]);
    }
    println!("{table}");
    Ok(())
}
