//! Forward and backward pass of losses against PyTorch on the CPU, taking turns in one run.
//!
//! Run it with `cargo run --release --example loss_benchmark`. `PYTHON` names an interpreter with torch (`python3` where
//! it is not set), `RAYON_NUM_THREADS` the threads of both sides, and arguments choose cases whose name contains one of
//! them. The numbers are the fastest of all rounds: what else the machine does slows rounds down.

use std::{env, error::Error};

use patchbay::{
    Table,
    plugin::{Loss, create},
    prelude::{DType, Device, Tensor, Var, json},
};

use patchbay_bench::Peer;

const CLASSES: usize = 9;
const LOSSES: [&str; 5] = [
    "cross_entropy",
    "focal",
    "sigmoid focal",
    "balanced_cross_entropy",
    "dice",
];
const ROUNDS: usize = 12;
const REPETITIONS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    patchbay_bench::compute_as_the_kernel_does()?;
    patchbay_losses::register()?;
    let threads = patchbay::candle::utils::get_num_threads();
    let mut peer = Peer::start("losses_torch.py", threads)?;
    println!("{threads} threads; torch {}", peer.version);
    let shapes: [(&str, &[usize], &[usize]); 2] = [
        ("512x512x9", &[1, CLASSES, 512, 512], &[1, 512, 512]),
        ("65536x9", &[65536, CLASSES], &[65536]),
    ];
    let mut table = Table::new(["forward + backward", "ours ms", "torch ms", "ratio"]);
    for (shape, logits, positions) in shapes {
        let logits = Var::from_tensor(&Tensor::randn(0f32, 1.0, logits, &Device::Cpu)?)?;
        let target = Tensor::rand(0f32, CLASSES as f32, positions, &Device::Cpu)?;
        let target = target
            .to_dtype(DType::I64)?
            .clamp(0i64, CLASSES as i64 - 1)?;
        for name in LOSSES {
            let case = format!("{name} {shape}");
            if !arguments.is_empty() && !arguments.iter().any(|part| case.contains(part.as_str())) {
                continue;
            }
            let loss = match name {
                "sigmoid focal" => {
                    create::<dyn Loss>("loss/focal", json!({"activation": "sigmoid"}))?
                }
                name => create::<dyn Loss>(&format!("loss/{name}"), json!({}))?,
            };
            let step = || loss.forward(&logits, &target)?.backward();
            let (ours, theirs) = peer.take_turns(&case, ROUNDS, REPETITIONS, step)?;
            table.push([
                case,
                format!("{:.2}", 1e3 * ours),
                format!("{:.2}", 1e3 * theirs),
                format!("{:.2}", ours / theirs),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}
