//! A run that another process goes on with, where hash maps have another order; and lists in which a parameter stands twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var, bail, safetensors},
    nn::{
        self, Accumulator, Adam, AdamW, Checkpoint, Ema, LossScale, MixedPrecision, Module,
        Optimizer, OptimizerState, ParameterGroup, ParamsAdam, ParamsAdamW, ParamsSgd, SGD,
        VarBuilder, VarMap,
    },
    ops,
};

const CPU: Device = Device::Cpu;
const STEPS: usize = 12;
const SAVED: usize = 5;

struct Model {
    variables: VarMap,
    layers: Vec<nn::Linear>,
    frozen: nn::Linear,
}

impl Model {
    fn new(dtype: DType) -> Result<Model> {
        let variables = VarMap::new();
        let vb: VarBuilder = nn::builder(&variables, dtype, &CPU);
        // Equal shapes, so that moments that change places would not be told by them.
        let layer = |index: usize| nn::linear(6, 6, vb.pp(format!("layer{index}")));
        Ok(Model {
            layers: (0..5).map(layer).collect::<Result<_>>()?,
            frozen: nn::linear(6, 6, vb.pp("frozen"))?,
            variables,
        })
    }

    /// In the order of the hash map, without those that are frozen.
    fn trained(&self) -> Vec<(String, Var)> {
        let variables = self.variables.data().lock().unwrap();
        variables
            .iter()
            .filter(|(name, _)| !name.starts_with("frozen"))
            .map(|(name, var)| (name.clone(), var.clone()))
            .collect()
    }

    fn vars(&self) -> Vec<Var> {
        self.trained().into_iter().map(|(_, var)| var).collect()
    }

    fn loss(&self, step: usize) -> Result<Tensor> {
        let x: Vec<f32> = (0..24).map(|i| ((i * 7 + step) as f32).sin()).collect();
        let x = Tensor::from_vec(x, (4, 6), &CPU)?;
        let mut x = self
            .frozen
            .forward(&x.to_dtype(self.frozen.weight().dtype())?)?;
        for layer in &self.layers {
            x = (ops::dropout(&layer.forward(&x)?.tanh()?, 0.1, true)? + x)?;
        }
        x.to_dtype(DType::F32)?.sqr()?.mean_all()
    }

    /// All values, bit for bit.
    fn bits(&self) -> Result<String> {
        let variables = self.variables.data().lock().unwrap();
        let sorted: BTreeMap<_, _> = variables.iter().collect();
        let mut text = String::new();
        for (name, var) in sorted {
            let values = var.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let bits: Vec<String> = values
                .iter()
                .map(|x| format!("{:08x}", x.to_bits()))
                .collect();
            text.push_str(&format!("{name} {}\n", bits.join(" ")));
        }
        Ok(text)
    }
}

/// What is the same for all optimizers.
trait Run: OptimizerState {
    fn one(&mut self, model: &Model, step: usize) -> Result<()>;
}

macro_rules! plain {
    ($($optimizer:ty),*) => {$(
        impl Run for $optimizer {
            fn one(&mut self, model: &Model, step: usize) -> Result<()> {
                let mut grads = model.loss(step)?.backward()?;
                nn::clip_grad_norm(&mut grads, &model.variables.all_vars(), 0.5)?;
                self.set_learning_rate(0.03 / (1.0 + step as f64));
                self.step(&grads)
            }
        }
    )*};
}
plain!(AdamW, Adam, SGD);

impl<O: Optimizer + OptimizerState> Run for MixedPrecision<O> {
    fn one(&mut self, model: &Model, step: usize) -> Result<()> {
        self.backward_step(&model.loss(step)?).map(|_| ())
    }
}

const OPTIMIZERS: [&str; 7] = [
    "adamw", "groups", "adam", "sgd", "momentum", "nesterov", "mixed",
];

fn optimizer(name: &str, model: &Model) -> Result<Box<dyn Run>> {
    let vars = model.vars();
    let sgd = |momentum, nesterov| ParamsSgd {
        momentum,
        nesterov,
        weight_decay: 0.01,
        ..ParamsSgd::from(0.03)
    };
    Ok(match name {
        "adamw" => Box::new(AdamW::new_lr(vars, 0.03)?),
        "adam" => Box::new(Adam::new(vars, ParamsAdam::default())?),
        "sgd" => Box::new(SGD::with_settings(vars, sgd(0.0, false))),
        "momentum" => Box::new(SGD::with_settings(vars, sgd(0.9, false))),
        "nesterov" => Box::new(SGD::with_settings(vars, sgd(0.9, true))),
        "groups" => {
            let (weights, biases): (Vec<_>, Vec<_>) = model
                .trained()
                .into_iter()
                .partition(|(name, _)| name.ends_with("weight"));
            let group = |named: Vec<(String, Var)>| {
                ParameterGroup::new(named.into_iter().map(|(_, var)| var).collect())
            };
            Box::new(AdamW::with_groups(
                vec![
                    group(weights).weight_decay(0.1),
                    group(biases).weight_decay(0.0).learning_rate_scale(2.0),
                ],
                ParamsAdamW::default(),
            ))
        }
        "mixed" => Box::new(MixedPrecision::new(vars, LossScale::default(), |vars| {
            AdamW::new_lr(vars, 0.03)
        })?),
        other => bail!("no optimizer {other}"),
    })
}

