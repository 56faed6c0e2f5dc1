//! The ops and whole training steps against PyTorch on the CPU, taking turns in one run.
//!
//! Run it with `cargo run --release --example ops_benchmark`. `PYTHON` names an interpreter with torch
//! (`python3` where it is not set), `RAYON_NUM_THREADS` the threads of both sides, and arguments choose cases whose
//! name contains one of them. The numbers are the fastest of all rounds: what else the machine does slows rounds down.

use std::{env, error::Error, hint::black_box, process::Command, time::Instant};

use patchbay::{
    Result, Table,
    candle::{DType, Device, IndexOp, Tensor, Var},
    nn::{
        self, AdamW, Linear, Module, Optimizer, PatchEmbedding, TransformerEncoderLayer,
        TransformerSettings, VarBuilder, VarMap,
    },
    ops::{self, CrossEntropy},
};

use patchbay_bench::Peer;

const SCRIPT: &str = "ops_torch.py";

type Step = Box<dyn FnMut() -> Result<()>>;

const CPU: Device = Device::Cpu;

/// The cases, how many repetitions a round has, and the ratio that is asked for.
const CASES: &[(&str, usize, f64)] = &[
    ("matmul 1024", 5, 1.0),
    ("gelu forward", 10, 1.2),
    ("gelu", 5, 1.2),
    ("softmax forward", 10, 1.2),
    ("softmax", 5, 1.2),
    ("layer norm forward", 20, 1.2),
    ("layer norm", 10, 1.2),
    ("attention forward", 5, 1.2),
    ("attention", 3, 1.2),
    ("cross entropy", 10, 1.0),
    ("AdamW 10 M", 5, 1.0),
    ("ViT-tiny step", 1, 1.0),
    ("TiDE step", 3, 0.6),
    ("contrastive step", 1, 1.3),
];

const ROUNDS: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    patchbay_bench::compute_as_the_kernel_does()?;
    if arguments.iter().any(|argument| argument == "--memory") {
        // Only this: what other cases have allocated would hide what the step adds.
        let mut step = contrastive()?;
        let before = status("VmRSS")?;
        step()?;
        println!("{}", status("VmHWM")? - before);
        return Ok(());
    }
    let threads = patchbay::candle::utils::get_num_threads();
    let mut peer = Peer::start(SCRIPT, threads)?;
    println!("{threads} threads; torch {}", peer.version);
    println!("{}", gemm_report(threads)?);

    let mut table = Table::new(["case", "ours ms", "torch ms", "ratio", "asked for"]);
    for &(name, repetitions, asked) in CASES {
        if !arguments.is_empty() && !arguments.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let (ours, theirs) = peer.take_turns(name, ROUNDS, repetitions, case(name)?)?;
        table.push([
            name.to_owned(),
            format!("{:.2}", 1e3 * ours),
            format!("{:.2}", 1e3 * theirs),
            format!("{:.2}", ours / theirs),
            format!("{asked:.1}"),
        ]);
    }
    println!("{table}");

    if arguments.is_empty() {
        let ours = Command::new(env::current_exe()?).arg("--memory").output()?;
        let ours: f64 = String::from_utf8(ours.stdout)?.trim().parse()?;
        let theirs = Peer::command(SCRIPT, threads).arg("--memory").output()?;
        let theirs: f64 = String::from_utf8(theirs.stdout)?.trim().parse()?;
        println!(
            "memory that a contrastive step adds: {:.0} MB, torch {:.0} MB, ratio {:.2} (asked for: 1.3)",
            ours / 1e6,
            theirs / 1e6,
            ours / theirs
        );
    }
    Ok(())
}

/// Which product runs, and what share of the processor's peak it reaches.
fn gemm_report(threads: usize) -> Result<String> {
    let (a, b) = (randn(&[1024, 1024])?, randn(&[1024, 1024])?);
    let mut seconds = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        black_box(ops::matmul(&a, &b)?);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let rate = 2.0 * 1024f64.powi(3) / seconds / 1e9;
    #[cfg(target_arch = "x86_64")]
    let (lanes, kernel) = if is_x86_feature_detected!("avx512f") {
        (16.0, "AVX-512")
    } else {
        (8.0, "AVX2")
    };
    #[cfg(not(target_arch = "x86_64"))]
    let (lanes, kernel) = (4.0, "128-bit");
    let clock = clock_ghz();
    // Two fused multiply-adds of one full register a cycle; processors that split 512-bit ones do half of it.
    let peak = clock * lanes * 2.0 * 2.0 * threads as f64;
    Ok(format!(
        "matmul 1024: the gemm crate's {kernel} kernels, {rate:.0} GFLOP/s; at the measured {clock:.2} GHz two \
         {lanes}-lane FMA a cycle and core would be {peak:.0} ({:.0} %), one {:.0} ({:.0} %)",
        100.0 * rate / peak,
        peak / 2.0,
        200.0 * rate / peak
    ))
}

