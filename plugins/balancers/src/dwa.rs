//! Dynamic weight average: losses that fall slowly count more.
//!
//! The rate of a loss is the ratio of its means over the last two epochs; until there are two, all weigh alike. Epochs
//! begin where the training loop says so (`slot.begin_epoch`). The means come along in a swap or reload.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::losses::{Epochs, backward_above_zero, lock, matrix, numbers, softmax};

patchbay::config! {
    /// Settings of [`Dwa`].
    pub struct DwaConfig {
        /// Large values make the weights more even.
        #[schemars(range(min = 1e-6))]
        temperature: f64 = 2.0,
    }
}

#[derive(Default)]
struct State {
    /// Of this epoch: for each loss its sum over the steps in which it took part, and their number.
    sum: Vec<f64>,
    steps: Vec<f64>,
    /// For each loss its means over the last two epochs in which it took part, the earlier first.
    means: Vec<Vec<f64>>,
    epochs: Epochs,
}

/// Dynamic weight average: losses that fall slowly count more.
pub struct Dwa {
    config: DwaConfig,
    state: Mutex<State>,
}

impl Component for Dwa {
    fn state(&self) -> Map<String, Value> {
        let state = lock(&self.state);
        Map::from_iter([
            ("dwa_means".to_owned(), json!(state.means)),
            ("dwa_sum".to_owned(), json!(state.sum)),
            ("dwa_steps".to_owned(), json!(state.steps)),
        ])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let (Some(means), Some(sum), Some(steps)) = (
            matrix(state, "dwa_means"),
            numbers(state, "dwa_sum"),
            numbers(state, "dwa_steps"),
        ) else {
            return Vec::new();
        };
        if means.len() != sum.len() || steps.len() != sum.len() {
            return Vec::new();
        }
        let mut own = lock(&self.state);
        own.means = means;
        own.sum = sum;
        own.steps = steps;
        ["dwa_means", "dwa_sum", "dwa_steps"]
            .map(str::to_owned)
            .to_vec()
    }

    fn begin_epoch(&self, _epoch: usize) {
        let mut state = lock(&self.state);
        state.epochs.begin();
        let State {
            sum, steps, means, ..
        } = &mut *state;
        for ((sum, steps), means) in sum.iter_mut().zip(steps).zip(means) {
            if *steps > 0.0 {
                means.push(*sum / *steps);
                if means.len() > 2 {
                    means.remove(0);
                }
                (*sum, *steps) = (0.0, 0.0);
            }
        }
    }
}

impl Define for Dwa {
    type Kind = dyn Balancer;
    type Config = DwaConfig;
    const ID: &'static str = "balancer/dwa";
    const SUMMARY: &'static str = "Dynamic weight average: losses that fall slowly count more";
    const DETAILS: Details = Details {
        formula: "w = K softmax((L(t-1) / L(t-2)) / T), L(t): the mean over epoch t",
        reference: "Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention, arXiv 1803.10704, eq. 7",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/dwa", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: DwaConfig, _context: &Context) -> Result<Self> {
        Ok(Dwa {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Dwa {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        _shared: &[Var],
    ) -> Result<Balanced> {
        let temperature = self.config.temperature;
        backward_above_zero(losses, present, "balancer/dwa", |present, values| {
            let total = present.total();
            let mut state = lock(&self.state);
            if state.sum.len() != total {
                *state = State {
                    sum: vec![0.0; total],
                    steps: vec![0.0; total],
                    means: vec![Vec::new(); total],
                    epochs: std::mem::take(&mut state.epochs),
                };
            }
            for (&place, value) in present.places().iter().zip(values) {
                state.sum[place] += value;
                state.steps[place] += 1.0;
            }
            if let Some(notice) = state.epochs.step("balancer/dwa") {
                eprintln!("{notice}");
            }
            let rates: Vec<Option<f64>> = present
                .places()
                .iter()
                .map(|&place| match &state.means[place][..] {
                    [earlier, later] => Some(later / earlier / temperature),
                    _ => None,
                })
                .collect();
            if rates.iter().all(Option::is_none) {
                return Ok(vec![1.0; values.len()]);
            }
            // One that has not been there for two epochs yet counts as one that stays as it is.
            let rates: Vec<f64> = rates
                .iter()
                .map(|rate| rate.unwrap_or(1.0 / temperature))
                .collect();
            Ok(softmax(&rates)
                .iter()
                .map(|weight| weight * values.len() as f64)
                .collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_that_falls_slowly_counts_more() -> Result<()> {
        crate::register()?;
        let balancer = create::<dyn Balancer>("balancer/dwa", json!({}))?;
        let step = |first: f32, second: f32| -> Result<Vec<f64>> {
            let [first, second] = [first, second].map(|loss| Var::new(loss, &Device::Cpu));
            let losses = [first?.as_tensor().clone(), second?.as_tensor().clone()];
            Ok(balancer.backward(&losses, &[])?.weights)
        };
        for (epoch, (first, second)) in [(4.0, 4.0), (4.0, 1.0), (4.0, 1.0)].into_iter().enumerate()
        {
            balancer.begin_epoch(epoch)?;
            if epoch == 2 {
                // What was learned of the first two epochs comes along.
                let report = balancer.swap("balancer/dwa", json!({}))?;
                assert_eq!(report.state, ["dwa_means", "dwa_sum", "dwa_steps"]);
            }
            let weights = step(first, second)?;
            if epoch < 2 {
                assert_eq!(weights, [1.0, 1.0]);
            } else {
                // 2 softmax([1 / 2, 0.25 / 2]).
                assert!((weights[0] - 1.185_332).abs() < 1e-5, "{weights:?}");
            }
        }
        Ok(())
    }
}
