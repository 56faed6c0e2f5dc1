//! What plugins cost: a call through a slot, a swap, an edit, and a thousand of them.
//!
//! Run it after `cargo build --release` with:
//! `cargo run --release --example plugin_benchmark`

use std::{
    env,
    error::Error,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use patchbay::plugin::{self, prelude::*};

/// The summary is long enough to hold a number, which makes each copy of the library another file.
const SOURCE: &str = r#"
use patchbay::plugin::prelude::*;

patchbay::config! {
    pub struct ScaleConfig {
        /// Factor.
        factor: f64 = 1.0,
    }
}

pub struct Scale(f64);
impl Component for Scale {}
impl Define for Scale {
    type Kind = dyn Loss;
    type Config = ScaleConfig;
    const ID: &'static str = "loss/benchmark";
    const SUMMARY: &'static str = "generation 00000";
    const DETAILS: Details = Details::NONE;
    fn build(config: ScaleConfig, _context: &Context) -> Result<Self> {
        Ok(Scale(config.factor * 1.0))
    }
}
impl Loss for Scale {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        (prediction - target)?.sqr()?.mean_all()? * self.0
    }
}
patchbay::export_plugin!(Scale);
"#;

/// A component that does nothing, so that the call itself is what is measured.
struct Nothing(Tensor);

impl Component for Nothing {}

impl Define for Nothing {
    type Kind = dyn Loss;
    type Config = ();
    const ID: &'static str = "loss/nothing";
    const SUMMARY: &'static str = "returns a constant";
    const DETAILS: Details = Details::NONE;

    fn build(_config: (), _context: &Context) -> Result<Self> {
        Ok(Nothing(Tensor::zeros((), DType::F32, &Device::Cpu)?))
    }
}

impl Loss for Nothing {
    fn forward(&self, _prediction: &Tensor, _target: &Tensor) -> Result<Tensor> {
        Ok(self.0.clone())
    }
}

