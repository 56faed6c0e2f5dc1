//! After `seed_all` everything that draws is the same in every process: candle's own functions and builders, too.

use std::{collections::BTreeMap, env, process::Command, sync::Mutex};

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var},
    candle_nn,
    nn::{self, Checkpoint, Init, Module, ModuleT, VarBuilder, VarMap},
};

const CPU: Device = Device::Cpu;

/// Held by tests that draw: the generator is the process's.
static GENERATOR: Mutex<()> = Mutex::new(());

fn bits(x: &Tensor) -> Result<String> {
    let values = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for value in values {
        hash = (hash ^ value.to_bits()).wrapping_mul(0x0100_0000_01b3);
    }
    Ok(format!("{:?} {hash:016x}", x.dims()))
}

/// Everything that draws, by name.
fn draws() -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut note = |name: &str, x: &Tensor| -> Result<()> {
        assert!(all.insert(name.to_owned(), bits(x)?).is_none());
        Ok(())
    };
    // More numbers than a generator of rand's keeps without new entropy.
    note("randn", &Tensor::randn(0f32, 1f32, (300, 700), &CPU)?)?;
    note("rand", &Tensor::rand(-1f32, 1f32, (300, 700), &CPU)?)?;
    note("randn f64", &Tensor::randn(0f64, 1f64, 100, &CPU)?)?;
    note("rand f64", &Tensor::rand(0f64, 2f64, 100, &CPU)?)?;
    let half = Tensor::zeros(100, DType::F16, &CPU)?;
    note("rand_like f16", &half.rand_like(0.0, 1.0)?)?;
    let half = half.to_dtype(DType::BF16)?;
    note("randn_like bf16", &half.randn_like(0.0, 1.0)?)?;
    note("Var::randn", Var::randn(0f32, 1f32, 50, &CPU)?.as_tensor())?;
    note("Var::rand", Var::rand(0f32, 1f32, 50, &CPU)?.as_tensor())?;
    let init = Init::Randn {
        mean: 0.0,
        stdev: 0.1,
    };
    note("Init::var", init.var(50, DType::F32, &CPU)?.as_tensor())?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &CPU);
    nn::linear(20, 30, vb.pp("ours"))?;
    nn::conv2d(3, 4, 3, Default::default(), vb.pp("conv"))?;
    nn::lstm(3, 5, Default::default(), vb.pp("lstm"))?;
    nn::embedding(5, 6, vb.pp("embedding"))?;
    let candles = candle_nn::linear(20, 30, vb.pp("candle"))?;
    candle_nn::conv1d(3, 4, 3, Default::default(), vb.pp("candle conv"))?;
    for (name, var) in variables.data().lock().unwrap().iter() {
        note(&format!("plain builder {name}"), var)?;
    }
    let x = Tensor::ones((4, 20), DType::F32, &CPU)?;
    note(
        "candle dropout",
        &candle_nn::ops::dropout(&candles.forward(&x)?, 0.5)?,
    )?;
    note("dropout", &nn::Dropout::new(0.5).forward_t(&x, true)?)?;
    // In another thread.
    let other = std::thread::spawn(|| Tensor::randn(0f32, 1f32, 10, &CPU));
    note("thread", &other.join().unwrap()?)?;
    let seeded = nn::builder(&VarMap::new(), DType::F32, &CPU);
    note("builder", nn::linear(3, 4, seeded)?.weight())?;
    Ok(all)
}

const SEED: &str = "PATCHBAY_TEST_SEED";

/// No test by itself: what the other processes run.
#[test]
fn draws_of_a_process() {
    let Ok(seed) = env::var(SEED) else { return };
    if let Ok(seed) = seed.parse() {
        nn::seed_all(seed).unwrap();
    }
    for (name, bits) in draws().unwrap() {
        println!("DRAW {name}: {bits}");
    }
}

fn in_another_process(seed: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "draws_of_a_process", "--nocapture"])
        .env(SEED, seed)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let draws = text.lines().filter_map(|line| line.strip_prefix("DRAW "));
    draws.map(str::to_owned).collect()
}

#[test]
fn equal_seeds_give_equal_draws_in_all_processes() {
    let first = in_another_process("3");
    assert_eq!(first.len(), 26, "{first:?}");
    assert_eq!(first, in_another_process("3"));
    let other = in_another_process("4");
    for (a, b) in first.iter().zip(&other) {
        assert!(a != b, "{a} does not follow the seed");
    }
    // Without a seed candle's own draws are others each time, as they always were.
    let unseeded = [in_another_process("none"), in_another_process("none")];
    let differing = unseeded[0].iter().zip(&unseeded[1]).filter(|(a, b)| a != b);
    assert!(differing.count() > 10, "{unseeded:?}");
}

#[test]
fn draws_begin_anew_with_the_seed_and_go_on_with_a_checkpoint() -> Result<()> {
    let _generator = GENERATOR.lock();
    let draw = || -> Result<Vec<f32>> { Tensor::randn(0f32, 1f32, 5, &CPU)?.to_vec1() };
    nn::seed_all(9)?;
    let (first, second) = (draw()?, draw()?);
    assert_ne!(first, second);
    nn::seed_all(9)?;
    assert_eq!(draw()?, first);
    let path = env::temp_dir().join(format!("patchbay-seed-{}.safetensors", std::process::id()));
    Checkpoint::save(&path, &VarMap::new(), None, 1)?;
    nn::seed_all(10)?;
    assert_ne!(draw()?, second);
    Checkpoint::load(&path, &VarMap::new(), None)?;
    assert_eq!(draw()?, second);
    std::fs::remove_file(path)?;
    Ok(())
}

#[test]
fn draws_have_their_distributions() -> Result<()> {
    let _generator = GENERATOR.lock();
    nn::seed_all(1)?;
    let moments = |x: &Tensor| -> Result<(f64, f64)> {
        let x = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        Ok((mean, square - mean * mean))
    };
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let zeros = Tensor::zeros(200_000, dtype, &CPU)?;
        let (mean, variance) = moments(&zeros.randn_like(1.0, 2.0)?)?;
        assert!(
            (mean - 1.0).abs() < 0.03 && (variance - 4.0).abs() < 0.1,
            "{mean} {variance}"
        );
        let (mean, variance) = moments(&zeros.rand_like(-1.0, 3.0)?)?;
        assert!(
            (mean - 1.0).abs() < 0.03 && (variance - 4.0 / 3.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }
    // Streams of neighboring calls have nothing to do with one another.
    let (a, b) = (
        Tensor::randn(0f64, 1f64, 100_000, &CPU)?,
        Tensor::randn(0f64, 1f64, 100_000, &CPU)?,
    );
    let product = (a * b)?.mean_all()?.to_scalar::<f64>()?;
    assert!(product.abs() < 0.015, "{product}");
    Ok(())
}
