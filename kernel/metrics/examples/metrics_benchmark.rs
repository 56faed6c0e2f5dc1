//! Metrics against torchmetrics on the CPU, taking turns in one run: a batch is counted and the value computed, with its interval
//! here and without one there.
//!
//! Run it with `cargo run --release --example metrics_benchmark`. `PYTHON` names an interpreter with torchmetrics (`python3` where
//! it is not set), `RAYON_NUM_THREADS` the threads of both sides, and arguments choose cases whose name contains one of them.

use std::{env, error::Error};

use patchbay::{
    Result, Table,
    candle::{DType, Device, Tensor},
    metrics,
};
use patchbay_bench::Peer;

const CPU: Device = Device::Cpu;
const ROUNDS: usize = 5;

/// The cases, and how many repetitions a round has.
const CASES: [(&str, usize); 9] = [
    ("IoU, 8 images of 256 x 256, 21 classes", 3),
    ("F1, 10000 of 1000 classes", 5),
    ("top-5 accuracy, 10000 of 1000 classes", 2),
    ("calibration error, 10000 of 1000 classes", 2),
    ("AUROC, 1000000 scores", 2),
    ("average precision, 1000000 scores", 2),
    ("CRPS, 10000 forecasts of 100 samples", 2),
    ("SSIM, 8 images of 256 x 256", 1),
    ("MS-SSIM, 8 images of 256 x 256", 1),
];

type Step = Box<dyn FnMut() -> Result<()>>;

fn randn(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1f32, shape, &CPU)
}

fn classes(count: usize, shape: &[usize]) -> Result<Tensor> {
    Tensor::rand(0f32, count as f32, shape, &CPU)?.to_dtype(DType::I64)
}

fn case(name: &str) -> Result<Step> {
    let short = name.split(',').next().unwrap_or(name);
    Ok(match short {
        "IoU" => {
            let (x, y) = (randn(&[8, 21, 256, 256])?, classes(21, &[8, 256, 256])?);
            Box::new(move || metrics::iou(&x, &y).map(drop))
        }
        "F1" | "top-5 accuracy" | "calibration error" => {
            let (x, y) = (randn(&[10_000, 1000])?, classes(1000, &[10_000])?);
            match short {
                "F1" => Box::new(move || metrics::f1_score(&x, &y).map(drop)),
                "calibration error" => {
                    Box::new(move || metrics::calibration_error(&x, &y).map(drop))
                }
                _ => Box::new(move || {
                    let mut top = metrics::TopKAccuracy::new(1000, 5);
                    top.update(&x, &y)?;
                    top.compute().map(drop)
                }),
            }
        }
        "AUROC" | "average precision" => {
            let (x, y) = (randn(&[1_000_000])?, classes(2, &[1_000_000])?);
            match short {
                "AUROC" => Box::new(move || metrics::auroc(&x, &y).map(drop)),
                _ => Box::new(move || metrics::average_precision(&x, &y).map(drop)),
            }
        }
        "CRPS" => {
            let (x, y) = (randn(&[10_000, 100])?, randn(&[10_000])?);
            Box::new(move || metrics::crps(&x, &y).map(drop))
        }
        _ => {
            let shape = (8, 3, 256, 256);
            let x = Tensor::rand(0f32, 1f32, shape, &CPU)?;
            let y = Tensor::rand(0f32, 1f32, shape, &CPU)?;
            match short {
                "SSIM" => Box::new(move || metrics::ssim(&x, &y, 1.0).map(drop)),
                _ => Box::new(move || metrics::ms_ssim(&x, &y, 1.0).map(drop)),
            }
        }
    })
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    patchbay_bench::compute_as_the_kernel_does()?;
    let threads = patchbay::candle::utils::get_num_threads();
    let mut peer = Peer::start("metrics_torch.py", threads)?;
    println!("{threads} threads; torch {}", peer.version);
    let mut table = Table::new(["case", "ours ms", "torchmetrics ms", "ratio"]);
    for (name, repetitions) in CASES {
        if !arguments.is_empty() && !arguments.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let (ours, theirs) = peer.take_turns(name, ROUNDS, repetitions, case(name)?)?;
        table.push([
            name.to_owned(),
            format!("{:.2}", 1e3 * ours),
            format!("{:.2}", 1e3 * theirs),
            format!("{:.2}", ours / theirs),
        ]);
    }
    println!("{table}");
    Ok(())
}
