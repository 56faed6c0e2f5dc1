//! Losses that have no gradient in a step: none, zeros, or no logarithm. All balancers, in every order.

mod all;

use std::sync::{Mutex, MutexGuard, PoisonError};

use all::all;
use patchbay::{
    Result,
    nn::{self, AdamW, Optimizer},
    plugin::{Balancer, Slot, create},
    prelude::{Device, Tensor, Var, json},
    serde_json::Value,
};

const CPU: Device = Device::Cpu;

/// Sets of losses that may be missing, of three.
const MISSING: [&[usize]; 6] = [&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2]];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A number.
    Constant,
    /// `sum * 0.0`, which candle does not track.
    TimesZero,
    /// A tracked 0 with zeros for gradients, as of targets that are all ignored.
    Masked,
    /// Zeros for gradients, and a value.
    Flat,
}

/// Two shared parameters and a head for each of three losses.
struct Network {
    shared: [Var; 2],
    heads: Vec<Var>,
}

impl Network {
    fn new() -> Result<Network> {
        let var = |count: usize, phase: f32| {
            let values: Vec<f32> = (0..count).map(|i| (i as f32 + phase).sin()).collect();
            Var::new(&values[..], &CPU)
        };
        Ok(Network {
            shared: [var(7, 0.3)?, var(5, 1.1)?],
            heads: (0..3)
                .map(|k| var(12, 2.0 + k as f32))
                .collect::<Result<_>>()?,
        })
    }

    fn all(&self) -> Vec<Var> {
        self.shared.iter().chain(&self.heads).cloned().collect()
    }

    fn loss(&self, k: usize, step: usize) -> Result<Tensor> {
        let x = Tensor::cat(&[self.shared[0].as_tensor(), self.shared[1].as_tensor()], 0)?;
        let data: Vec<f32> = (0..12)
            .map(|i| ((i * (k + 2) + step) as f32 * 0.7).cos())
            .collect();
        let residual = ((x * self.heads[k].as_tensor())? + Tensor::new(&data[..], &CPU)?)?;
        residual.sqr()?.mean_all()? * (1.0 + k as f64)
    }

    fn without(&self, k: usize, step: usize, way: Way) -> Result<Tensor> {
        let loss = self.loss(k, step)?;
        let masked = || loss.broadcast_mul(&Tensor::new(0f32, &CPU)?);
        match way {
            Way::Constant => Tensor::new(0f32, &CPU),
            Way::TimesZero => loss * 0.0,
            Way::Masked => masked(),
            Way::Flat => masked()? + 0.7,
        }
    }

    fn losses(&self, step: usize, missing: &[usize], way: Way) -> Result<Vec<Tensor>> {
        (0..3)
            .map(|k| match missing.contains(&k) {
                true => self.without(k, step, way),
                false => self.loss(k, step),
            })
            .collect()
    }

    fn values(&self) -> Result<Vec<Vec<f32>>> {
        self.all().iter().map(|var| var.to_vec1()).collect()
    }
}

fn balancer(name: &str, settings: &Value) -> Slot<dyn Balancer> {
    create(&format!("balancer/{name}"), settings.clone()).unwrap()
}

/// Whether a balancer sees gradients, and so those that are zeros beside a value.
fn of_gradients(name: &str) -> bool {
    let description = patchbay::plugin::describe(&format!("balancer/{name}")).unwrap();
    description
        .spec
        .details
        .shapes
        .contains("shared: the variables")
}

fn ways(name: &str) -> Vec<Way> {
    let mut ways = vec![Way::Constant, Way::TimesZero, Way::Masked];
    if of_gradients(name) {
        ways.push(Way::Flat);
    }
    ways
}

/// A balancer with a training loop around it.
struct Run {
    network: Network,
    balancer: Slot<dyn Balancer>,
    optimizer: AdamW,
    step: usize,
    /// The balancer's state before the last step, where an epoch has begun.
    before: Value,
}

