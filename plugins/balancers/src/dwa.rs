//! Dynamic weight average: losses that fall slowly count more.
//!
//! The rate of a loss is the ratio of its means over the last two epochs; until there are two, all weigh alike. Epochs
//! begin where the training loop says so (`slot.begin_epoch`). The means come along in a swap or reload.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::losses::{Epochs, backward, lock, matrix, numbers, positive_values, softmax};

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
    /// Of this epoch.
    sum: Vec<f64>,
    steps: usize,
    /// The mean losses of the last two epochs that have ended, the earlier first.
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
        let steps = state.get("dwa_steps").and_then(Value::as_u64);
        let (Some(means), Some(sum), Some(steps)) =
            (matrix(state, "dwa_means"), numbers(state, "dwa_sum"), steps)
        else {
            return Vec::new();
        };
        let mut own = lock(&self.state);
        own.means = means;
        own.sum = sum;
        own.steps = steps as usize;
        ["dwa_means", "dwa_sum", "dwa_steps"]
            .map(str::to_owned)
            .to_vec()
    }

    fn begin_epoch(&self, _epoch: usize) {
        let mut state = lock(&self.state);
        state.epochs.begin();
        if state.steps > 0 {
            let steps = state.steps as f64;
            let mean = state.sum.iter().map(|sum| sum / steps).collect();
            state.means.push(mean);
            if state.means.len() > 2 {
                state.means.remove(0);
            }
            state.sum.fill(0.0);
            state.steps = 0;
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
}

impl Balancer for Dwa {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        let values = positive_values(losses, "balancer/dwa")?;
        let count = values.len();
        let mut state = lock(&self.state);
        if state.sum.len() != count {
            *state = State {
                sum: vec![0.0; count],
                epochs: std::mem::take(&mut state.epochs),
                ..State::default()
            };
        }
        for (sum, value) in state.sum.iter_mut().zip(&values) {
            *sum += value;
        }
        state.steps += 1;
        if let Some(notice) = state.epochs.step("balancer/dwa") {
            eprintln!("{notice}");
        }
        let weights = match &state.means[..] {
            [earlier, later] => {
                let rates: Vec<f64> = later
                    .iter()
                    .zip(earlier)
                    .map(|(later, earlier)| later / earlier / self.config.temperature)
                    .collect();
                softmax(&rates)
                    .iter()
                    .map(|weight| weight * count as f64)
                    .collect()
            }
            _ => vec![1.0; count],
        };
        drop(state);
        backward(losses, weights, shared)
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
