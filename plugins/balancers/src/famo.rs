//! Fast adaptive multitask optimization: all losses fall at the same relative rate, with one backward pass.
//!
//! After the optimizer's step the losses are wanted again, on the same batch (`after_step`): how far each has fallen moves
//! the weights. Without that call the weights stay as they are.

use patchbay::{candle::backprop::GradStore, plugin::prelude::*};
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::losses::{Adam, above_zero, backward, lock, numbers, softmax, values};

patchbay::config! {
    /// Settings of [`Famo`].
    pub struct FamoConfig {
        /// The learning rate of the weights' logits.
        #[schemars(range(min = 0.0))]
        rate: f64 = 0.025,
        /// How fast the logits decay.
        #[schemars(range(min = 0.0))]
        decay: f64 = 1e-3,
        /// Number that is taken off the losses before their logarithm: their least possible value.
        least: f64 = 0.0,
    }
}

#[derive(Default)]
struct State {
    logits: Vec<f64>,
    adam: Adam,
    /// The step that is under way: which losses were given, which of them were above `least`, and ln (L - least) of those.
    before: Option<(Present, Present, Vec<f64>)>,
}

/// Equal relative decrease of all losses at the cost of one backward pass.
pub struct Famo {
    config: FamoConfig,
    state: Mutex<State>,
}

impl Component for Famo {
    fn state(&self) -> Map<String, Value> {
        let state = lock(&self.state);
        // Not the name that GradNorm gives its own, which mean something else.
        Map::from_iter([
            ("famo_logits".to_owned(), json!(state.logits)),
            ("famo_adam".to_owned(), state.adam.state()),
        ])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let Some(logits) = numbers(state, "famo_logits") else {
            return Vec::new();
        };
        let mut own = lock(&self.state);
        own.logits = logits;
        let mut taken = vec!["famo_logits".to_owned()];
        if let Some(adam) = state.get("famo_adam").and_then(Adam::restored) {
            own.adam = adam;
            taken.push("famo_adam".to_owned());
        }
        taken
    }
}

impl Define for Famo {
    type Kind = dyn Balancer;
    type Config = FamoConfig;
    const ID: &'static str = "balancer/famo";
    const SUMMARY: &'static str =
        "Equal relative decrease of all losses at the cost of one backward pass";
    const DETAILS: Details = Details {
        formula: "w_k = c z_k / (L_k - least), z = softmax(xi), c = 1 / sum_k z_k / (L_k - least); xi follows the change of ln L by Adam",
        reference: "Liu, Feng, Stone and Liu 2023, FAMO, arXiv 2306.03792, algorithm 1; as the authors' program",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/famo", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: FamoConfig, _context: &Context) -> Result<Self> {
        Ok(Famo {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Famo {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        _shared: &[Var],
    ) -> Result<Balanced> {
        let above = values(losses)?
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let above = value - self.config.least;
                if above <= -1e-8 {
                    bail!(
                        "loss {index} of {} is {value}, below `least`, which is {}: give the least value that it can have",
                        losses.len(),
                        self.config.least
                    );
                }
                Ok(above.max(0.0))
            })
            .collect::<Result<Vec<f64>>>()?;
        // At the least value there is nothing left to fall, and no logarithm.
        let (kept, mut absent) = above_zero(&above, "balancer/famo")?;
        for absent in &mut absent {
            absent.reason = format!("it is at its least value, {}", self.config.least);
        }
        let own = Present::of(kept, losses.len());
        let taken = present.narrow(own.places());
        let logarithms: Vec<f64> = own.pick(&above).iter().copied().map(logarithm).collect();
        let mut state = lock(&self.state);
        state.logits.resize(present.total(), 0.0);
        let z = softmax(&taken.pick(&state.logits));
        let rates: Vec<f64> = z
            .iter()
            .zip(&logarithms)
            .map(|(z, log)| z * (-log).exp())
            .collect();
        let sum: f64 = rates.iter().sum();
        state.before = Some((present.clone(), taken, logarithms));
        drop(state);
        let mut weights = vec![0.0; losses.len()];
        if rates.is_empty() {
            return Ok(Balanced {
                gradients: GradStore::default(),
                weights,
                absent,
            });
        }
        let balanced = backward(
            &own.pick(losses),
            rates.iter().map(|rate| rate / sum).collect(),
        )?;
        own.put(&mut weights, balanced.weights);
        Ok(Balanced {
            gradients: balanced.gradients,
            weights,
            absent,
        })
    }

    fn after_step(&self, losses: &[Tensor]) -> Result<()> {
        let after = values(losses)?;
        let mut state = lock(&self.state);
        let Some((given, taken, before)) = state
            .before
            .take()
            .filter(|(given, ..)| given.places().len() == after.len())
        else {
            bail!(
                "after_step wants the losses that backward had, on the same batch; there was no backward before"
            );
        };
        let mut all = vec![0.0; given.total()];
        given.put(&mut all, after);
        let after = taken.pick(&all);
        let fall = before
            .iter()
            .zip(&after)
            .map(|(before, &after)| {
                let above = after - self.config.least;
                if above < -1e-8 {
                    bail!(
                        "a loss is {after} after the step, below `least`, which is {}: give the least value that it can have",
                        self.config.least
                    );
                }
                Ok(before - logarithm(above.max(0.0)))
            })
            .collect::<Result<Vec<f64>>>()?;
        let own = taken.pick(&state.logits);
        let z = softmax(&own);
        let mean: f64 = z.iter().zip(&fall).map(|(z, fall)| z * fall).sum();
        // The derivative of Σ z_k fall_k by the logits, and the decay as Adam's own weight decay.
        let gradient: Vec<f64> = z
            .iter()
            .zip(&fall)
            .zip(&own)
            .map(|((z, fall), logit)| z * (fall - mean) + self.config.decay * logit)
            .collect();
        let State { logits, adam, .. } = &mut *state;
        adam.step(logits, &taken, &gradient, self.config.rate);
        Ok(())
    }

    fn wants_losses_after(&self) -> bool {
        true
    }
}

/// ln (L - least), a loss that reaches its least value after a step included, as in the authors' program.
fn logarithm(above: f64) -> f64 {
    (above + 1e-8).ln()
}