patchbay::export_plugin!(Nothing);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("patchbay-benchmark-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = measure(&folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn measure(folder: &Path) -> Result<(), Box<dyn Error>> {
    println!("{:<58} {:>12} {:>12}", "what", "measured", "target");
    register()?;
    let zero = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let direct: Arc<dyn Loss> = Arc::new(Nothing(zero.clone()));
    let slot: Slot<dyn Loss> = plugin::create("loss/nothing", json!({}))?;
    let calls = 1_000_000;
    let time = |loss: &dyn Loss| -> Result<f64, Box<dyn Error>> {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(loss.forward(black_box(&zero), black_box(&zero))?);
            }
            best = best.min(start.elapsed());
        }
        Ok(best.as_nanos() as f64 / f64::from(calls))
    };
    let (direct, through_slot) = (time(direct.as_ref())?, time(&slot)?);
    row(
        "a direct call of a loss that does nothing",
        &format!("{direct:.0} ns"),
        "",
    );
    row(
        "a call through a slot, over a direct one",
        &format!("{:.0} ns", through_slot - direct),
        "100 ns",
    );

    let library = compile(folder, SOURCE, 0)?;
    plugin::load(&library)?;
    let loss: Slot<dyn Loss> = plugin::create("loss/benchmark", json!({}))?;
    let mut swaps: Vec<Duration> = Vec::new();
    for number in 0..1_000 {
        let start = Instant::now();
        loss.swap("loss/benchmark", json!({"factor": number}))?;
        swaps.push(start.elapsed());
    }
    swaps.sort();
    row(
        "swap of a loaded component, median of 1000",
        &microseconds(swaps[500]),
        "100 us",
    );
    row("the same, 99 of 100", &microseconds(swaps[990]), "");

    let (x, y) = (
        Tensor::new(3f32, &Device::Cpu)?,
        Tensor::new(1f32, &Device::Cpu)?,
    );
    loss.swap("loss/benchmark", json!({}))?;
    let mut edits = Vec::new();
    for number in 1..=5 {
        let edited = SOURCE.replace("* 1.0", &format!("* {number}.5"));
        let start = Instant::now();
        plugin::load(compile(folder, &edited, number)?)?;
        let value = loss.forward(&x, &y)?.to_scalar::<f32>()?;
        edits.push(start.elapsed());
        assert_eq!(value, 4.0 * (number as f32 + 0.5), "the new code answers");
    }
    edits.sort();
    row(
        "edit of a source -> the slot answers with new code",
        &milliseconds(edits[2]),
        "700 ms",
    );

    // A loop trains on while its loss is reloaded 200 times and swapped 1,000 times.
    let weight = Var::new(0f32, &Device::Cpu)?;
    let mut optimizer = nn::SGD::new(vec![weight.clone()], 1e-4)?;
    let mut step = || -> Result<f32> {
        let value = loss.forward(weight.as_tensor(), &y)?;
        optimizer.backward_step(&value)?;
        value.to_scalar()
    };
    let bytes = fs::read(&library)?;
    let first = step()?;
    let before = resident_kib()?;
    let mut mapped = 0;
    for generation in 0..200 {
        let path = folder.join("generation.so");
        fs::write(&path, renumbered(&bytes, generation))?;
        plugin::seal(&path)?;
        plugin::load(&path)?;
        mapped += bytes.len() / 1024 + 1;
        for factor in 1..=5 {
            loss.swap("loss/benchmark", json!({"factor": factor}))?;
            step()?;
        }
    }
    let growth = resident_kib()?.saturating_sub(before);
    let last = step()?;
    assert!(last < first, "training went on: {first} -> {last}");
    row(
        "200 reloads and 1000 swaps in a training loop: growth",
        &format!("{growth} KiB"),
        "",
    );
    row(
        "the files of these 200 generations",
        &format!("{mapped} KiB"),
        "",
    );
    row(
        "growth by swaps alone, 1000 of them",
        &format!("{} KiB", growth_by_swaps(&loss)?),
        "",
    );
    Ok(())
}

fn growth_by_swaps(loss: &Slot<dyn Loss>) -> Result<usize, Box<dyn Error>> {
    let before = resident_kib()?;
    for factor in 0..1_000 {
        loss.swap("loss/benchmark", json!({"factor": factor}))?;
    }
    Ok(resident_kib()?.saturating_sub(before))
}

fn row(what: &str, measured: &str, target: &str) {
    println!("{what:<58} {measured:>12} {target:>12}");
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

/// Compiles as the plugin builder does.
fn compile(folder: &Path, source: &str, number: usize) -> Result<PathBuf, Box<dyn Error>> {
    let program = env::current_exe()?;
    let release = program
        .ancestors()
        .nth(2)
        .ok_or("the benchmark runs from target/release/examples")?;
    let file = folder.join("benchmark.rs");
    fs::write(&file, source)?;
    let library = folder.join(format!("benchmark{number}.so"));
    let status = Command::new("rustc")
        .args([
            "--crate-type=cdylib",
            "--edition=2024",
            "-Copt-level=2",
            "-Cprefer-dynamic",
            "--extern",
        ])
        .arg(format!(
            "patchbay={}",
            release.join("libpatchbay.so").display()
        ))
        .arg(format!("-Ldependency={}", release.join("deps").display()))
        .arg("-o")
        .args([&library, &file])
        .status()?;
    if status.success() {
        plugin::seal(&library)?;
        Ok(library)
    } else {
        Err("the compiler refuses the plugin".into())
    }
}

/// The library with another number in its summary: other bytes, the same code.
fn renumbered(bytes: &[u8], number: usize) -> Vec<u8> {
    let (from, to) = (b"generation 00000", format!("generation {:05}", number + 1));
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(from.len())
        .position(|window| window == from)
    {
        at += found;
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// The memory of this process that is in use.
fn resident_kib() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
