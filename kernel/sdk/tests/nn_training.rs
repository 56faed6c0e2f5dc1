//! What stands around a model: checkpoints, averages, accumulation, the audit.

use std::{fs, path::PathBuf, sync::Mutex};

use patchbay::{
    Result, Show,
    candle::{DType, Device, Tensor, Var},
    nn::{
        self, Accumulator, AdamW, Checkpoint, Ema, GradientState, Linear, Module, Optimizer,
        OptimizerState, VarMap, audit,
    },
    ops,
};

const CPU: Device = Device::Cpu;

/// Held by tests that draw: the generator is the process's.
static GENERATOR: Mutex<()> = Mutex::new(());

struct Model {
    variables: VarMap,
    first: Linear,
    last: Linear,
}

impl Model {
    fn new() -> Model {
        let variables = VarMap::new();
        let vb = nn::builder(&variables, DType::F32, &CPU);
        let first = nn::linear(3, 8, vb.pp("first")).unwrap();
        let last = nn::linear(8, 1, vb.pp("last")).unwrap();
        Model {
            variables,
            first,
            last,
        }
    }

    fn loss(&self) -> Result<Tensor> {
        let x = Tensor::new(&[[0.1f32, -0.4, 0.9], [0.7, 0.2, -0.3]], &CPU)?;
        let hidden = ops::dropout(&ops::gelu(&self.first.forward(&x)?)?, 0.2, true)?;
        self.last.forward(&hidden)?.sqr()?.mean_all()
    }

