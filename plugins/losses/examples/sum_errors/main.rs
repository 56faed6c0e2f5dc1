//! The relative errors of sums, means, variances and losses of 10^3 to 10^7 elements in f32, beside those of candle's sums, as a
//! table; and the time of sums beside candle's.
//!
//! Run it with `cargo run --release --example sum_errors`, with `-- 8` up to 10^8 elements (a few gigabytes).

use std::{env, error::Error, time::Instant};

use patchbay::{
    Result, Table, ops,
    prelude::{DType, Device, Tensor},
};

mod cases;
use cases::{BLOCK, cases, found_and_expected, numbers};

type Reduction = fn(&Tensor) -> Result<Tensor>;

/// The exact result from the count, the mean, and the mean squared deviation.
type Exact = fn(f64, f64, f64) -> f64;

fn main() -> Result<(), Box<dyn Error>> {
    let largest = env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    patchbay_losses::register()?;
    let sizes: Vec<usize> = (3..=largest).map(|power| 10usize.pow(power)).collect();
    let head = sizes.iter().map(|size| format!("10^{}", size.ilog10()));
    let mut table = Table::new(std::iter::once("relative error".to_owned()).chain(head));
    // All positive: 0.1 to 3.1.
    let positive = |count: usize| -> Result<Tensor> {
        let values = numbers(count, 1).into_iter().map(|x| x + 1.6).collect();
        Tensor::from_vec::<_, f32>(values, count, &Device::Cpu)
    };
    let block: Vec<f64> = positive(BLOCK)?.to_dtype(DType::F64)?.to_vec1()?;
    let mean = block.iter().sum::<f64>() / BLOCK as f64;
    let square = block.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / BLOCK as f64;
    let rows: [(&str, Reduction, Exact); 6] = [
        ("ops::sum_all", ops::sum_all, |n, mean, _| n * mean),
        ("candle's sum_all", Tensor::sum_all, |n, mean, _| n * mean),
        ("ops::mean", |x| ops::mean(x, 0), |_, mean, _| mean),
        ("candle's mean", |x| x.mean(0), |_, mean, _| mean),
        (
            "ops::var",
            |x| ops::var(x, 0),
            |n, _, square| n / (n - 1.0) * square,
        ),
        (
            "candle's var",
            |x| x.var(0),
            |n, _, square| n / (n - 1.0) * square,
        ),
    ];
    for (name, run, exact) in rows {
        let mut line = vec![name.to_owned()];
        for &size in &sizes {
            let found: f64 = run(&positive(size)?)?.to_dtype(DType::F64)?.to_scalar()?;
            line.push(error(found, exact(size as f64, mean, square)));
        }
        table.push(line);
    }
    for (name, config) in cases() {
        let mut line = vec![match config.get("activation") {
            Some(activation) => format!("{name} ({})", activation.as_str().unwrap_or_default()),
            None => name.to_owned(),
        }];
        for &size in &sizes {
            // A block has two values a position.
            let (found, expected) = found_and_expected(name, &config, size.max(2 * BLOCK))?;
            line.push(error(found, expected));
        }
        table.push(line);
    }
    println!("{table}");
    times(&sizes)
}

fn error(found: f64, expected: f64) -> String {
    format!("{:.0e}", (found / expected - 1.0).abs())
}

/// The fastest of several runs, in microseconds, taking turns.
fn times(sizes: &[usize]) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new(["time of", "elements", "ours us", "candle us", "ratio"]);
    let pairs: [(&str, usize, Reduction, Reduction); 4] = [
        ("sum_all", 1, ops::sum_all, Tensor::sum_all),
        ("sum of rows", 100, |x| ops::sum(x, 1), |x| x.sum(1)),
        ("sum of columns", 100, |x| ops::sum(x, 0), |x| x.sum(0)),
        (
            "var_keepdim of rows",
            100,
            |x| ops::var_keepdim(x, 1),
            |x| x.var_keepdim(1),
        ),
    ];
    for (name, width, ours, theirs) in pairs {
        for &size in sizes {
            let x = Tensor::from_vec(numbers(size, 1), (size / width, width), &Device::Cpu)?;
            let mut best = [f64::INFINITY; 2];
            for _ in 0..(20_000_000 / size).clamp(5, 2000) {
                for (best, run) in best.iter_mut().zip([ours, theirs]) {
                    let start = Instant::now();
                    drop(run(&x)?);
                    *best = best.min(start.elapsed().as_secs_f64());
                }
            }
            table.push([
                name.to_owned(),
                format!("10^{}", size.ilog10()),
                format!("{:.1}", 1e6 * best[0]),
                format!("{:.1}", 1e6 * best[1]),
                format!("{:.2}", best[0] / best[1]),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}
