//! TiDE on ETTh1 and ETTh2 beside the paper's figures, ridge regression and simpler forecasts:
//!
//!   cargo run --release --example tide_table -- --data DIR [--horizons 96,192] [--seeds 1] [--sets ETTh1]
//!       [--models tide,ridge] [--epochs 6] [--time-features 1]
//!       [--learning-rate 3e-4] [--weight-decay 1] [--batch 32]
//!
//! DIR has ETTh1.csv and ETTh2.csv of zhouhaoyi/ETDataset. The split is the usual one by rows (8640, 11520, 14400),
//! errors are of all test windows in standard scores, and every choice (when to stop, ridge's penalty) is made on
//! the validation part. Each finished row is printed at once; the table is at the end.

use std::{collections::BTreeMap, env, error::Error, fs, path::Path};

use patchbay::{
    forecast::{Dataset, FitOptions, Frame, Part, Split, backtest, fit},
    nn,
    prelude::*,
    serde_json::Value,
};

/// Published MSE for horizons 96, 192, 336 and 720: TiDE's of Das et al. 2023, Table 3; DLinear's of Zeng et al. 2023,
/// Table 2.
const PUBLISHED: [(&str, [f64; 4], [f64; 4]); 2] = [
    (
        "ETTh1",
        [0.375, 0.412, 0.435, 0.454],
        [0.375, 0.405, 0.439, 0.472],
    ),
    (
        "ETTh2",
        [0.270, 0.332, 0.360, 0.419],
        [0.289, 0.383, 0.448, 0.605],
    ),
];
const HORIZONS: [usize; 4] = [96, 192, 336, 720];

struct Arguments(BTreeMap<String, String>);

impl Arguments {
    fn read() -> Result<Arguments, Box<dyn Error>> {
        let mut all = BTreeMap::new();
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or(format!("{word} is not an option; options begin with --"))?;
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            all.insert(name.to_owned(), value);
        }
        Ok(Arguments(all))
    }

    fn list(&self, name: &str, default: &str) -> Vec<String> {
        let text = self.0.get(name).map_or(default, String::as_str);
        text.split(',').map(str::to_owned).collect()
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, Box<dyn Error>> {
        match self.0.get(name) {
            Some(text) => text
                .parse()
                .map_err(|_| format!("--{name} {text} is not a number").into()),
            None => Ok(default),
        }
    }
}