impl Run {
    fn new(name: &str, settings: &Value) -> Result<Run> {
        let network = Network::new()?;
        let balancer = balancer(name, settings);
        let mut variables = network.all();
        variables.extend(balancer.trainable());
        Ok(Run {
            optimizer: AdamW::new_lr(variables, 0.02)?,
            network,
            balancer,
            step: 0,
            before: Value::Null,
        })
    }

    /// A step with the losses that `of` makes; returns weights and the numbers of those that took no part.
    fn step(
        &mut self,
        of: impl Fn(&Network, usize) -> Result<Vec<Tensor>>,
    ) -> Result<(Vec<f64>, Vec<usize>)> {
        if self.step.is_multiple_of(2) {
            self.balancer.begin_epoch(self.step / 2)?;
        }
        self.before = self.state();
        let losses = of(&self.network, self.step)?;
        let balanced = self.balancer.backward(&losses, &self.network.shared)?;
        for var in self.network.all() {
            if let Some(gradient) = balanced.gradients.get(&var) {
                let values = gradient.to_vec1::<f32>()?;
                assert!(values.iter().all(|x| x.is_finite()), "{values:?}");
            }
        }
        self.optimizer.step(&balanced.gradients)?;
        if self.balancer.wants_losses_after() {
            self.balancer.after_step(&of(&self.network, self.step)?)?;
        }
        self.step += 1;
        let absent = balanced.absent.iter().map(|absent| absent.loss).collect();
        Ok((balanced.weights, absent))
    }

    fn state(&self) -> Value {
        let state = self.balancer.call(|balancer| Ok(balancer.state()));
        Value::Object(state.unwrap())
    }
}

/// The parts of a state that belong to one loss: entry k of each list of three, row and column k of each 3 x 3.
fn of_loss(state: &Value, k: usize) -> Vec<Value> {
    let lists = state.as_object().unwrap().values();
    let mut parts = Vec::new();
    for list in lists.filter_map(Value::as_array).filter(|x| x.len() == 3) {
        parts.push(list[k].clone());
        let rows = list.iter().filter_map(Value::as_array);
        parts.extend(rows.filter(|x| x.len() == 3).map(|row| row[k].clone()));
    }
    parts
}

/// Tests take turns: what one draws would come out of another's seed.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_loss_without_a_gradient_is_left_out_and_named_and_its_state_stays() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        for way in ways(name) {
            for missing in MISSING {
                for before in [0, 5] {
                    let what = format!("{name}, {way:?}, {missing:?} after {before} steps");
                    let mut run = Run::new(name, &settings)?;
                    for _ in 0..before {
                        let (_, absent) =
                            run.step(|network, step| network.losses(step, &[], way))?;
                        assert!(absent.is_empty(), "{what}");
                    }
                    let heads = run.network.values()?;
                    let (weights, absent) = run
                        .step(|network, step| network.losses(step, missing, way))
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(absent, missing, "{what}");
                    for &k in missing {
                        assert_eq!(weights[k], 0.0, "{what}: {weights:?}");
                        // Nothing moves what only the missing loss reaches, but the optimizer's momentum.
                        if before == 0 {
                            assert_eq!(run.network.values()?[2 + k], heads[2 + k], "{what}");
                        } else {
                            assert_eq!(of_loss(&run.state(), k), of_loss(&run.before, k), "{what}");
                        }
                    }
                    let there = (0..3).filter(|k| !missing.contains(k));
                    let sum: f64 = there.map(|k| weights[k]).sum();
                    assert!(sum > 0.0 && sum < 1e6, "{what}: {weights:?}");
                    // And on with all of them.
                    let (weights, absent) = run
                        .step(|network, step| network.losses(step, &[], way))
                        .unwrap_or_else(|error| panic!("{what}, then all: {error}"));
                    assert!(absent.is_empty(), "{what}: {absent:?}");
                    assert!(weights.iter().all(|w| w.abs() < 1e6), "{what}: {weights:?}");
                }
            }
        }
    }
    Ok(())
}

