//! ExcessMTL: losses that can still fall far count more, not those that are merely large or noisy.
//!
//! How far a loss can fall is estimated from its gradient and the squares of earlier ones, relative to the first step's
//! estimate. The first step is weighed evenly, as in the authors' program and LibMTL: there is nothing yet to be relative
//! to, and the estimate alone is about the gradient's L1 norm, which grows with the number of parameters. TorchJD moves the
//! weights by it. The weights' sum is 1, as in the paper; LibMTL's is K. The squares take as much memory as K copies of the
//! shared parameters and begin anew when those change, or in a swap or reload, in which the weights come along.

use patchbay::plugin::prelude::*;
use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Map, Value};

use crate::{
    gradients::balance,
    kept::{from_tensors, to_tensors},
    losses::{lock, numbers, optional_numbers, softmax},
};

patchbay::config! {
    /// Settings of [`ExcessMtl`].
    pub struct ExcessMtlConfig {
        /// The learning rate of the weights.
        #[schemars(range(min = 0.0))]
        rate: f64 = 0.01,
    }
}

#[derive(Clone, Default)]
struct State {
    /// S, by loss, then by shared parameter.
    squares: Vec<Vec<Option<Tensor>>>,
    /// Each loss's excess risk in the first step in which it took part.
    first: Vec<Option<f64>>,
    weights: Vec<f64>,
}

/// Losses with the largest estimated excess risk count more; robust to noisy labels.
pub struct ExcessMtl {
    config: ExcessMtlConfig,
    state: Mutex<State>,
}

impl Component for ExcessMtl {
    fn state(&self) -> Map<String, Value> {
        let state = lock(&self.state);
        if state.first.is_empty() {
            return Map::new();
        }
        Map::from_iter([
            ("excess_weights".to_owned(), json!(state.weights)),
            ("first_excess".to_owned(), json!(state.first)),
        ])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let (Some(weights), Some(first)) = (
            numbers(state, "excess_weights"),
            optional_numbers(state, "first_excess"),
        ) else {
            return Vec::new();
        };
        *lock(&self.state) = State {
            squares: Vec::new(),
            first,
            weights,
        };
        ["excess_weights", "first_excess"]
            .map(str::to_owned)
            .to_vec()
    }

    fn tensors(&self) -> BTreeMap<String, Tensor> {
        to_tensors(&lock(&self.state).squares, 0)
    }

    fn restore_tensors(&self, tensors: BTreeMap<String, Tensor>) -> Result<()> {
        let (squares, _) = from_tensors(tensors)?;
        lock(&self.state).squares = squares;
        Ok(())
    }
}

impl Define for ExcessMtl {
    type Kind = dyn Balancer;
    type Config = ExcessMtlConfig;
    const ID: &'static str = "balancer/excess_mtl";
    const SUMMARY: &'static str =
        "Losses with the largest estimated excess risk count more; robust to noisy labels";
    const DETAILS: Details = Details {
        formula: "e_k = sum g_k^2 / sqrt(S_k), S_k: sum of g_k^2 over the steps; w_k ~ w_k exp(rate e_k / e_k(0)), sum 1",
        reference: "He et al. 2024, Robust Multi-Task Learning with Excess Risks, arXiv 2402.02009, eq. 6 to 9",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/excess_mtl", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: ExcessMtlConfig, _context: &Context) -> Result<Self> {
        Ok(ExcessMtl {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for ExcessMtl {
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
            let mut state = lock(&self.state);
            let fits = state.squares.len() == total
                && state.squares.iter().all(|row| {
                    row.len() == shared.len()
                        && row
                            .iter()
                            .zip(shared)
                            .all(|(s, var)| s.as_ref().is_none_or(|s| s.shape() == var.shape()))
                });
            if !fits {
                // Weights that came along from a predecessor have no squares yet.
                let carried = state.squares.is_empty()
                    && state.weights.len() == total
                    && state.first.len() == total;
                *state = State {
                    squares: vec![vec![None; shared.len()]; total],
                    ..if carried {
                        state.clone()
                    } else {
                        State {
                            weights: vec![1.0 / total as f64; total],
                            first: vec![None; total],
                            ..State::default()
                        }
                    }
                };
            }
            let mut excess = vec![0.0; places.len()];
            for (k, row) in gradients.rows().iter().enumerate() {
                for (squares, gradient) in state.squares[places[k]].iter_mut().zip(row) {
                    let Some(gradient) = gradient else { continue };
                    let square = gradient.sqr()?;
                    let sum = match squares.take() {
                        Some(squares) => (squares + &square)?,
                        None => square.clone(),
                    };
                    let part = ops::sum_all(&(square / (&sum + 1e-7)?.sqrt()?)?)?;
                    excess[k] += part.to_dtype(DType::F64)?.to_scalar::<f64>()?;
                    *squares = Some(sum);
                }
            }
            let own = present.pick(&state.weights);
            let share: f64 = match own.len() == total {
                true => 1.0,
                false => own.iter().sum(),
            };
            let mut logits = Vec::with_capacity(own.len());
            let mut moves = false;
            for ((&place, now), weight) in places.iter().zip(&excess).zip(&own) {
                // In its first step a loss has nothing yet to be relative to.
                let pull = match state.first[place] {
                    Some(first) => {
                        moves = true;
                        self.config.rate * now / (first + 1e-7)
                    }
                    None => {
                        state.first[place] = Some(*now);
                        0.0
                    }
                };
                logits.push(weight.ln() + pull);
            }
            let weights = match moves {
                true => softmax(&logits),
                false => own.iter().map(|weight| weight / share).collect(),
            };
            present.put(&mut state.weights, weights.iter().map(|w| w * share));
            drop(state);
            gradients.combine(weights)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parameters_do_not_collapse_the_weights() -> Result<()> {
        crate::register()?;
        let balancer = create::<dyn Balancer>("balancer/excess_mtl", json!({}))?;
        let x = Var::from_tensor(&Tensor::ones(200_000, DType::F32, &Device::Cpu)?)?;
        let mut weights = Vec::new();
        for step in 0..5 {
            // L1 norms of 200 000 and 600 000.
            let losses = [x.sum_all()?, (x.as_tensor() * 3.0)?.sum_all()?];
            weights = balancer
                .backward(&losses, std::slice::from_ref(&x))?
                .weights;
            if step == 0 {
                assert_eq!(weights, [0.5, 0.5]);
            }
        }
        assert!((weights[0] - 0.5).abs() < 0.01, "{weights:?}");
        Ok(())
    }

    #[test]
    fn the_weights_come_along() -> Result<()> {
        crate::register()?;
        let balancer = create::<dyn Balancer>("balancer/excess_mtl", json!({ "rate": 1.0 }))?;
        let x = Var::new(&[1f32, 2.0], &Device::Cpu)?;
        let step = |first: f64| -> Result<Vec<f64>> {
            let losses = [(x.as_tensor() * first)?.sum_all()?, x.sqr()?.sum_all()?];
            Ok(balancer
                .backward(&losses, std::slice::from_ref(&x))?
                .weights)
        };
        step(1.0)?;
        let before = step(100.0)?;
        assert!(before[0] > 0.5, "{before:?}");
        let report = balancer.swap("balancer/excess_mtl", json!({ "rate": 0.0 }))?;
        assert_eq!(report.state, ["excess_weights", "first_excess"]);
        let after = step(1.0)?;
        assert!((after[0] - before[0]).abs() < 1e-12, "{before:?} {after:?}");
        Ok(())
    }
}
