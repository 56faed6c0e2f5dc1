//! Which ridge regressions `"skip_start": "ridge_mean"` should average, chosen on the validation part alone:
//!
//!   cargo run --release --example ensemble_choice -- --data DIR
//!
//! DIR has ETTh1.csv and ETTh2.csv of zhouhaoyi/ETDataset. Candidates are all means of one to eight regressions: of
//! lookback 720 with a penalty that grows with the lag as (1 + lag / day)^a for a = 0, 1/2, 1 and 2, and of the last
//! 504, 336, 168 and 96 steps. Each has its own penalty, from the validation part, too. One mean serves all: the one
//! whose validation MSE, as a multiple of plain ridge regression's, is least on average over both sets and the four horizons.
//! The test part is looked at for what was chosen, for plain ridge regression and for the five of the preset, and
//! decides nothing.

use std::{env, error::Error};

use patchbay::{
    forecast::{Dataset, Frame, Part, Split, Windows},
    prelude::*,
};
use patchbay_forecasters::normal_equations::{NormalEquations, Regression};

const LOOKBACK: usize = 720;
const DAY: usize = 24;
const NAMES: [&str; 8] = [
    "720",
    "720 a=1/2",
    "720 a=1",
    "720 a=2",
    "504",
    "336",
    "168",
    "96",
];
/// The preset's five, as bits of a candidate.
const FIVE: usize = 0b11_0111;

fn candidates() -> [Regression; 8] {
    [
        Regression::plain(LOOKBACK),
        Regression::lagged(LOOKBACK, DAY, 0.5),
        Regression::lagged(LOOKBACK, DAY, 1.0),
        Regression::lagged(LOOKBACK, DAY, 2.0),
        Regression::plain(504),
        Regression::plain(336),
        Regression::plain(168),
        Regression::plain(96),
    ]
}

fn sums(windows: &Windows<'_>, horizon: usize) -> Result<NormalEquations> {
    let mut sums = NormalEquations::new(LOOKBACK, horizon);
    for batch in windows.batches(1024) {
        let (window, future) = batch?;
        sums.add(&window.past, &future)?;
    }
    Ok(sums)
}

/// The maps of one data set and horizon, with what their means are judged on.
struct Cell {
    name: String,
    maps: Vec<Vec<f64>>,
    validation: NormalEquations,
    test: NormalEquations,
}

impl Cell {
    fn mean(&self, chosen: usize) -> Vec<f64> {
        let count = f64::from(chosen.count_ones());
        let mut mean = vec![0.0; self.maps[0].len()];
        for (_, map) in self
            .maps
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
        {
            for (sum, weight) in mean.iter_mut().zip(map) {
                *sum += weight / count;
            }
        }
        mean
    }
}

fn name(chosen: usize) -> String {
    let names: Vec<&str> = NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| chosen >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    names.join(" + ")
}

fn main() -> Result<(), Box<dyn Error>> {
    patchbay_bench::compute_as_the_kernel_does()?;
    let words: Vec<String> = env::args().skip(1).collect();
    let [option, folder] = &words[..] else {
        return Err("say where the CSV files are: --data DIR".into());
    };
    if option != "--data" {
        return Err(format!("{option} is no option; there is --data DIR").into());
    }
    let mut cells = Vec::new();
    for set in ["ETTh1", "ETTh2"] {
        let path = std::path::Path::new(folder).join(format!("{set}.csv"));
        let frame = Frame::read_csv(path.to_str().ok_or("the path is not text")?)?;
        let data = Dataset::new(&frame, Split::ett_hourly())?;
        for horizon in [96, 192, 336, 720] {
            let part = |part| sums(&data.windows(part, LOOKBACK, horizon)?, horizon);
            let (train, validation) = (part(Part::Train)?, part(Part::Validation)?);
            let maps = candidates()
                .iter()
                .map(|one| Ok(train.best_of(&validation, one)?.weights().to_vec()))
                .collect::<Result<_>>()?;
            cells.push(Cell {
                name: format!("{set} {horizon}"),
                maps,
                validation,
                test: part(Part::Test)?,
            });
            eprintln!("{set} {horizon}: eight regressions fitted");
        }
    }
    // Validation MSE of every candidate in every cell, as a multiple of plain ridge regression's.
    let all: Vec<usize> = (1..1 << NAMES.len()).collect();
    let mut relative = vec![Vec::new(); all.len()];
    for cell in &cells {
        let plain = cell.validation.error(&cell.mean(1))?;
        for (chosen, relative) in all.iter().zip(&mut relative) {
            relative.push(cell.validation.error(&cell.mean(*chosen))? / plain);
        }
    }
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut ranked: Vec<(f64, usize)> = relative
        .iter()
        .zip(&all)
        .map(|(relative, &chosen)| (average(relative), chosen))
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));

    let mut table = Table::new(["rank", "validation MSE / plain ridge's", "mean of"]);
    for (rank, &(error, chosen)) in ranked.iter().enumerate() {
        if rank < 5 || chosen == FIVE || chosen == 1 {
            table.push([(rank + 1).to_string(), format!("{error:.4}"), name(chosen)]);
        }
    }
    println!(
        "{} candidates on the validation part\n{table}",
        ranked.len()
    );
    let best = ranked[0].1;
    let mut table = Table::new([
        "data",
        "plain ridge",
        "the preset's five",
        "chosen on validation",
    ]);
    let mut ratios = [Vec::new(), Vec::new()];
    for cell in &cells {
        let error = |chosen| cell.test.error(&cell.mean(chosen));
        let [plain, five, best] = [error(1)?, error(FIVE)?, error(best)?];
        ratios[0].push(five / plain);
        ratios[1].push(best / plain);
        let row = [plain, five, best].map(|mse| format!("{mse:.4}"));
        table.push([vec![cell.name.clone()], row.to_vec()].concat());
    }
    table.push([
        "mean / plain ridge's".to_owned(),
        "1".to_owned(),
        format!("{:.4}", average(&ratios[0])),
        format!("{:.4}", average(&ratios[1])),
    ]);
    println!("MSE on the test part; chosen: {}\n{table}", name(best));
    Ok(())
}