/// The clock, from a chain of dependent additions, which take a cycle each.
fn clock_ghz() -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        let mut x = 1u64;
        for _ in 0..4_000_000 {
            x = black_box(x.rotate_left(1));
        }
        black_box(x);
        best = best.min(start.elapsed().as_secs_f64());
    }
    // The barrier keeps each value in memory for a moment on some processors; then this is a lower bound.
    4e-3 / best
}

fn status(key: &str) -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .ok_or("no such line")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no value")?.parse()?;
    Ok(kib * 1024)
}

fn randn(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &CPU)
}

fn forward(shape: &[usize], f: fn(&Tensor) -> Result<Tensor>) -> Result<Step> {
    let x = randn(shape)?;
    Ok(Box::new(move || {
        black_box(f(&x)?);
        Ok(())
    }))
}

/// As PyTorch's side does it, the gradient of the result is ones.
fn both(shape: &[usize], f: fn(&Tensor) -> Result<Tensor>) -> Result<Step> {
    let x = Var::from_tensor(&randn(shape)?)?;
    Ok(Box::new(move || {
        black_box(f(&x)?.backward()?);
        Ok(())
    }))
}

fn case(name: &str) -> Result<Step> {
    match name {
        "matmul 1024" => {
            let (a, b) = (randn(&[1024, 1024])?, randn(&[1024, 1024])?);
            Ok(Box::new(move || {
                black_box(ops::matmul(&a, &b)?);
                Ok(())
            }))
        }
        "gelu forward" => forward(&[16, 197, 768], ops::gelu),
        "gelu" => both(&[16, 197, 768], ops::gelu),
        "softmax forward" => forward(&[48, 197, 197], ops::softmax),
        "softmax" => both(&[48, 197, 197], ops::softmax),
        "layer norm forward" => norm(false),
        "layer norm" => norm(true),
        "attention forward" => attention(false),
        "attention" => attention(true),
        "cross entropy" => {
            let x = Var::from_tensor(&randn(&[65536, 9])?)?;
            let y: Vec<i64> = (0..65536).map(|i| i * 7 % 9).collect();
            let y = Tensor::from_vec(y, 65536, &CPU)?;
            Ok(Box::new(move || {
                black_box(ops::cross_entropy(&x, &y)?.backward()?);
                Ok(())
            }))
        }
        "AdamW 10 M" => {
            let vars = (0..10)
                .map(|_| Var::from_tensor(&randn(&[1_000_000])?))
                .collect::<Result<Vec<_>>>()?;
            let mut grads = vars[0].sum_all()?.backward()?;
            for var in &vars {
                grads.insert(var, randn(&[1_000_000])?);
            }
            let mut optimizer = AdamW::new_lr(vars, 1e-3)?;
            Ok(Box::new(move || optimizer.step(&grads)))
        }
        "ViT-tiny step" => vit(),
        "TiDE step" => tide(),
        "contrastive step" => contrastive(),
        other => patchbay::candle::bail!("no case {other}"),
    }
}

fn norm(backward: bool) -> Result<Step> {
    let x = Var::from_tensor(&randn(&[16, 197, 192])?)?;
    let (weight, bias) = (
        Var::from_tensor(&randn(&[192])?)?,
        Var::from_tensor(&randn(&[192])?)?,
    );
    Ok(Box::new(move || {
        let y = ops::layer_norm(&x, Some(&weight), Some(&bias), 1e-5)?;
        if backward {
            black_box(y.backward()?);
        }
        Ok(())
    }))
}

fn attention(backward: bool) -> Result<Step> {
    let make = || Var::from_tensor(&randn(&[16, 3, 197, 64])?);
    let (q, k, v) = (make()?, make()?, make()?);
    Ok(Box::new(move || {
        let y = ops::attention(&q, &k, &v)?;
        if backward {
            black_box(y.backward()?);
        }
        Ok(())
    }))
}

/// A step of AdamW on a loss.
fn train(variables: &VarMap, loss: impl Fn() -> Result<Tensor> + 'static) -> Result<Step> {
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 1e-4)?;
    Ok(Box::new(move || optimizer.backward_step(&loss()?)))
}

/// ViT-tiny's width and heads with four blocks, 16 images of 224 x 224.
struct Vit {
    patch: PatchEmbedding,
    token: Tensor,
    position: Tensor,
    blocks: Vec<TransformerEncoderLayer>,
    norm: nn::LayerNorm,
    head: Linear,
}

