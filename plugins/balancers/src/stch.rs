//! The smooth Tchebycheff scalarisation: the worst loss counts most, smoothly.
//!
//! Losses are taken relative to their means over the epoch `warmup`, counted from 0, by logarithms, as the authors' program
//! and LibMTL do; up to the end of that epoch the sum of logarithms is minimized. Epochs begin where the training loop says so (`slot.begin_epoch`).

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::losses::{Epochs, backward_above_zero, lock, optional_numbers, softmax};

patchbay::config! {
    /// Settings of [`Stch`].
    pub struct StchConfig {
        /// How smooth the maximum is; small values look at the worst loss only.
        #[schemars(range(min = 1e-6))]
        mu: f64 = 1.0,
        /// The epoch, counted from 0, that gives the losses' sizes; the scalarisation begins after it.
        warmup: usize = 4,
    }
}

#[derive(Default)]
struct State {
    epoch: usize,
    /// Of the epoch that gives the sizes: for each loss its sum over the steps in which it took part, and their number.
    sum: Vec<f64>,
    steps: Vec<f64>,
    /// Once the warm-up is over, the losses' means over its last epoch; of a loss that took no part in it, its first value
    /// after it.
    sizes: Option<Vec<Option<f64>>>,
    epochs: Epochs,
}

/// Smooth Tchebycheff scalarisation: the relatively worst loss counts most.
pub struct Stch {
    config: StchConfig,
    state: Mutex<State>,
}

impl Component for Stch {
    fn begin_epoch(&self, epoch: usize) {
        let mut state = lock(&self.state);
        state.epochs.begin();
        state.epoch = epoch;
        let counted = state.steps.iter().any(|&steps| steps > 0.0);
        if state.sizes.is_none() && epoch > self.config.warmup && counted {
            let means = state.sum.iter().zip(&state.steps);
            let means = means.map(|(sum, &steps)| (steps > 0.0).then(|| sum / steps));
            state.sizes = Some(means.collect());
        }
    }

    fn state(&self) -> Map<String, Value> {
        let state = lock(&self.state);
        state
            .sizes
            .iter()
            .map(|sizes| ("sizes".to_owned(), json!(sizes)))
            .collect()
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        match optional_numbers(state, "sizes") {
            Some(sizes) => {
                let mut own = lock(&self.state);
                own.sum = vec![0.0; sizes.len()];
                own.steps = own.sum.clone();
                own.sizes = Some(sizes);
                vec!["sizes".to_owned()]
            }
            None => Vec::new(),
        }
    }
}

impl Define for Stch {
    type Kind = dyn Balancer;
    type Config = StchConfig;
    const ID: &'static str = "balancer/stch";
    const SUMMARY: &'static str =
        "Smooth Tchebycheff scalarisation: the relatively worst loss counts most";
    const DETAILS: Details = Details {
        formula: "K mu ln sum_k exp(ln(L_k / z_k) / mu), so w_k = K softmax(ln(L / z) / mu)_k / L_k; in the warm-up w_k = 1 / L_k",
        reference: "Lin et al. 2024, Smooth Tchebycheff Scalarization, arXiv 2402.19078, eq. 12; as LibMTL's STCH",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/stch", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: StchConfig, _context: &Context) -> Result<Self> {
        Ok(Stch {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"warmup": 2}))
    }
}

impl Balancer for Stch {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        _shared: &[Var],
    ) -> Result<Balanced> {
        backward_above_zero(losses, present, "balancer/stch", |present, values| {
            let total = present.total();
            let mut state = lock(&self.state);
            if state.sum.len() != total {
                *state = State {
                    sum: vec![0.0; total],
                    steps: vec![0.0; total],
                    epoch: state.epoch,
                    epochs: std::mem::take(&mut state.epochs),
                    sizes: None,
                };
            }
            if let Some(sizes) = &mut state.sizes {
                let logarithms: Vec<f64> = present
                    .places()
                    .iter()
                    .zip(values)
                    .map(|(&place, &value)| {
                        let size = *sizes[place].get_or_insert(value);
                        (value / size).ln() / self.config.mu
                    })
                    .collect();
                return Ok(softmax(&logarithms)
                    .iter()
                    .zip(values)
                    .map(|(share, value)| values.len() as f64 * share / value)
                    .collect());
            }
            if let Some(notice) = state.epochs.step("balancer/stch") {
                eprintln!("{notice}");
            }
            if state.epoch >= self.config.warmup {
                for (&place, value) in present.places().iter().zip(values) {
                    state.sum[place] += value;
                    state.steps[place] += 1.0;
                }
            }
            Ok(values.iter().map(|value| 1.0 / value).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_warm_up_the_relatively_worst_loss_counts_most() -> Result<()> {
        crate::register()?;
        let balancer = create::<dyn Balancer>("balancer/stch", json!({"warmup": 1, "mu": 0.5}))?;
        let step = |first: f32, second: f32| -> Result<Vec<f64>> {
            let [first, second] = [first, second].map(|loss| Var::new(loss, &Device::Cpu));
            let losses = [first?.as_tensor().clone(), second?.as_tensor().clone()];
            Ok(balancer.backward(&losses, &[])?.weights)
        };
        balancer.begin_epoch(0)?;
        assert_eq!(step(8.0, 8.0)?, [0.125, 0.125]);
        balancer.begin_epoch(1)?;
        assert_eq!(step(2.0, 4.0)?, [0.5, 0.25]);
        balancer.begin_epoch(2)?;
        let weights = step(2.0, 2.0)?;
        // 2 softmax([ln 1, ln 0.5] / 0.5) = 2 [0.8, 0.2], over the losses.
        assert!(
            (weights[0] - 0.8).abs() < 1e-6 && (weights[1] - 0.2).abs() < 1e-6,
            "{weights:?}"
        );
        Ok(())
    }
}