fn model(optimizer: &str) -> Result<Model> {
    Model::new(if optimizer == "mixed" {
        DType::F16
    } else {
        DType::F32
    })
}

/// What a child of the test does: the whole run, its first part up to the checkpoint, or the rest.
fn part(what: &str, name: &str, path: &Path) -> Result<()> {
    nn::seed_all(if what == "rest" { 77 } else { 3 })?;
    let model = model(name)?;
    let mut chosen = optimizer(name, &model)?;
    let first = match what {
        "rest" => Checkpoint::load(path, &model.variables, Some(&mut *chosen))?.step,
        _ => 0,
    };
    let last = if what == "start" { SAVED } else { STEPS };
    for step in first..last {
        chosen.one(&model, step)?;
    }
    if what == "start" {
        Checkpoint::save(path, &model.variables, Some(&*chosen), SAVED)?;
    }
    fs::write(path.with_extension(what), model.bits()?)?;
    let order: Vec<String> = model.trained().into_iter().map(|(name, _)| name).collect();
    fs::write(path.with_extension("order"), order.join(" "))?;
    Ok(())
}

const PART: &str = "PATCHBAY_TEST_PART";

/// No test by itself: what the other processes run.
#[test]
fn a_part_of_a_run() {
    let Ok(part_of) = env::var(PART) else { return };
    let words: Vec<&str> = part_of.splitn(3, ' ').collect();
    part(words[0], words[1], Path::new(words[2])).unwrap();
}

