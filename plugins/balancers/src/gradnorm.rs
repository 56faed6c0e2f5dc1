//! GradNorm: weights are learned so that gradients have equal lengths, corrected for how fast losses fall.
//!
//! The gradients are constants for the weights, so the length of a weighted one is w |g|, and no second derivative is
//! needed. The weights' logits are trained by Adam.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::{
    gradients::balance_above_zero,
    losses::{Adam, lock, numbers, optional_numbers, softmax},
};

patchbay::config! {
    /// Settings of [`GradNorm`].
    pub struct GradNormConfig {
        /// How strongly losses that fall slowly are favored.
        #[schemars(range(min = 0.0))]
        alpha: f64 = 1.5,
        /// The learning rate of the weights' logits.
        #[schemars(range(min = 0.0))]
        rate: f64 = 0.025,
    }
}

#[derive(Default)]
struct State {
    /// Each loss in the first step in which it took part.
    initial: Vec<Option<f64>>,
    logits: Vec<f64>,
    adam: Adam,
}

/// Weights are learned so that gradients have equal lengths, corrected for how fast losses fall.
pub struct GradNorm {
    config: GradNormConfig,
    state: Mutex<State>,
}

impl Component for GradNorm {
    fn state(&self) -> Map<String, Value> {
        let state = lock(&self.state);
        Map::from_iter([
            ("initial_losses".to_owned(), json!(state.initial)),
            ("logits".to_owned(), json!(state.logits)),
            ("adam".to_owned(), state.adam.state()),
        ])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let mut own = lock(&self.state);
        let mut taken = Vec::new();
        if let Some(initial) = optional_numbers(state, "initial_losses") {
            own.logits = vec![0.0; initial.len()];
            own.initial = initial;
            taken.push("initial_losses".to_owned());
            if let Some(logits) =
                numbers(state, "logits").filter(|logits| logits.len() == own.initial.len())
            {
                own.logits = logits;
                taken.push("logits".to_owned());
                // The moments are those of these logits.
                if let Some(adam) = state.get("adam").and_then(Adam::restored) {
                    own.adam = adam;
                    taken.push("adam".to_owned());
                }
            }
        }
        taken
    }
}

impl Define for GradNorm {
    type Kind = dyn Balancer;
    type Config = GradNormConfig;
    const ID: &'static str = "balancer/gradnorm";
    const SUMMARY: &'static str = "Weights are learned so that gradients have equal lengths, corrected for how fast losses fall";
    const DETAILS: Details = Details {
        formula: "min over w = K softmax(s) of sum_k |w_k |g_k| - m r_k^alpha|, m = mean w_k |g_k|, r_k = (L_k / L_k(0)) / mean of these",
        reference: "Chen et al. 2018, GradNorm, arXiv 1711.02257, eq. 2",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/gradnorm", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: GradNormConfig, _context: &Context) -> Result<Self> {
        Ok(GradNorm {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for GradNorm {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        shared: &[Var],
    ) -> Result<Balanced> {
        balance_above_zero(losses, shared, "balancer/gradnorm", |gradients| {
            let present = gradients.present(present);
            let weights = self.weights(&present, &gradients.norms(), &gradients.losses);
            gradients.combine(weights)
        })
    }
}

impl GradNorm {
    /// The weights of this step; learns those of the next.
    fn weights(&self, present: &Present, norms: &[f64], losses: &[f64]) -> Vec<f64> {
        let count = losses.len();
        let mut state = lock(&self.state);
        if state.initial.len() != present.total() {
            *state = State {
                initial: vec![None; present.total()],
                logits: vec![0.0; present.total()],
                ..State::default()
            };
        }
        let initial: Vec<f64> = present
            .places()
            .iter()
            .zip(losses)
            .map(|(&place, &loss)| *state.initial[place].get_or_insert(loss))
            .collect();
        let shares = softmax(&present.pick(&state.logits));
        let weights: Vec<f64> = shares.iter().map(|share| share * count as f64).collect();
        let ratios: Vec<f64> = losses
            .iter()
            .zip(&initial)
            .map(|(now, first)| now / first)
            .collect();
        let mean_ratio = ratios.iter().sum::<f64>() / count as f64;
        let mean = weights.iter().zip(norms).map(|(w, n)| w * n).sum::<f64>() / count as f64;
        // The derivative by the weights; the goal is a constant. Then through the softmax.
        let slopes: Vec<f64> = (0..count)
            .map(|k| {
                let goal = mean * (ratios[k] / mean_ratio).powf(self.config.alpha);
                let distance = weights[k] * norms[k] - goal;
                if distance == 0.0 {
                    0.0
                } else {
                    distance.signum() * norms[k]
                }
            })
            .collect();
        let inner: f64 = weights
            .iter()
            .zip(&slopes)
            .map(|(w, slope)| w * slope)
            .sum::<f64>()
            / count as f64;
        let gradient: Vec<f64> = weights
            .iter()
            .zip(&slopes)
            .map(|(w, slope)| w * (slope - inner))
            .collect();
        let State { logits, adam, .. } = &mut *state;
        adam.step(logits, present, &gradient, self.config.rate);
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_lose_weight_until_all_are_equally_long() {
        let config = GradNormConfig {
            alpha: 1.5,
            rate: 0.05,
        };
        let balancer = GradNorm {
            config,
            state: Mutex::default(),
        };
        let mut weights = Vec::new();
        for _ in 0..400 {
            weights = balancer.weights(&Present::all(2), &[4.0, 1.0], &[1.0, 1.0]);
        }
        assert!((weights[0] * 4.0 - weights[1]).abs() < 0.2, "{weights:?}");
        assert!((weights[0] + weights[1] - 2.0).abs() < 1e-9);
    }
}
