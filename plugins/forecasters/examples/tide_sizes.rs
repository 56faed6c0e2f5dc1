//! The sizes of the column "TiDE" of `tide_table`, chosen on the validation part:
//!
//!   cargo run --release --example tide_sizes -- --data DIR [--horizons 96] [--sets ETTh1]
//!
//! DIR has ETTh1.csv and ETTh2.csv of zhouhaoyi/ETDataset. Every candidate starts from random numbers, without a layer norm
//! at the end, and is trained as that column is (6 epochs, learning rate 1e-3, EMA 0.98, seed 1). What is printed is the least
//! validation loss; the test part is not looked at.

use std::{collections::BTreeMap, env, error::Error, path::Path};

use patchbay::{
    forecast::{Dataset, FitOptions, Frame, Split, fit},
    nn,
    prelude::*,
};

/// Name, hidden width, p, hidden width of the temporal decoder, dropout, weight decay. The paper's sizes for ETTh1 have the
/// paper's dropout.
const CANDIDATES: [(&str, usize, usize, usize, f64, f64); 6] = [
    ("small", 64, 4, 16, 0.3, 0.0),
    ("small", 64, 4, 16, 0.3, 10.0),
    ("small", 64, 4, 16, 0.5, 0.0),
    ("small", 64, 4, 16, 0.5, 10.0),
    ("paper's for ETTh1", 256, 8, 128, 0.3, 0.0),
    ("paper's for ETTh1", 256, 8, 128, 0.3, 10.0),
];

fn main() -> Result<(), Box<dyn Error>> {
    patchbay_bench::compute_as_the_kernel_does()?;
    patchbay_forecasters::register()?;
    let words: Vec<String> = env::args().skip(1).collect();
    let mut options: BTreeMap<&str, &str> =
        BTreeMap::from([("--horizons", "96"), ("--sets", "ETTh1")]);
    for pair in words.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("{} needs a value", pair[0]).into());
        };
        options.insert(name, value);
    }
    let folder = options
        .get("--data")
        .ok_or("say where the CSV files are: --data DIR")?;
    let mut table = Table::new([
        "data",
        "horizon",
        "sizes",
        "dropout",
        "weight decay",
        "validation MSE",
        "epoch",
    ]);
    for set in options["--sets"].split(',') {
        let path = Path::new(folder).join(format!("{set}.csv"));
        let frame = Frame::read_csv(path.to_str().ok_or("the path is not text")?)?;
        let data = Dataset::new(&frame, Split::ett_hourly())?;
        for horizon in options["--horizons"].split(',') {
            let horizon: usize = horizon.parse()?;
            for (name, hidden, decoder_output, temporal, dropout, weight_decay) in CANDIDATES {
                nn::seed_all(1)?;
                let settings = json!({
                    "lookback": 720, "horizon": horizon, "hidden": hidden, "decoder_output": decoder_output,
                    "temporal_decoder_hidden": temporal, "dropout": dropout,
                });
                let model = create::<dyn Forecaster>("forecaster/tide", settings)?;
                let options = FitOptions {
                    epochs: 6,
                    learning_rate: Some(1e-3),
                    ema: Some(0.98),
                    weight_decay,
                    quiet: true,
                    ..FitOptions::default()
                };
                let fitted = fit(&model, &data, &options)?;
                let row = [
                    set.to_owned(),
                    horizon.to_string(),
                    name.to_owned(),
                    dropout.to_string(),
                    weight_decay.to_string(),
                    format!("{:.4}", fitted.validation[fitted.best]),
                    fitted.best.to_string(),
                ];
                eprintln!("{}, {:.0} s", row.join(", "), fitted.seconds);
                table.push(row);
            }
        }
    }
    println!("{table}");
    Ok(())
}
