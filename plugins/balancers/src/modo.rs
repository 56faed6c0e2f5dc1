//! MoDo: weights that follow the products of the gradients of two independent batches, on the simplex.
//!
//! The paper's guarantee needs two batches: with `double_sampling` the losses are those of one batch, followed by the same of
//! another, and the step is along the mean of both. Without it both are the same batch, as in LibMTL's other methods, and the noise
//! of the gradients is in the weights.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, apply},
    losses::{lock, numbers},
    simplex::project,
};

patchbay::config! {
    /// Settings of [`MoDo`].
    pub struct MoDoConfig {
        /// The learning rate of the weights.
        #[schemars(range(min = 0.0))]
        gamma: f64 = 0.1,
        /// How strongly the weights are drawn to equal ones.
        #[schemars(range(min = 0.0))]
        rho: f64 = 0.1,
        /// Whether the losses are those of two independent batches: first all of one, then the same of the other.
        double_sampling: bool = false,
    }
}

/// Weights on the simplex that follow the products of the gradients.
pub struct MoDo {
    config: MoDoConfig,
    weights: Mutex<Vec<f64>>,
}

impl Component for MoDo {
    fn state(&self) -> Map<String, Value> {
        Map::from_iter([("modo_weights".to_owned(), json!(*lock(&self.weights)))])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        match numbers(state, "modo_weights") {
            Some(weights) => {
                *lock(&self.weights) = weights;
                vec!["modo_weights".to_owned()]
            }
            None => Vec::new(),
        }
    }
}

impl Define for MoDo {
    type Kind = dyn Balancer;
    type Config = MoDoConfig;
    const ID: &'static str = "balancer/modo";
    const SUMMARY: &'static str =
        "Weights on the simplex that follow the products of the gradients";
    const DETAILS: Details = Details {
        formula: "w <- project(w - gamma (G w + rho w)) on the simplex,  G_ij = g_i(batch 1) g_j(batch 2)",
        reference: "Chen et al. 2023, Three-Way Trade-Off in Multi-Objective Learning, arXiv 2305.20057, algorithm 2; as TorchJD's MoDoWeighting",
        shapes: "losses: K scalars [], or 2 K of two batches; shared: the variables that all losses use; weights: a number for each",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/modo", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: MoDoConfig, _context: &Context) -> Result<Self> {
        Ok(MoDo {
            config,
            weights: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for MoDo {
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
            let weights = self.step(&present, &gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl MoDo {
    /// Moves the weights, and returns those of the losses that are present.
    fn step(&self, present: &Present, gram: &Matrix) -> Result<Vec<f64>> {
        let total = present.total();
        let tasks = match self.config.double_sampling {
            true if total % 2 == 1 => bail!(
                "with double_sampling the losses are those of one batch followed by the same of another; {total} is odd"
            ),
            true => total / 2,
            false => total,
        };
        let mut all = lock(&self.weights);
        if all.len() != tasks {
            *all = vec![1.0 / tasks as f64; tasks];
        }
        // Tasks whose gradient of each batch is there: the task, and its two places in the matrix.
        let place = |loss: usize| present.places().iter().position(|&at| at == loss);
        let moving: Vec<(usize, usize, usize)> = (0..tasks)
            .filter_map(|task| {
                let first = place(task)?;
                let second = match self.config.double_sampling {
                    true => place(task + tasks)?,
                    false => first,
                };
                Some((task, first, second))
            })
            .collect();
        if !moving.is_empty() {
            let products: Matrix = moving
                .iter()
                .map(|&(_, i, _)| moving.iter().map(|&(_, _, j)| gram[i][j]).collect())
                .collect();
            // Those that take part share what they have of the weights' sum, 1 where all do.
            let own: Vec<f64> = moving.iter().map(|&(task, ..)| all[task]).collect();
            let sum: f64 = own.iter().sum();
            let own: Vec<f64> = match sum > 0.0 {
                true => own.iter().map(|w| w / sum).collect(),
                false => vec![1.0 / own.len() as f64; own.len()],
            };
            let pull = apply(&products, &own);
            let moved: Vec<f64> = own
                .iter()
                .zip(&pull)
                .map(|(w, pull)| w - self.config.gamma * (pull + self.config.rho * w))
                .collect();
            for (&(task, ..), weight) in moving.iter().zip(project(&moved)) {
                all[task] = weight * sum;
            }
        }
        let task = |loss: usize| if loss < tasks { loss } else { loss - tasks };
        let half = match self.config.double_sampling {
            true => 0.5,
            false => 1.0,
        };
        let own: Vec<f64> = present
            .places()
            .iter()
            .map(|&loss| all[task(loss)])
            .collect();
        // Where some are absent the others go on as if they were all.
        let there: f64 = own.iter().sum::<f64>() * half;
        let scale = match there > 0.0 && present.places().len() < total {
            true => half / there,
            false => half,
        };
        Ok(own.iter().map(|w| w * scale).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_batches_move_the_weights_by_their_products() -> Result<()> {
        crate::register()?;
        let balancer = create::<dyn Balancer>("balancer/modo", json!({"double_sampling": true}))?;
        let x = Var::zeros(3, DType::F32, &Device::Cpu)?;
        let loss = |gradient: [f32; 3]| -> Result<Tensor> {
            (x.as_tensor() * Tensor::new(&gradient, &Device::Cpu)?)?.sum_all()? + 1.0
        };
        let rows = [
            [1.0, 0.0, 2.0],
            [0.5, -1.0, 0.0],
            [0.8, 0.2, 1.5],
            [0.4, -0.5, 0.3],
        ];
        let losses: Vec<Tensor> = rows.into_iter().map(loss).collect::<Result<_>>()?;
        let balanced = balancer.backward(&losses, std::slice::from_ref(&x))?;
        // J_1 J_2^T = [[3.8, 1.0], [0.2, 0.7]]; times (1/2, 1/2) plus rho is (2.45, 0.5).
        let (a, b) = (0.5 - 0.245, 0.5 - 0.05);
        let shift = (a + b - 1.0) / 2.0;
        let expected = [(a - shift) / 2.0, (b - shift) / 2.0];
        for (at, weight) in balanced.weights.iter().enumerate() {
            assert!(
                (weight - expected[at % 2]).abs() < 1e-6,
                "{:?}",
                balanced.weights
            );
        }
        let odd = balancer.backward(&losses[..3], std::slice::from_ref(&x));
        assert!(odd.err().unwrap().to_string().contains("3 is odd"));
        Ok(())
    }
}