/// With a loss missing from the first step on, a balancer is one of the other losses.
#[test]
fn what_is_missing_changes_nothing_for_the_others() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        for missing in MISSING {
            let there: Vec<usize> = (0..3).filter(|k| !missing.contains(k)).collect();
            // What is set for each loss, or is their number, is set for those that are there.
            let mut part = settings.clone();
            for (key, value) in part.as_object_mut().unwrap() {
                match value {
                    Value::Array(each) if each.len() == 3 => {
                        *value = there.iter().map(|&k| each[k].clone()).collect();
                    }
                    Value::Number(_) if key == "losses" => *value = json!(there.len()),
                    _ => {}
                }
            }
            let (mut some, mut alone) = (Run::new(name, &settings)?, Run::new(name, &part)?);
            for step in 0..8 {
                nn::seed_all(step)?;
                let (weights, _) =
                    some.step(|network, step| network.losses(step, missing, Way::Masked))?;
                nn::seed_all(step)?;
                let (expected, _) = alone
                    .step(|network, step| there.iter().map(|&k| network.loss(k, step)).collect())?;
                let weights: Vec<f64> = there.iter().map(|&k| weights[k]).collect();
                for (a, b) in weights.iter().zip(&expected) {
                    assert!(
                        (a - b).abs() <= 1e-5 * b.abs().max(1e-3),
                        "{name}, {missing:?}, step {step}: {weights:?}, alone {expected:?}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_step_without_any_loss_changes_nothing() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        for way in ways(name) {
            let mut run = Run::new(name, &settings)?;
            // First of all, and after others: there AdamW has moments, with which a gradient of zeros would go on.
            for before in [0, 3] {
                for _ in 0..before {
                    run.step(|network, step| network.losses(step, &[], way))?;
                }
                let values = run.network.values()?;
                let (weights, absent) = run
                    .step(|network, step| network.losses(step, &[0, 1, 2], way))
                    .unwrap_or_else(|error| panic!("{name}, {way:?}: {error}"));
                assert_eq!(absent, [0, 1, 2], "{name}, {way:?}");
                assert_eq!(weights, [0.0; 3], "{name}, {way:?}");
                assert_eq!(run.network.values()?, values, "{name}, {way:?}");
                for k in (0..3).filter(|_| before > 0) {
                    let (now, then) = (run.state(), &run.before);
                    assert_eq!(of_loss(&now, k), of_loss(then, k), "{name}, {way:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_loss_that_is_no_number_is_an_error_that_names_it() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        for k in 0..3 {
            for bad in [f64::NAN, f64::INFINITY] {
                let run = Run::new(name, &settings)?;
                // The neighbor is missing; that makes it no other case.
                let mut losses = run.network.losses(0, &[(k + 1) % 3], Way::Masked)?;
                losses[k] = (&losses[k] * bad)?;
                let error = run.balancer.backward(&losses, &run.network.shared).err();
                let text = error.unwrap().to_string();
                assert!(
                    text.contains(&format!("loss {k} of 3 is {bad}")),
                    "{name}: {text}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn only_a_loss_that_never_had_a_gradient_is_an_error() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        let run = Run::new(name, &settings)?;
        let names = ["itc", "itm", "mlm"];
        let step = |missing: &[usize], way: Way| {
            let losses = run.network.losses(0, missing, way)?;
            let named: Vec<(String, Tensor)> =
                names.map(str::to_owned).into_iter().zip(losses).collect();
            run.balancer.backward_named(&named, &run.network.shared)
        };
        let mut ended = None;
        for index in 0..300 {
            // The first is there once, and then no more: that is no error.
            let missing: &[usize] = if index == 7 { &[1] } else { &[0, 1] };
            match step(missing, Way::Constant) {
                Ok(balanced) => {
                    assert_eq!(balanced.absent.len(), missing.len(), "{name}");
                    assert_eq!(balanced.absent.last().unwrap().name.as_deref(), Some("itm"));
                }
                Err(error) => {
                    ended = Some((index, error.to_string()));
                    break;
                }
            }
        }
        let (index, text) = ended.unwrap_or_else(|| panic!("{name} goes on without an error"));
        assert_eq!(index, 99, "{name}: {text}");
        for part in [
            "loss 1 of 3 (itm) has had no gradient in any of its first 100 steps",
            "computed from a detached tensor",
            "nn::audit",
        ] {
            assert!(text.contains(part), "{name}: {text}");
        }
        // Once it has one, all is well.
        assert!(step(&[], Way::Constant).is_ok(), "{name}");
        assert!(step(&[0, 1], Way::Masked).is_ok(), "{name}");
    }
    Ok(())
}

#[test]
fn losses_beside_the_shared_parameters_are_told_at_once_if_all_are() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        let balancer = balancer(name, &settings);
        let network = Network::new()?;
        let other = Var::new(&[3f32, 1.0, 2.0], &CPU)?;
        let losses = network.losses(0, &[], Way::Constant)?;
        let error = balancer
            .backward(&losses, std::slice::from_ref(&other))
            .err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains("none of the 3 losses reaches any of the 1 shared parameters")
                && text.contains("[3]"),
            "{name}: {text}"
        );
        // One of them is no error: a probe on features that are detached has its own parameters' gradient.
        let mut losses = losses;
        losses[1] = (network.heads[1].as_tensor() * 3.0)?.sqr()?.mean_all()?;
        let balanced = balancer.backward(&losses, &network.shared)?;
        let gradient = balanced.gradients.get(&network.heads[1]).unwrap();
        assert!(gradient.to_vec1::<f32>()?[0].abs() > 0.0, "{name}");
        assert_eq!(
            balanced.absent.len(),
            usize::from(of_gradients(name)),
            "{name}"
        );
    }
    Ok(())
}

/// A head that begins at zero passes nothing on, and moves all the same: else it would be missing for ever.
#[test]
fn the_last_layer_of_a_head_may_begin_at_zero() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        let mut run = Run::new(name, &settings)?;
        run.network.heads[2].set(&run.network.heads[2].zeros_like()?)?;
        let (_, absent) = run.step(|network, step| network.losses(step, &[], Way::Constant))?;
        assert_eq!(absent.len(), usize::from(of_gradients(name)), "{name}");
        let (_, absent) = run.step(|network, step| network.losses(step, &[], Way::Constant))?;
        assert!(absent.is_empty(), "{name}");
    }
    Ok(())
}

#[test]
fn a_shared_parameter_that_is_given_twice_is_an_error() -> Result<()> {
    let _turn = turn();
    for (name, settings) in all() {
        let network = Network::new()?;
        let shared = [
            network.shared[0].clone(),
            network.shared[1].clone(),
            network.shared[0].clone(),
        ];
        let losses = network.losses(0, &[], Way::Constant)?;
        let error = balancer(name, &settings).backward(&losses, &shared).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains("the shared parameters have one variable twice: number 2 of 3, of shape [7], is number 0"),
            "{name}: {text}"
        );
    }
    Ok(())
}

/// FAMO is told all losses after the step, those without a gradient among them.
#[test]
fn famo_learns_from_those_that_took_part() -> Result<()> {
    let _turn = turn();
    let mut run = Run::new("famo", &json!({}))?;
    for missing in [&[][..], &[0], &[], &[2], &[0, 1, 2], &[1, 2], &[]] {
        run.step(|network, step| network.losses(step, missing, Way::TimesZero))?;
    }
    let logits = run.state()["famo_logits"].as_array().unwrap().len();
    assert_eq!(logits, 3);
    Ok(())
}