fn in_another_process(what: &str, name: &str, path: &Path) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_part_of_a_run", "--nocapture"])
        .env(PART, format!("{what} {name} {}", path.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} {name}: {text}");
    fs::read_to_string(path.with_extension(what)).unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("patchbay-resume-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn another_process_goes_on_bit_for_bit() {
    let folder = folder("processes");
    for name in OPTIMIZERS {
        let path = folder.join(name);
        let whole = in_another_process("whole", name, &path);
        in_another_process("start", name, &path);
        let mut orders = HashSet::new();
        for _ in 0..3 {
            assert_eq!(in_another_process("rest", name, &path), whole, "{name}");
            orders.insert(fs::read_to_string(path.with_extension("order")).unwrap());
        }
        assert!(orders.len() > 1, "all processes have one order: {orders:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn states_of_other_parameters_are_refused_by_name() -> Result<()> {
    let folder = folder("others");
    let path = folder.join("run.safetensors");
    let saved = model("adamw")?;
    let mut adamw = AdamW::new_lr(saved.vars(), 0.03)?;
    adamw.backward_step(&saved.loss(0)?)?;
    Checkpoint::save(&path, &saved.variables, Some(&adamw), 1)?;

    let model = model("adamw")?;
    let before = model.bits()?;
    let told = |optimizer: &mut dyn OptimizerState| {
        let error = Checkpoint::load(&path, &model.variables, Some(optimizer));
        let text = error.unwrap_err().to_string();
        assert_eq!(model.bits().unwrap(), before, "{text}");
        text
    };
    let without = |left_out: &[&str]| -> Vec<Var> {
        let kept = model.trained().into_iter();
        kept.filter(|(name, _)| !left_out.contains(&name.as_str()))
            .map(|(_, var)| var)
            .collect()
    };
    // Removed, added, and both.
    let text = told(&mut AdamW::new_lr(
        without(&["layer1.bias", "layer3.weight"]),
        0.1,
    )?);
    assert!(
        text.contains("In the state and not in AdamW: model.layer1.bias, model.layer3.weight.")
            && text.contains("In AdamW and not in the state: none.")
            && text.contains("load the model alone"),
        "{text}"
    );
    let all = || model.variables.all_vars();
    let text = told(&mut AdamW::new_lr(all(), 0.1)?);
    assert!(
        text.contains("In AdamW and not in the state: model.frozen.bias, model.frozen.weight."),
        "{text}"
    );
    // Another optimizer.
    let text = told(&mut Adam::new(model.vars(), ParamsAdam::default())?);
    assert!(text.contains("that of AdamW, and this is Adam"), "{text}");
    let text = told(&mut SGD::new(model.vars(), 0.1)?);
    assert!(text.contains("that of AdamW, and this is SGD"), "{text}");
    let text = told(&mut MixedPrecision::new(
        model.vars(),
        LossScale::none(),
        |vars| AdamW::new_lr(vars, 0.1),
    )?);
    assert!(text.contains("without mixed precision"), "{text}");

    // A parameter that the model does not have would be lost.
    let mut vars = model.vars();
    vars.push(Var::ones((2, 3), DType::F32, &CPU)?);
    let other = AdamW::new_lr(vars, 0.1)?;
    let error = Checkpoint::save(&path, &model.variables, Some(&other), 1);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("parameter 10 of AdamW, of shape [2, 3], is no variable of the model"),
        "{text}"
    );

    // As files were before: by position.
    let mut old: HashMap<String, Tensor> = safetensors::load(&path, &CPU)?
        .into_iter()
        .filter(|(key, _)| !key.starts_with("optimizer.") && key != "training.values")
        .collect();
    old.insert(
        "optimizer.learning_rate".to_owned(),
        Tensor::new(0.1f64, &CPU)?,
    );
    for index in 0..10 {
        let count = if index % 2 == 0 { 36 } else { 6 };
        old.insert(format!("optimizer.{index}.steps"), Tensor::new(1i64, &CPU)?);
        let moments = Tensor::zeros((2, count), DType::F32, &CPU)?;
        old.insert(format!("optimizer.{index}.moments"), moments);
    }
    safetensors::save(&old, &path)?;
    let text = told(&mut AdamW::new_lr(model.vars(), 0.1)?);
    assert!(
        text.contains("kept the optimizer's moments by the parameters' places")
            && text.contains("Checkpoint::load(path, &variables, None)?"),
        "{text}"
    );
    // What it says to type does.
    Checkpoint::load(&path, &model.variables, None)?;
    assert_ne!(model.bits()?, before);
    fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn a_parameter_that_is_given_twice_is_an_error_everywhere() -> Result<()> {
    let [a, b] = [[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]].map(|x| Var::new(&x, &CPU).unwrap());
    let twice = || vec![a.clone(), b.clone(), a.clone()];
    let told = |what: &str, error: Option<patchbay::candle::Error>| {
        let text = error
            .unwrap_or_else(|| panic!("{what} takes it"))
            .to_string();
        assert!(
            text.contains("have one variable twice: number 2 of 3, of shape [3], is number 0"),
            "{what}: {text}"
        );
    };
    let grads = || -> Result<_> { (a.sum_all()? + b.sum_all()?)?.backward() };
    told("adamw", AdamW::new_lr(twice(), 0.1).err());
    told("adamw", AdamW::new(twice(), ParamsAdamW::default()).err());
    told(
        "adamw",
        AdamW::from_slice(&[&a, &b, &a], ParamsAdamW::default()).err(),
    );
    told("adam", Adam::new(twice(), ParamsAdam::default()).err());
    told("sgd", SGD::new(twice(), 0.1).err());
    let momentum = ParamsSgd {
        momentum: 0.9,
        ..0.1.into()
    };
    told(
        "settings",
        SGD::with_settings(twice(), momentum).step(&grads()?).err(),
    );
    // In one group, and in two.
    let whole = || vec![ParameterGroup::new(twice())];
    let split = || {
        vec![
            ParameterGroup::new(vec![a.clone(), b.clone()]).weight_decay(0.1),
            ParameterGroup::new(vec![a.clone()]).learning_rate_scale(0.1),
        ]
    };
    for groups in [whole(), split()] {
        let mut adamw = AdamW::with_groups(groups.clone(), ParamsAdamW::default());
        told("adamw", adamw.step(&grads()?).err());
        let mut adam = Adam::with_groups(groups.clone(), ParamsAdam::default());
        told("adam", adam.step(&grads()?).err());
        let mut sgd = SGD::with_groups(groups, momentum);
        told("sgd", sgd.step(&grads()?).err());
    }
    assert_eq!(a.to_vec1::<f32>()?, [1.0, 2.0, 3.0], "nothing was stepped");
    told("ema", Ema::new(twice(), 0.9).err());
    told("norm", nn::grad_norm(&grads()?, &twice()).err());
    told(
        "clip",
        nn::clip_grad_norm(&mut grads()?, &twice(), 1.0).err(),
    );
    told(
        "clip value",
        nn::clip_grad_value(&mut grads()?, &twice(), 1.0).err(),
    );
    told(
        "accumulator",
        Accumulator::new(twice(), 2).add(&a.sum_all()?).err(),
    );
    let half = Var::ones(3, DType::F16, &CPU)?;
    let pair = vec![half.clone(), b.clone(), half];
    let adam = |vars| AdamW::new_lr(vars, 0.1);
    told(
        "mixed",
        MixedPrecision::new(pair, LossScale::none(), adam).err(),
    );
    // A clone of a variable is the variable; a copy is another one.
    let copy = Var::from_tensor(&a.as_detached_tensor().copy()?)?;
    assert!(AdamW::new_lr(vec![a.clone(), copy], 0.1).is_ok());
    Ok(())
}
