//! Factors and combined gradients against TorchJD and the formulas of LibMTL: numbers by reference/balancers.py.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use patchbay::{
    Result,
    plugin::{self, Balancer, Carry, Slot, create},
    prelude::{DType, Device, Tensor, Var, json},
    serde_json::{self, Value},
};

mod all;
use all::all;

const CPU: Device = Device::Cpu;

fn numbers() -> Value {
    patchbay_balancers::register().unwrap();
    serde_json::from_str(include_str!("reference/balancers.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(list).collect()
}

/// Two shared parameters, of 7 and 5 values, at zero.
fn shared() -> Result<[Var; 2]> {
    Ok([
        Var::zeros(7, DType::F32, &CPU)?,
        Var::zeros(5, DType::F32, &CPU)?,
    ])
}

/// Losses with these values and gradients.
fn losses(shared: &[Var; 2], gradients: &[Vec<f64>], values: &[f64]) -> Result<Vec<Tensor>> {
    gradients
        .iter()
        .zip(values)
        .map(|(gradient, &value)| {
            let gradient: Vec<f32> = gradient.iter().map(|&g| g as f32).collect();
            let first = (shared[0].as_tensor() * Tensor::new(&gradient[..7], &CPU)?)?.sum_all()?;
            let second = (shared[1].as_tensor() * Tensor::new(&gradient[7..], &CPU)?)?.sum_all()?;
            (first + second)? + value
        })
        .collect()
}

#[track_caller]
fn close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    let size = expected.iter().fold(1e-3f64, |size, x| size.max(x.abs()));
    assert_eq!(got.len(), expected.len(), "{what}");
    for (a, b) in got.iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance * size,
            "{what}: {got:?}, expected {expected:?}"
        );
    }
}

/// Id and settings of what the reference names.
fn component(name: &str, losses: usize) -> (String, Value) {
    let (id, setting) = name.split_once(' ').unwrap_or((name, ""));
    let preference: Vec<f64> = (1..=losses).map(|loss| loss as f64).collect();
    let settings = match (id, setting) {
        ("uncertainty", _) | ("imtl_l", "") => json!({ "losses": losses }),
        ("imtl_l", _) => json!({ "losses": losses, "initial": 0.3 }),
        ("config" | "dual_proj", "preferred") => json!({ "weights": preference }),
        ("cosmos", "5") => json!({ "weights": preference, "lambda": 5.0 }),
        ("pbi", "5") => {
            let reference: Vec<f64> = preference.iter().map(|w| -w).collect();
            json!({ "weights": preference, "theta": 5.0, "reference": reference })
        }
        ("modo", _) => json!({ "gamma": 0.01 }),
        ("cr_mogm", _) => json!({ "method": "upgrad", "alpha": 0.6 }),
        ("fixed", _) => json!({ "weights": (1..=losses).collect::<Vec<_>>() }),
        ("stch", _) => json!({ "warmup": 2 }),
        ("mgda", form) if !form.is_empty() => json!({ "normalize": form }),
        ("aligned_mtl", "mean") => json!({ "scale": "mean" }),
        ("fairgrad", "2") => json!({ "alpha": 2.0 }),
        _ => json!({}),
    };
    (format!("balancer/{id}"), settings)
}

fn combined(balanced: &patchbay::plugin::Balanced, shared: &[Var; 2]) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for var in shared {
        let gradient = balanced.gradients.get(var).unwrap();
        all.extend(gradient.to_dtype(DType::F64)?.to_vec1::<f64>()?);
    }
    Ok(all)
}

#[test]
fn factors_and_gradients_are_those_of_the_references() -> Result<()> {
    let numbers = numbers();
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for (case, problem) in numbers["cases"].as_object().unwrap() {
        let (gradients, values) = (matrix(&problem["gradients"]), list(&problem["losses"]));
        for (name, expected) in problem["weights"].as_object().unwrap() {
            let (id, settings) = component(name, values.len());
            let balancer = create::<dyn Balancer>(&id, settings)?;
            let shared = shared()?;
            let balanced = balancer.backward(&losses(&shared, &gradients, &values)?, &shared)?;
            let expected = list(expected);
            close(
                &format!("{case}, {name}: weights"),
                &balanced.weights,
                &expected,
                1e-4,
            );
            let gradient: Vec<f64> = (0..12)
                .map(|i| expected.iter().zip(&gradients).map(|(w, g)| w * g[i]).sum())
                .collect();
            close(
                &format!("{case}, {name}: gradient"),
                &combined(&balanced, &shared)?,
                &gradient,
                1e-4,
            );
            *rows.entry(id).or_default() += 1;
        }
    }
    for name in WITH_MEMORY {
        *rows.entry(format!("balancer/{name}")).or_default() +=
            list(&numbers["sequence"]["losses"][0]).len() + 1;
    }
    let mut table = String::from(
        "| balancer | compared with | gradients combined (within 1e-4) |\n|---|---|---|\n",
    );
    for (id, count) in &rows {
        writeln!(table, "| `{id}` | {} | {count} |", peer(id)).unwrap();
    }
    writeln!(
        table,
        "| `balancer/rlw` | its distribution: weights are drawn | |"
    )
    .unwrap();
    let components = plugin::list("balancer/*").rows;
    assert!(components.len() >= 29, "{components:?}");
    for [id, ..] in components {
        assert!(
            table.contains(&format!("`{id}`")),
            "{id} is compared with nothing"
        );
    }
    assert_documented(&table);
    Ok(())
}

