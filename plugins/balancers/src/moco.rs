//! MoCo: the gradients are tracked over the steps, which takes out the bias that noise gives to the weights.
//!
//! As in LibMTL, gradients are brought to the length of their loss before they are tracked. What is tracked begins anew in a
//! swap or reload, in which the weights come along, and when the shared parameters change.

use patchbay::plugin::prelude::*;
use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Map, Value};

use crate::{
    gradients::{balance, gram, sum},
    kept::{from_tensors, to_tensors},
    linear_algebra::apply,
    losses::{lock, numbers, softmax},
};

patchbay::config! {
    /// Settings of [`MoCo`].
    pub struct MoCoConfig {
        /// How fast the tracked gradients follow.
        #[schemars(range(min = 0.0, max = 1.0))]
        beta: f64 = 0.5,
        /// The exponent by which `beta` falls with the number of the step.
        #[schemars(range(min = 0.0))]
        beta_sigma: f64 = 0.5,
        /// The learning rate of the weights.
        #[schemars(range(min = 0.0))]
        gamma: f64 = 0.1,
        /// The exponent by which `gamma` falls with the number of the step.
        #[schemars(range(min = 0.0))]
        gamma_sigma: f64 = 0.5,
        /// Number that is added to the diagonal of the products.
        #[schemars(range(min = 0.0))]
        rho: f64 = 0.0,
    }
}

#[derive(Default)]
struct State {
    /// y, by loss, then by shared parameter.
    tracked: Vec<Vec<Option<Tensor>>>,
    weights: Vec<f64>,
    step: usize,
}

/// Tracked gradients, and weights that follow their products.
pub struct MoCo {
    config: MoCoConfig,
    state: Mutex<State>,
}

impl Component for MoCo {
    fn state(&self) -> Map<String, Value> {
        Map::from_iter([("moco_weights".to_owned(), json!(lock(&self.state).weights))])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        match numbers(state, "moco_weights") {
            Some(weights) => {
                lock(&self.state).weights = weights;
                vec!["moco_weights".to_owned()]
            }
            None => Vec::new(),
        }
    }

    fn tensors(&self) -> BTreeMap<String, Tensor> {
        let state = lock(&self.state);
        to_tensors(&state.tracked, state.step)
    }

    fn restore_tensors(&self, tensors: BTreeMap<String, Tensor>) -> Result<()> {
        let (tracked, step) = from_tensors(tensors)?;
        let mut state = lock(&self.state);
        (state.tracked, state.step) = (tracked, step);
        Ok(())
    }
}

impl Define for MoCo {
    type Kind = dyn Balancer;
    type Config = MoCoConfig;
    const ID: &'static str = "balancer/moco";
    const SUMMARY: &'static str = "Tracked gradients, and weights that follow their products";
    const DETAILS: Details = Details {
        formula: "y_k <- y_k - beta / t^sigma (y_k - L_k g_k / |g_k|); w <- softmax(w - gamma / t^sigma' (Y Y^T + rho I) w); sum_k w_k y_k",
        reference: "Fernando et al. 2023, Mitigating Gradient Bias in Multi-objective Learning, ICLR 2023, algorithm 1; as LibMTL's MoCo",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/moco", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: MoCoConfig, _context: &Context) -> Result<Self> {
        Ok(MoCo {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for MoCo {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        shared: &[Var],
    ) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let present = gradients.present(present);
            let (total, places) = (present.total(), present.places());
            let norms = gradients.norms();
            let mut state = lock(&self.state);
            let fits = state.tracked.len() == total
                && state.tracked.iter().all(|row| {
                    row.len() == shared.len()
                        && row
                            .iter()
                            .zip(shared)
                            .all(|(y, var)| y.as_ref().is_none_or(|y| y.shape() == var.shape()))
                });
            if !fits {
                // Weights that came along from a predecessor have nothing tracked yet.
                let carried = state.tracked.is_empty() && state.weights.len() == total;
                *state = State {
                    tracked: vec![vec![None; shared.len()]; total],
                    weights: if carried {
                        state.weights.clone()
                    } else {
                        vec![1.0 / total as f64; total]
                    },
                    step: 0,
                };
            }
            state.step += 1;
            let step = state.step as f64;
            let beta = self.config.beta / step.powf(self.config.beta_sigma);
            let gamma = self.config.gamma / step.powf(self.config.gamma_sigma);
            for ((row, &place), k) in gradients.rows().iter().zip(places).zip(0..) {
                let scale: f64 = gradients.losses[k] / (norms[k] + 1e-8);
                for (tracked, gradient) in state.tracked[place].iter_mut().zip(row) {
                    *tracked = follow(tracked.as_ref(), gradient.as_ref(), scale, beta)?;
                }
            }
            let tracked = present.pick(&state.tracked);
            let mut products = gram(&tracked, &tracked)?;
            for (k, row) in products.iter_mut().enumerate() {
                row[k] += self.config.rho;
            }
            // Those that take part share what they had of the weights' sum, 1 where all do.
            let own = present.pick(&state.weights);
            let share: f64 = match own.len() == total {
                true => 1.0,
                false => own.iter().sum(),
            };
            let own: Vec<f64> = own.iter().map(|w| w / share).collect();
            let pull = apply(&products, &own);
            let moved: Vec<f64> = own
                .iter()
                .zip(&pull)
                .map(|(w, pull)| w - gamma * pull)
                .collect();
            let weights = softmax(&moved);
            present.put(&mut state.weights, weights.iter().map(|w| w * share));
            drop(state);
            let combined = sum(&tracked, &weights, shared)?;
            gradients.with(combined, weights)
        })
    }
}

/// y - beta (y - scale g), where y begins at zero.
fn follow(y: Option<&Tensor>, g: Option<&Tensor>, scale: f64, beta: f64) -> Result<Option<Tensor>> {
    Ok(match (y, g) {
        (Some(y), Some(g)) => Some(((y * (1.0 - beta))? + (g * (beta * scale))?)?),
        (Some(y), None) => Some((y * (1.0 - beta))?),
        (None, Some(g)) => Some((g * (beta * scale))?),
        (None, None) => None,
    })
}