/// How a column of the table is made: the component, its settings, and how it is trained.
///
/// `tide_compact` is `{"horizon": .., "preset": "compact"}` with the default options. The other columns of TiDE have its
/// sizes, too, which are smaller than the paper's (hidden 64 instead of 256 or 512, p 4, temporal decoder 16, dropout 0.5):
/// with layer norm out of the way the network learns, and the paper's sizes then learn the training part by heart.
/// `d_linear` is trained as its authors do ([`FitOptions::ltsf_linear`]), with the lookback, batch and learning rate of their
/// script for the data set (cure-lab/LTSF-Linear, `scripts/EXP-LongForecasting/DLinear`).
fn recipe(model: &str, set: &str, horizon: usize, known: usize) -> (String, Value, FitOptions) {
    let sizes = json!({"lookback": 720, "horizon": horizon});
    let network = |start: &str| {
        json!({
            "lookback": 720, "horizon": horizon, "known": known, "hidden": 64, "decoder_output": 4,
            "temporal_decoder_hidden": 16, "dropout": 0.5, "skip_start": start,
        })
    };
    let train = |learning_rate| FitOptions {
        epochs: 6,
        learning_rate: Some(learning_rate),
        ema: Some(0.98),
        quiet: true,
        ..FitOptions::default()
    };
    match model {
        "tide" => {
            let options = FitOptions {
                weight_decay: 10.0,
                ..train(1e-3)
            };
            ("forecaster/tide".to_owned(), network("random"), options)
        }
        "tide_compact" => {
            let settings = json!({"horizon": horizon, "preset": "compact", "known": known});
            let options = FitOptions {
                quiet: true,
                ..FitOptions::default()
            };
            ("forecaster/tide".to_owned(), settings, options)
        }
        "d_linear" => {
            let (batch, learning_rate) = match set {
                "ETTh1" => (8, 1e-4),
                _ => (32, 0.05),
            };
            let options = FitOptions {
                quiet: true,
                ..FitOptions::ltsf_linear(batch, learning_rate)
            };
            let sizes = json!({"lookback": 336, "horizon": horizon});
            ("forecaster/d_linear".to_owned(), sizes, options)
        }
        "tide_from_ridge" => ("forecaster/tide".to_owned(), network("ridge"), train(3e-5)),
        // The paper's form, whose network is a constant: only the linear skip learns.
        "tide_paper" => {
            let mut settings = network("random");
            settings["layer_norm"] = json!("all");
            ("forecaster/tide".to_owned(), settings, train(1e-3))
        }
        other => (format!("forecaster/{other}"), sizes, train(1e-3)),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    patchbay_bench::compute_as_the_kernel_does()?;
    patchbay_forecasters::register()?;
    let arguments = Arguments::read()?;
    let folder = arguments
        .0
        .get("data")
        .ok_or("say where the CSV files are: --data DIR")?;
    let seeds: u64 = arguments.number("seeds", 1)?;
    let first_seed: u64 = arguments.number("first-seed", 1)?;
    let models = arguments.list(
        "models",
        "tide_compact,ridge,tide,tide_paper,d_linear,seasonal_naive,last_value",
    );
    let mut table = Table::new(
        ["data", "horizon", "TiDE, published", "DLinear, published"]
            .map(str::to_owned)
            .into_iter()
            .chain(models.clone()),
    );
    for set in arguments.list("sets", "ETTh1,ETTh2") {
        let path = Path::new(folder).join(format!("{set}.csv"));
        let path = path.to_str().ok_or("the path is not text")?;
        fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
        let mut data = Dataset::new(&Frame::read_csv(path)?, Split::ett_hourly())?;
        if arguments.number("time-features", 0)? == 1 {
            data = data.with_time_features();
        }
        for horizon in arguments.list("horizons", "96,192,336,720") {
            let horizon: usize = horizon.parse()?;
            let figures = PUBLISHED.iter().find(|(name, ..)| *name == set);
            let at = HORIZONS.iter().position(|known| *known == horizon);
            let published = |row: Option<[f64; 4]>| {
                let mse = row.zip(at).map(|(row, at)| row[at]);
                mse.map_or_else(String::new, |mse| format!("{mse:.3}"))
            };
            let mut row = vec![
                set.clone(),
                horizon.to_string(),
                published(figures.map(|(_, tide, _)| *tide)),
                published(figures.map(|(_, _, d_linear)| *d_linear)),
            ];
            for model in &models {
                let trained = model.starts_with("tide") || model == "d_linear";
                let mut errors = Vec::new();
                for seed in first_seed..first_seed + if trained { seeds } else { 1 } {
                    nn::seed_all(seed)?;
                    let (id, config, mut options) = recipe(model, &set, horizon, data.known());
                    options.epochs = arguments.number("epochs", options.epochs)?;
                    options.weight_decay =
                        arguments.number("weight-decay", options.weight_decay)?;
                    options.batch = arguments.number("batch", options.batch)?;
                    if arguments.0.contains_key("learning-rate") {
                        options.learning_rate = Some(arguments.number("learning-rate", 0.0)?);
                    }
                    let slot = create::<dyn Forecaster>(&id, config)?;
                    let fitted = fit(&slot, &data, &options)?;
                    let test = backtest(&slot, &data, Part::Test)?;
                    println!(
                        "{set} {horizon:3} {model:15} seed {seed}: test MSE {:.4} MAE {:.4}, validation {:.4} at epoch {} of {}, {:.0} s",
                        test.mse,
                        test.mae,
                        fitted.validation[fitted.best],
                        fitted.best,
                        fitted.train.len(),
                        fitted.seconds
                    );
                    errors.push(test.mse);
                }
                row.push(spread(&errors));
            }
            table.push(row);
        }
    }
    println!("\nMSE on the test part, mean and standard deviation over seeds\n{table}");
    Ok(())
}

/// Mean, and the standard deviation of several.
fn spread(values: &[f64]) -> String {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if values.len() < 2 {
        return format!("{mean:.4}");
    }
    let variance =
        values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    format!("{mean:.4} ± {:.4}", variance.sqrt())
}