    fn values(&self) -> Vec<(String, Vec<f32>)> {
        let lock = self.variables.data().lock().unwrap();
        let mut all: Vec<_> = lock
            .iter()
            .map(|(name, var)| (name.clone(), var.flatten_all().unwrap().to_vec1().unwrap()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Variables by name, so that equal models have equal orders.
    fn vars(&self) -> Vec<Var> {
        let lock = self.variables.data().lock().unwrap();
        let mut all: Vec<_> = lock.iter().collect();
        all.sort_by_key(|(name, _)| name.as_str());
        all.into_iter().map(|(_, var)| var.clone()).collect()
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("patchbay-nn-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Ten steps are the same as five, a checkpoint, a new process's worth of new objects, and five more: dropout too.
#[test]
fn a_resumed_run_goes_on_exactly() {
    let _generator = GENERATOR.lock();
    let folder = folder("resume");
    let path = folder.join("run.safetensors");
    nn::seed_all(5).unwrap();
    let model = Model::new();
    let mut optimizer = AdamW::new_lr(model.vars(), 0.05).unwrap();
    for step in 0..10 {
        if step == 5 {
            Checkpoint::save(&path, &model.variables, Some(&optimizer), step).unwrap();
            optimizer.set_learning_rate(0.02);
            Checkpoint::save(&path, &model.variables, Some(&optimizer), step).unwrap();
        }
        optimizer.backward_step(&model.loss().unwrap()).unwrap();
    }

    nn::seed_all(99).unwrap();
    let resumed = Model::new();
    let mut optimizer = AdamW::new_lr(resumed.vars(), 0.5).unwrap();
    let checkpoint = Checkpoint::load(&path, &resumed.variables, Some(&mut optimizer)).unwrap();
    assert_eq!(checkpoint, Checkpoint { step: 5 });
    assert_eq!(optimizer.learning_rate(), 0.02);
    for _ in checkpoint.step..10 {
        optimizer.backward_step(&resumed.loss().unwrap()).unwrap();
    }
    assert_eq!(model.values(), resumed.values());
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "the part that was written first is gone"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_checkpoint_of_another_model_changes_nothing_and_says_why() {
    let _generator = GENERATOR.lock();
    let folder = folder("other");
    let path = folder.join("run.safetensors");
    let model = Model::new();
    Checkpoint::save(&path, &model.variables, None, 1).unwrap();

    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    nn::linear(4, 8, vb.pp("first")).unwrap();
    nn::linear(8, 1, vb.pp("final")).unwrap();
    let error = Checkpoint::load(&path, &variables, None)
        .unwrap_err()
        .to_string();
    for part in [
        "first.weight is [8, 3]: must be [8, 4]",
        "final.bias is missing",
        "last.bias is none of the network's names",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let before = model.values();
    let mut optimizer = AdamW::new_lr(model.vars(), 0.1).unwrap();
    let error = Checkpoint::load(&path, &model.variables, Some(&mut optimizer))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Not in the file: optimizer; the file has model"),
        "{error}"
    );
    assert_eq!(before, model.values());
    assert!(Checkpoint::save(folder.join("no/such/folder"), &model.variables, None, 1).is_err());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_state_of_another_optimizer_is_refused() {
    let _generator = GENERATOR.lock();
    let model = Model::new();
    let mut optimizer = AdamW::new_lr(model.vars(), 0.1).unwrap();
    optimizer.backward_step(&model.loss().unwrap()).unwrap();
    let other = nn::SGD::new(model.vars(), 0.1).unwrap();
    let error = other
        .load_state(&optimizer.state().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("another model or optimizer"), "{error}");
}

#[test]
fn parts_of_a_batch_have_the_batchs_gradient() {
    let var = Var::new(&[1f32, 2.0], &CPU).unwrap();
    let parts = [[3f32, 1.0], [5.0, -2.0]];
    let loss = |part: [f32; 2]| (var.as_tensor() * Tensor::new(&part, &CPU)?)?.sum_all();
    let mut accumulator = Accumulator::new(vec![var.clone()], 2);
    assert!(accumulator.add(&loss(parts[0]).unwrap()).unwrap().is_none());
    let grads = accumulator.add(&loss(parts[1]).unwrap()).unwrap().unwrap();
    assert_eq!(
        grads.get(&var).unwrap().to_vec1::<f32>().unwrap(),
        [4.0, -0.5]
    );
    assert!(
        accumulator.add(&loss(parts[0]).unwrap()).unwrap().is_none(),
        "the next mean begins anew"
    );
}

#[test]
fn averages_follow_and_change_places() {
    let var = Var::new(&[1f32, 2.0], &CPU).unwrap();
    let mut ema = Ema::new(vec![var.clone()], 0.5).unwrap();
    var.set(&Tensor::new(&[3f32, 6.0], &CPU).unwrap()).unwrap();
    ema.update().unwrap();
    assert_eq!(ema.averages()[0].to_vec1::<f32>().unwrap(), [2.0, 4.0]);
    ema.swap().unwrap();
    assert_eq!(var.to_vec1::<f32>().unwrap(), [2.0, 4.0]);
    ema.swap().unwrap();
    assert_eq!(var.to_vec1::<f32>().unwrap(), [3.0, 6.0]);
}

#[test]
fn the_audit_finds_what_does_not_learn() {
    let _generator = GENERATOR.lock();
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    let [first, middle, last, unused] = ["first", "middle", "last", "unused"]
        .map(|name| nn::linear_no_bias(2, 2, vb.pp(name)).unwrap());
    let dead = vb.get_with_hints((2, 2), "dead", nn::init::ZERO).unwrap();
    let x = Tensor::new(&[[1f32, 2.0]], &CPU).unwrap();
    let _ = &unused;
    let hidden = first.forward(&x).unwrap();
    // candle does not track what is multiplied with 0, and the zeros reach the last layer.
    let learned = middle.forward(&(hidden * 0.0).unwrap()).unwrap();
    let also = (x.matmul(&dead).unwrap() * 0.0).unwrap();
    let loss = last
        .forward(&(learned + also).unwrap())
        .unwrap()
        .sum_all()
        .unwrap();
    let grads = loss.backward().unwrap();
    let found = audit(&loss, &grads, &variables).unwrap();
    let state = |name: &str| {
        found
            .findings
            .iter()
            .find(|finding| finding.name == name)
            .unwrap()
            .state
    };
    assert_eq!(state("unused.weight"), GradientState::Missing);
    assert_eq!(
        state("dead"),
        GradientState::Missing,
        "times 0, which candle does not track"
    );
    assert_eq!(state("last.weight"), GradientState::Zero);
    assert!(matches!(
        state("first.weight"),
        GradientState::Nan | GradientState::Infinite | GradientState::Missing
    ));
    assert!(!found.is_fine() && found.problems().count() >= 3);
    let text = found.show().data["text/plain"].as_str().unwrap().to_owned();
    assert!(text.starts_with("5 variables: "), "{text}");
}

#[test]
fn the_audit_says_where_numbers_stop_being_finite() {
    let _generator = GENERATOR.lock();
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    let first = nn::linear_no_bias(2, 2, vb.pp("first")).unwrap();
    let last = nn::linear_no_bias(2, 2, vb.pp("last")).unwrap();
    let x = Tensor::new(&[[0f32, 0.0]], &CPU).unwrap();
    let loss = last
        .forward(&first.forward(&x).unwrap().sqrt().unwrap())
        .unwrap()
        .sum_all()
        .unwrap();
    let found = audit(&loss, &loss.backward().unwrap(), &variables).unwrap();
    let text = found.to_string();
    assert!(
        text.contains("last.weight is the last that is finite; first.weight is not"),
        "{text}"
    );
}
