//! ViT-B/16 and ALBEF's step against equal models in PyTorch, taking turns in one run, and the memory that both take.
//!
//! Run it with `cargo build --release --workspace --examples && target/release/examples/albef_benchmark`: the components are
//! loaded from the plugins of the build. `PYTHON` names an interpreter with torch (`python3` where it is not set),
//! `RAYON_NUM_THREADS` the threads of both sides, and arguments choose cases whose name contains one of them. The
//! times are the fastest of all rounds: what else the machine does slows rounds down. Memory is what two steps add
//! to a fresh process, the model included, the least of three processes.

use std::{env, error::Error, process::Command};

use patchbay::{
    Table,
    nn::{AdamW, Optimizer, ParamsAdamW},
    plugin::{self, Encoder, EncoderInput, Objective, create, create_with},
    prelude::*,
};

#[path = "../tests/support/mod.rs"]
mod support;
use patchbay_bench::Peer;

const SCRIPT: &str = "albef_torch.py";
const CASES: [&str; 3] = ["vit forward", "vit step", "albef step"];
const ROUNDS: usize = 5;
/// How much of a freed piece the allocator gives back depends on the threads' timing, by 3 %.
const MEMORY_ROUNDS: usize = 3;

type Step = Box<dyn FnMut() -> Result<()>>;

/// ViT-B/16 at 256 x 256, a batch of 4.
fn vit(backward: bool) -> Result<Step> {
    let settings = json!({"preset": "base", "image_size": 256, "patch_size": 16});
    // As under PyTorch's inference mode, no graph is built through a frozen component.
    let options = plugin::Options {
        frozen: !backward,
        ..plugin::Options::default()
    };
    let model = create_with::<dyn Encoder>("encoder/vit", settings, options)
        .map_err(candle::Error::wrap)?;
    let image = Tensor::randn(0f32, 1.0, (4, 3, 256, 256), &device())?;
    Ok(Box::new(move || {
        let input = EncoderInput {
            train: backward,
            ..EncoderInput::new(&image)
        };
        if backward {
            let features = model.forward(input)?.pooled;
            features.sqr()?.mean_all()?.backward()?;
        } else {
            model.forward(input)?;
        }
        Ok(())
    }))
}

/// The medium size: 64 patches, 30 words, a batch of 16, a queue of 4,096.
fn albef() -> Result<Step> {
    let settings = json!({
        "image_config": {"image_size": 128, "patch_size": 16, "width": 384, "depth": 6, "heads": 6},
        "text_config": {
            "vocabulary": 8192, "width": 384, "layers": 6, "heads": 6, "fusion_layer": 3,
            "dropout": 0.0, "attention_dropout": 0.0,
        },
        "vocabulary": 8192, "queue_size": 4096, "alpha_ramp": 0.0,
        "pad_token": 0, "cls_token": 1, "mask_token": 3,
    });
    let model =
        create::<dyn Objective>("objective/albef", settings).map_err(candle::Error::wrap)?;
    let mut optimizer = AdamW::new(
        model.trainable(),
        ParamsAdamW {
            lr: 1e-4,
            weight_decay: 0.02,
            ..ParamsAdamW::default()
        },
    )?;
    let ids: Vec<u32> = (0..16 * 30).map(|at| 4 + at * 7919 % 8188).collect();
    let ids = Tensor::from_vec(ids, (16, 30), &device())?;
    let batch = plugin::Batch::from([
        (
            "image".to_owned(),
            Tensor::randn(0f32, 1.0, (16, 3, 128, 128), &device())?,
        ),
        ("text_mask".to_owned(), ids.ne(0u32)?),
        ("text".to_owned(), ids),
    ]);
    Ok(Box::new(move || {
        let losses = model.losses(&batch, 0.5)?;
        let mut total = Tensor::zeros((), DType::F32, &device())?;
        for (_, loss) in &losses {
            total = (total + loss)?;
        }
        optimizer.backward_step(&total)?;
        model.after_step()
    }))
}

fn case(name: &str) -> Result<Step> {
    match name {
        "albef step" => albef(),
        _ => vit(name == "vit step"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    patchbay_bench::compute_as_the_kernel_does()?;
    let program = env::current_exe()?;
    support::find_built_plugins()?;
    if let [option, name] = &arguments[..]
        && option == "--memory"
    {
        let before = status("VmRSS")?;
        let mut step = case(name)?;
        step()?;
        step()?;
        println!("{}", status("VmHWM")? - before);
        return Ok(());
    }
    let threads = patchbay::candle::utils::get_num_threads();
    let mut peer = Peer::start(SCRIPT, threads)?;
    println!("{threads} threads; torch {}", peer.version);
    let mut table = Table::new([
        "case",
        "ours ms",
        "torch ms",
        "ratio",
        "ours MB",
        "torch MB",
        "ratio of memory",
    ]);
    for name in CASES {
        if !arguments.is_empty() && !arguments.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let (ours, theirs) = peer.take_turns(name, ROUNDS, 1, case(name)?)?;
        let (mut our_memory, mut their_memory) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..MEMORY_ROUNDS {
            our_memory = our_memory.min(bytes(Command::new(&program).args(["--memory", name]))?);
            let theirs = bytes(Peer::command(SCRIPT, threads).args(["--memory", name]))?;
            their_memory = their_memory.min(theirs);
        }
        table.push([
            name.to_owned(),
            format!("{:.0}", ours * 1e3),
            format!("{:.0}", theirs * 1e3),
            format!("{:.2}", ours / theirs),
            format!("{:.0}", our_memory / 1e6),
            format!("{:.0}", their_memory / 1e6),
            format!("{:.2}", our_memory / their_memory),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// The number that a process prints.
fn bytes(command: &mut Command) -> Result<f64, Box<dyn Error>> {
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim()
        .parse()
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned().into())
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