/// Those whose weights depend on earlier steps.
const WITH_MEMORY: [&str; 10] = [
    "modo",
    "cr_mogm",
    "db_mtl",
    "moco",
    "excess_mtl",
    "famo",
    "gradnorm",
    "dwa",
    "stch",
    "gradvac",
];

/// Returns the source that reference/balancers.py takes a balancer's numbers from.
fn peer(id: &str) -> &'static str {
    match id {
        "balancer/upgrad"
        | "balancer/pcgrad"
        | "balancer/imtl_g"
        | "balancer/aligned_mtl"
        | "balancer/dual_proj"
        | "balancer/config"
        | "balancer/modo"
        | "balancer/cr_mogm"
        | "balancer/imtl_l"
        | "balancer/cosmos"
        | "balancer/pbi" => "TorchJD 0.18",
        "balancer/cagrad" | "balancer/mgda" | "balancer/nash_mtl" | "balancer/fairgrad"
        | "balancer/sdmgrad" => "its problem, solved by SciPy",
        "balancer/famo" => "the authors' formula",
        "balancer/gradvac" => "the paper's formula",
        "balancer/equal" | "balancer/fixed" => "its definition",
        _ => "LibMTL's formula",
    }
}

/// The table is in the documentation. `UPDATE_DOCS=1 cargo test` writes it there.
fn assert_documented(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/losses-and-balancers.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (
        "<!-- parity of balancers -->\n",
        "<!-- end of parity of balancers -->",
    );
    let (before, rest) = text.split_once(start).unwrap();
    let (documented, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            documented, table,
            "run UPDATE_DOCS=1 cargo test to write the table"
        );
    }
}

#[test]
fn balancers_with_a_memory_follow_the_references_over_steps() -> Result<()> {
    let numbers = numbers();
    let sequence = &numbers["sequence"];
    for name in WITH_MEMORY {
        let (id, settings) = component(name, 3);
        let balancer = create::<dyn Balancer>(&id, settings)?;
        let shared = shared()?;
        for (step, expected) in matrix(&sequence[name]).iter().enumerate() {
            let mut gradients = matrix(&sequence["gradients"][step]);
            let mut values = list(&sequence["losses"][step]);
            if name == "gradvac" {
                // Of two, the order in which it goes through the others does not matter.
                gradients.truncate(2);
                values.truncate(2);
            }
            balancer.begin_epoch(step)?;
            let balanced = balancer.backward(&losses(&shared, &gradients, &values)?, &shared)?;
            if expected.len() == 12 {
                close(
                    &format!("{name}, step {step}"),
                    &combined(&balanced, &shared)?,
                    expected,
                    1e-4,
                );
            } else {
                close(
                    &format!("{name}, step {step}"),
                    &balanced.weights,
                    expected,
                    1e-4,
                );
            }
            if balancer.wants_losses_after() {
                let after = list(&sequence["after"][step]);
                balancer.after_step(&losses(&shared, &gradients, &after)?)?;
            }
        }
    }
    Ok(())
}

/// A network with a shared layer and a head for each of three losses.
struct Network {
    shared: Var,
    heads: Vec<Var>,
    x: Tensor,
    targets: Vec<Tensor>,
}

impl Network {
    fn new() -> Result<Network> {
        patchbay::nn::seed_all(3)?;
        let var = |rows: usize, columns: usize, scale: f64| -> Result<Var> {
            let count = rows * columns;
            let values: Vec<f32> = (0..count)
                .map(|i| (scale * (i as f64 * 12.9898 + scale).sin()) as f32)
                .collect();
            Var::from_tensor(&Tensor::from_vec(values, (rows, columns), &CPU)?)
        };
        let x = var(32, 6, 1.0)?.as_detached_tensor();
        Ok(Network {
            shared: var(6, 8, 0.4)?,
            heads: vec![var(8, 1, 0.3)?, var(8, 1, 0.5)?, var(8, 1, 0.7)?],
            targets: vec![
                x.narrow(1, 0, 1)?,
                (x.narrow(1, 1, 1)? * 5.0)?,
                (x.narrow(1, 0, 1)? * -0.5)?,
            ],
            x,
        })
    }

