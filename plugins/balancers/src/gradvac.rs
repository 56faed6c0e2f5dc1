//! Gradient vaccine: gradients are turned towards one another until they are as alike as they usually are.
//!
//! The usual likeness of a pair is an exponential average of cosines. The others are gone through in random order, which
//! follows `nn::seed_all`.
//!
//! The usual cosine follows in every step, as in the paper; LibMTL's follows only where a gradient was turned. It comes along
//! in a swap or reload.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, dot, square},
    losses::{lock, matrix},
    pcgrad::others,
};

patchbay::config! {
    /// Settings of [`GradVac`].
    pub struct GradVacConfig {
        /// How fast the usual cosine follows.
        #[schemars(range(min = 0.0, max = 1.0))]
        beta: f64 = 0.5,
    }
}

/// Gradient vaccine: gradients are turned towards one another up to their usual cosine.
pub struct GradVac {
    config: GradVacConfig,
    /// The usual cosine of each pair.
    usual: Mutex<Matrix>,
}

impl Component for GradVac {
    fn state(&self) -> Map<String, Value> {
        Map::from_iter([("usual_cosines".to_owned(), json!(*lock(&self.usual)))])
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        match matrix(state, "usual_cosines") {
            Some(usual) => {
                *lock(&self.usual) = usual;
                vec!["usual_cosines".to_owned()]
            }
            None => Vec::new(),
        }
    }
}

impl Define for GradVac {
    type Kind = dyn Balancer;
    type Config = GradVacConfig;
    const ID: &'static str = "balancer/gradvac";
    const SUMMARY: &'static str =
        "Gradient vaccine: gradients are turned towards one another up to their usual cosine";
    const DETAILS: Details = Details {
        formula: "g_i <- g_i + |g_i| (r sqrt(1 - c^2) - c sqrt(1 - r^2)) / (|g_j| sqrt(1 - r^2)) g_j where c = cos(g_i, g_j) < r; r <- (1 - beta) r + beta c",
        reference: "Wang et al. 2021, Gradient Vaccine, arXiv 2010.05874, eq. 3",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/gradvac", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: GradVacConfig, _context: &Context) -> Result<Self> {
        Ok(GradVac {
            config,
            usual: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for GradVac {
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
            let weights = self.weights(&gradients.gram, &present, others);
            gradients.combine(weights)
        })
    }
}

impl GradVac {
    fn weights(
        &self,
        gram: &Matrix,
        present: &Present,
        order: fn(usize, usize) -> Vec<usize>,
    ) -> Vec<f64> {
        let (count, places) = (gram.len(), present.places());
        let mut usual = lock(&self.usual);
        if usual.len() != present.total() {
            *usual = vec![vec![0.0; present.total()]; present.total()];
        }
        let mut total = vec![0.0; count];
        for i in 0..count {
            let mut combination = vec![0.0; count];
            combination[i] = 1.0;
            for j in order(i, count) {
                let (own, other) = (square(gram, &combination).sqrt(), gram[j][j].sqrt());
                if own == 0.0 || other == 0.0 {
                    continue;
                }
                // By rounding the cosine of nearly parallel gradients may be beyond 1, which no root survives.
                let cosine = (dot(&combination, &gram[j]) / (own * other)).clamp(-1.0, 1.0);
                let goal = usual[places[i]][places[j]];
                if cosine < goal {
                    let (a, b) = (
                        (1.0 - cosine * cosine).sqrt(),
                        (1.0 - goal * goal).max(1e-12).sqrt(),
                    );
                    combination[j] += own * (goal * a - cosine * b) / (other * b);
                }
                usual[places[i]][places[j]] =
                    (1.0 - self.config.beta) * goal + self.config.beta * cosine;
            }
            for (total, part) in total.iter_mut().zip(&combination) {
                *total += part;
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_turned_up_to_its_usual_cosine() {
        let balancer = GradVac {
            config: GradVacConfig { beta: 0.0 },
            usual: Mutex::new(vec![vec![0.0, 0.6], vec![0.6, 0.0]]),
        };
        let gram = vec![vec![1.0, 0.0], vec![0.0, 4.0]];
        // Both turn: g1 + 0.375 g2 and g2 + 1.5 g1, each with a cosine of 0.6 to the other's original.
        let weights = balancer.weights(&gram, &Present::all(2), others);
        assert!(
            (weights[0] - 2.5).abs() < 1e-12 && (weights[1] - 1.375).abs() < 1e-12,
            "{weights:?}"
        );
    }

    #[test]
    fn parallel_gradients_have_finite_factors_over_many_steps() {
        let balancer = GradVac {
            config: GradVacConfig { beta: 0.5 },
            usual: Mutex::default(),
        };
        let g = |step: i32, k: i32| 0.1 + 0.37 * f64::from((7 * step + 13 * k) % 11);
        for step in 0..300 {
            let (a, b) = (g(step, 0), g(step, 1));
            // Proportional, and, as sums of rounded numbers are, not exactly.
            let product = a * b * (1.0 + 1e-15 * f64::from(step % 3));
            let gram = vec![vec![a * a, product], vec![product, b * b]];
            let weights = balancer.weights(&gram, &Present::all(2), others);
            assert!(
                weights.iter().all(|weight| (0.9..1.5).contains(weight)),
                "step {step}: {weights:?}"
            );
        }
    }

    #[test]
    fn three_in_a_fixed_order_are_those_of_the_reference() {
        let (grams, expected) = crate::pcgrad::fixed_order("gradvac");
        let balancer = GradVac {
            config: GradVacConfig { beta: 0.5 },
            usual: Mutex::default(),
        };
        for (gram, expected) in grams.iter().zip(&expected) {
            let weights =
                balancer.weights(gram, &Present::all(gram.len()), crate::pcgrad::ascending);
            for (weight, expected) in weights.iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-9, "{weights:?}");
            }
        }
    }
}
