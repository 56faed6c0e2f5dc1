//! ExcessMTL: losses that can still fall far count more, not those that are merely large or noisy.
//!
//! How far a loss can fall is estimated from its gradient and the squares of earlier ones. The weights begin at 1/K, as in
//! the paper and TorchJD; the authors' program and LibMTL begin at 1. The squares take as much memory as K copies of the
//! shared parameters, and begin anew when those change.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use crate::{
    gradients::Gradients,
    losses::{lock, softmax},
};

patchbay::config! {
    /// Settings of [`ExcessMtl`].
    pub struct ExcessMtlConfig {
        /// The learning rate of the weights.
        #[schemars(range(min = 0.0))]
        rate: f64 = 0.01,
    }
}

#[derive(Default)]
struct State {
    /// S, by loss, then by shared parameter.
    squares: Vec<Vec<Option<Tensor>>>,
    /// The first step's excess risks.
    first: Option<Vec<f64>>,
    weights: Vec<f64>,
}

/// Losses with the largest estimated excess risk count more; robust to noisy labels.
pub struct ExcessMtl {
    config: ExcessMtlConfig,
    state: Mutex<State>,
}

impl Component for ExcessMtl {}

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
}

impl Balancer for ExcessMtl {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        let gradients = Gradients::of(losses, shared)?;
        let count = gradients.losses.len();
        let mut state = lock(&self.state);
        let fits = state.squares.len() == count
            && state.squares.iter().all(|row| {
                row.len() == shared.len()
                    && row
                        .iter()
                        .zip(shared)
                        .all(|(s, var)| s.as_ref().is_none_or(|s| s.shape() == var.shape()))
            });
        if !fits {
            *state = State {
                squares: vec![vec![None; shared.len()]; count],
                first: None,
                weights: vec![1.0 / count as f64; count],
            };
        }
        let mut excess = vec![0.0; count];
        for (k, row) in gradients.rows().iter().enumerate() {
            for (squares, gradient) in state.squares[k].iter_mut().zip(row) {
                let Some(gradient) = gradient else { continue };
                let square = gradient.sqr()?;
                let sum = match squares.take() {
                    Some(squares) => (squares + &square)?,
                    None => square.clone(),
                };
                let part = (square / (&sum + 1e-7)?.sqrt()?)?.sum_all()?;
                excess[k] += part.to_dtype(DType::F64)?.to_scalar::<f64>()?;
                *squares = Some(sum);
            }
        }
        let relative: Vec<f64> = match &state.first {
            Some(first) => excess
                .iter()
                .zip(first)
                .map(|(now, first)| now / (first + 1e-7))
                .collect(),
            None => {
                state.first = Some(excess.clone());
                excess
            }
        };
        let logits: Vec<f64> = state
            .weights
            .iter()
            .zip(&relative)
            .map(|(weight, excess)| weight.ln() + self.config.rate * excess)
            .collect();
        state.weights = softmax(&logits);
        let weights = state.weights.clone();
        drop(state);
        gradients.combine(weights)
    }
}