    fn losses(&self) -> Result<Vec<Tensor>> {
        let hidden = self.x.matmul(&self.shared)?.tanh()?;
        self.heads
            .iter()
            .zip(&self.targets)
            .map(|(head, target)| (hidden.matmul(head)? - target)?.sqr()?.mean_all())
            .collect()
    }

    fn train(&self, balancer: &Slot<dyn Balancer>, steps: usize) -> Result<()> {
        let mut variables = vec![self.shared.clone()];
        variables.extend(self.heads.iter().cloned());
        variables.extend(balancer.trainable());
        let mut optimizer = patchbay::nn::AdamW::new_lr(variables, 0.02)?;
        for step in 0..steps {
            if step % 5 == 0 {
                balancer.begin_epoch(step / 5)?;
            }
            let balanced =
                balancer.backward(&self.losses()?, std::slice::from_ref(&self.shared))?;
            patchbay::nn::Optimizer::step(&mut optimizer, &balanced.gradients)?;
            if balancer.wants_losses_after() {
                balancer.after_step(&self.losses()?)?;
            }
        }
        Ok(())
    }
}

#[test]
fn each_balancer_trains_a_network_and_gives_every_parameter_a_gradient() -> Result<()> {
    for (name, settings) in all() {
        let network = Network::new()?;
        let balancer = create::<dyn Balancer>(&format!("balancer/{name}"), settings)?;
        let total = |network: &Network| -> Result<f32> {
            network
                .losses()?
                .iter()
                .map(|loss| loss.to_scalar::<f32>())
                .sum()
        };
        let before = total(&network)?;
        let balanced =
            balancer.backward(&network.losses()?, std::slice::from_ref(&network.shared))?;
        for var in network.heads.iter().chain([&network.shared]) {
            let gradient = balanced.gradients.get(var).expect(name);
            assert!(
                gradient.abs()?.max_all()?.to_scalar::<f32>()? > 0.0,
                "{name}"
            );
        }
        assert_eq!(balanced.weights.len(), 3, "{name}");
        network.train(&balancer, 100)?;
        let after = total(&network)?;
        assert!(after < 0.7 * before, "{name}: {before} to {after}");
    }
    Ok(())
}

#[test]
fn a_balancer_takes_the_place_of_another_in_a_running_loop_with_its_state() -> Result<()> {
    patchbay_balancers::register()?;
    let network = Network::new()?;
    let slot = create::<dyn Balancer>("balancer/famo", json!({}))?;
    network.train(&slot, 20)?;
    let report = slot.swap("balancer/gradnorm", json!({}))?;
    assert!(report.state.is_empty(), "{report:?}");
    network.train(&slot, 20)?;
    // Both learn logits, of weights that mean something else.
    let report = slot.swap("balancer/famo", json!({}))?;
    assert!(report.state.is_empty(), "{report:?}");
    network.train(&slot, 5)?;
    let report = slot.swap("balancer/famo", json!({ "rate": 0.1 }))?;
    assert_eq!(report.state, ["famo_logits", "famo_adam"]);
    network.train(&slot, 5)?;
    for (name, settings) in all() {
        // The trained scales of `uncertainty` are given up only where that is asked for.
        slot.swap_with(&format!("balancer/{name}"), settings, Carry::Matching)?;
        network.train(&slot, 2)?;
    }
    Ok(())
}

#[test]
fn what_was_learned_comes_along() -> Result<()> {
    patchbay_balancers::register()?;
    for (name, keys) in [
        ("dwa", &["dwa_means", "dwa_sum", "dwa_steps"][..]),
        ("gradvac", &["usual_cosines"]),
        ("moco", &["moco_weights"]),
        ("modo", &["modo_weights"]),
        ("cr_mogm", &["average_weights"]),
        ("excess_mtl", &["excess_weights", "first_excess"]),
        ("famo", &["famo_logits", "famo_adam"]),
        ("gradnorm", &["initial_losses", "logits", "adam"]),
    ] {
        let network = Network::new()?;
        let slot = create::<dyn Balancer>(&format!("balancer/{name}"), json!({}))?;
        network.train(&slot, 12)?;
        let state = slot.call(|balancer| Ok(balancer.state()))?;
        let report = slot.swap(&format!("balancer/{name}"), json!({}))?;
        assert_eq!(report.state, keys, "{name}");
        assert_eq!(slot.call(|balancer| Ok(balancer.state()))?, state, "{name}");
        // And is used: the weights go on from where they were.
        let step = |slot: &Slot<dyn Balancer>| {
            let balanced = slot.backward(&network.losses()?, std::slice::from_ref(&network.shared));
            balanced.map(|balanced| balanced.weights)
        };
        let carried = step(&slot)?;
        let fresh = step(&create(&format!("balancer/{name}"), json!({}))?)?;
        if matches!(
            name,
            "moco" | "modo" | "cr_mogm" | "excess_mtl" | "famo" | "gradnorm" | "dwa"
        ) {
            assert_ne!(carried, fresh, "{name}");
        }
        slot.swap("balancer/equal", json!({}))?;
        let report = slot.swap(&format!("balancer/{name}"), json!({}))?;
        assert!(report.state.is_empty(), "{report:?}");
    }
    Ok(())
}