impl Vit {
    fn new(vb: VarBuilder) -> Result<Vit> {
        let settings = TransformerSettings::vit(192, 3);
        let init = nn::Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        Ok(Vit {
            patch: PatchEmbedding::new(3, 192, 16, vb.pp("patch"))?,
            token: vb.get_with_hints((1, 1, 192), "token", nn::init::ZERO)?,
            position: vb.get_with_hints((1, 197, 192), "position", init)?,
            blocks: (0..4)
                .map(|index| {
                    TransformerEncoderLayer::new(&settings, vb.pp(format!("blocks.{index}")))
                })
                .collect::<Result<_>>()?,
            norm: nn::layer_norm(192, 1e-6, vb.pp("norm"))?,
            head: nn::linear(192, 10, vb.pp("head"))?,
        })
    }
}

impl Module for Vit {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let patches = self.patch.forward(images)?;
        let token = self.token.expand((images.dim(0)?, 1, 192))?;
        let mut x = Tensor::cat(&[&token, &patches], 1)?.broadcast_add(&self.position)?;
        for block in &self.blocks {
            x = block.forward(&x, None, true)?;
        }
        self.head.forward(&self.norm.forward(&x.i((.., 0))?)?)
    }
}

fn vit() -> Result<Step> {
    let variables = VarMap::new();
    let model = Vit::new(nn::builder(&variables, DType::F32, &CPU))?;
    let images = randn(&[16, 3, 224, 224])?;
    let labels = Tensor::from_vec((0..16i64).map(|i| i % 10).collect(), 16, &CPU)?;
    train(&variables, move || {
        ops::cross_entropy(&model.forward(&images)?, &labels)
    })
}

/// TiDE's dense block.
struct Residual {
    up: Linear,
    down: Linear,
    skip: Linear,
    norm: nn::LayerNorm,
}

impl Residual {
    fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Residual> {
        Ok(Residual {
            up: nn::linear(inputs, 512, vb.pp("up"))?,
            down: nn::linear(512, outputs, vb.pp("down"))?,
            skip: nn::linear(inputs, outputs, vb.pp("skip"))?,
            norm: nn::layer_norm(outputs, 1e-5, vb.pp("norm"))?,
        })
    }
}

impl Module for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let deep = self.down.forward(&ops::relu(&self.up.forward(x)?)?)?;
        self.norm
            .forward(&(ops::dropout(&deep, 0.3, true)? + self.skip.forward(x)?)?)
    }
}

fn tide() -> Result<Step> {
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    let sizes = [(720, 512), (512, 512), (512, 512), (512, 32 * 96)];
    let dense = sizes
        .iter()
        .enumerate()
        .map(|(index, &(inputs, outputs))| {
            Residual::new(inputs, outputs, vb.pp(format!("dense.{index}")))
        })
        .collect::<Result<Vec<_>>>()?;
    let (up, down) = (
        nn::linear(32, 64, vb.pp("last.up"))?,
        nn::linear(64, 1, vb.pp("last.down"))?,
    );
    let skip = nn::linear(720, 96, vb.pp("skip"))?;
    let (past, future) = (randn(&[64, 720])?, randn(&[64, 96])?);
    train(&variables, move || {
        let mut x = past.clone();
        for block in &dense {
            x = block.forward(&x)?;
        }
        let last = down
            .forward(&ops::relu(&up.forward(&x.reshape((64, 96, 32))?)?)?)?
            .squeeze(2)?;
        nn::loss::mse(&(last + skip.forward(&past)?)?, &future)
    })
}

/// One image-text contrastive step as in ALBEF: 64 pairs against a queue of 65,536, soft targets.
fn contrastive() -> Result<Step> {
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    let (image_map, text_map) = (
        nn::linear(768, 256, vb.pp("image"))?,
        nn::linear(768, 256, vb.pp("text"))?,
    );
    let (image, text) = (randn(&[64, 768])?, randn(&[64, 768])?);
    let queue = || ops::l2_normalize(&randn(&[256, 65536])?, 0, 1e-12);
    let (images, texts) = (queue()?, queue()?);
    train(&variables, move || {
        let i = ops::l2_normalize(&image_map.forward(&image)?, -1, 1e-12)?;
        let t = ops::l2_normalize(&text_map.forward(&text)?, -1, 1e-12)?;
        let direction = |from: &Tensor, to: &Tensor, queue: &Tensor| -> Result<Tensor> {
            let every = Tensor::cat(&[&to.detach().t()?, queue], 1)?;
            let one_hot = Tensor::cat(
                &[
                    Tensor::eye(64, DType::F32, &CPU)?,
                    Tensor::zeros((64, 65536), DType::F32, &CPU)?,
                ],
                1,
            )?;
            let scores = (ops::matmul(&from.detach(), &every)? / 0.07)?;
            let target = ((ops::softmax(&scores)? * 0.4)? + (one_hot * 0.6)?)?;
            let scores = (ops::matmul(from, &every)? / 0.07)?;
            ops::cross_entropy_with(&scores, &target, &CrossEntropy::default())
        };
        (direction(&i, &t, &texts)? + direction(&t, &i, &images)?)? / 2.0
    })
}