/// The factor of a single loss; the documentation has a table of those that are not 1.
#[test]
fn one_loss_has_a_known_factor() -> Result<()> {
    for (name, _) in all() {
        let settings = match name {
            "uncertainty" | "imtl_l" => json!({ "losses": 1 }),
            "fixed" => json!({ "weights": [3.0] }),
            _ => json!({}),
        };
        let balancer = create::<dyn Balancer>(&format!("balancer/{name}"), settings)?;
        // A loss of 5 with a gradient of length 2 sqrt 5.
        let x = Var::new(&[1f32, 2.0], &CPU)?;
        let loss = x.sqr()?.sum_all()?;
        let balanced = balancer.backward(&[loss], std::slice::from_ref(&x))?;
        let gradient = balanced.gradients.get(&x).unwrap().to_vec1::<f32>()?;
        let factor = f64::from(gradient[0]) / 2.0;
        let expected = match name {
            "fixed" => 3.0,
            // 1/2 exp 1/2.
            "uncertainty" => 0.5 * 0.5f64.exp(),
            // (1 + c) / (1 + c^2).
            "cagrad" => 1.2,
            // The step is at most 1 long.
            "nash_mtl" => 1.0 / 20f64.sqrt(),
            // 1 / |g|.
            "fairgrad" => 1.0 / 20f64.sqrt(),
            // The gradient of the logarithm.
            "stch" => 0.2,
            // So too, and the first average is 1 - beta of it.
            "db_mtl" => 0.02,
            // beta L / |g|.
            "moco" => 0.5 * 5.0 / 20f64.sqrt(),
            _ => 1.0,
        };
        assert!(
            (factor - expected).abs() < 1e-5,
            "{name}: {factor}, expected {expected}"
        );
    }
    Ok(())
}

#[test]
fn bad_input_is_told_by_all() -> Result<()> {
    for (name, settings) in all() {
        let balancer = create::<dyn Balancer>(&format!("balancer/{name}"), settings)?;
        let x = Var::new(&[1f32, 2.0], &CPU)?;
        let loss = x.sum_all()?;
        let text = |losses: &[Tensor], shared: &[Var]| {
            let error = balancer.backward(losses, shared).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        let shared = [x.clone()];
        let nan = (&loss * f64::NAN)?;
        let told = text(&[loss.clone(), nan, loss.clone()], &shared);
        assert!(told.contains("loss 1 of 3 is NaN"), "{name}: {told}");
        assert!(text(&[], &shared).contains("at least one loss"), "{name}");
        let vector = text(
            &[loss.clone(), x.as_tensor().clone(), loss.clone()],
            &shared,
        );
        assert!(vector.contains("[2]"), "{name}: {vector}");
    }
    let x = Var::new(&[1f32, 2.0], &CPU)?;
    let loss = x.sum_all()?;
    // Dependent gradients have no impartial step, and opposed ones are no reason to fall back on equal weights.
    let imtl = create::<dyn Balancer>("balancer/imtl_g", json!({}))?;
    let told = |losses: &[Tensor], shared: &[Var]| {
        let error = imtl.backward(losses, shared).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let text = told(&[loss.clone(), (&loss * 2.0)?], &[x]);
    assert!(text.contains("linearly dependent"), "{text}");
    let x = Var::zeros(1000, DType::F32, &CPU)?;
    for seed in 0..20 {
        patchbay::nn::seed_all(seed)?;
        let [a, b] = [1.0, 50.0].map(|size| Tensor::randn(0f32, size, 1000, &CPU));
        let (a, b) = (a?, b?);
        let both = (&a + &b)?;
        let loss = |gradient: &Tensor| (x.as_tensor() * gradient)?.sum_all();
        let losses = [loss(&a)?, loss(&b)?, loss(&both)?];
        let text = told(&losses, std::slice::from_ref(&x));
        assert!(text.contains("linearly dependent"), "seed {seed}: {text}");
        // Any two of them are not.
        let independent = told(&losses[..2], std::slice::from_ref(&x));
        assert_eq!(independent, "", "seed {seed}");
    }
    Ok(())
}
