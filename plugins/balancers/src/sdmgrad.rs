//! SDMGrad: near a preferred direction, the mean gradient, with weights found by a few steps of projected descent.
//!
//! The paper takes the products of gradients of two independent batches; here, as in LibMTL, both are of the same one. The
//! weights begin where those of the step before ended. Rate, momentum and scaling are those of the authors' program.

use patchbay::plugin::prelude::*;
use std::sync::Mutex;

use crate::{
    gradients::Gradients,
    linear_algebra::{Matrix, apply},
    losses::lock,
    simplex::project,
};

patchbay::config! {
    /// Settings of [`SdmGrad`].
    pub struct SdmGradConfig {
        /// How strongly the step is drawn to the mean gradient.
        #[schemars(range(min = 0.0))]
        lambda: f64 = 0.3,
        /// Steps of the inner descent.
        #[schemars(range(min = 1))]
        iterations: usize = 20,
        /// The inner descent's learning rate.
        #[schemars(range(min = 0.0))]
        rate: f64 = 10.0,
        /// The inner descent's momentum.
        #[schemars(range(min = 0.0, max = 1.0))]
        momentum: f64 = 0.5,
    }
}

/// Stochastic multi-objective descent drawn to the mean gradient.
pub struct SdmGrad {
    config: SdmGradConfig,
    /// Where the inner descent ended.
    weights: Mutex<Vec<f64>>,
}

impl Component for SdmGrad {}

impl Define for SdmGrad {
    type Kind = dyn Balancer;
    type Config = SdmGradConfig;
    const ID: &'static str = "balancer/sdmgrad";
    const SUMMARY: &'static str = "Stochastic multi-objective descent drawn to the mean gradient";
    const DETAILS: Details = Details {
        formula: "(sum_k w_k g_k + lambda g_0) / (1 + lambda), w: descent of 1/2 |sum_k w_k g_k + lambda g_0|^2 on the simplex",
        reference: "Xiao, Ban and Ji 2023, Direction-oriented Multi-objective Learning, arXiv 2305.18409, algorithm 1; as LibMTL's SDMGrad",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/sdmgrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: SdmGradConfig, _context: &Context) -> Result<Self> {
        Ok(SdmGrad {
            config,
            weights: Mutex::default(),
        })
    }
}

impl Balancer for SdmGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        let gradients = Gradients::of(losses, shared)?;
        let weights = self.weights(&gradients.gram)?;
        gradients.combine(weights)
    }
}

impl SdmGrad {
    fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let mean = 1.0 / count as f64;
        let SdmGradConfig {
            lambda,
            iterations,
            rate,
            momentum,
        } = self.config;
        let size = (0..count).map(|i| gram[i][i].sqrt()).sum::<f64>() * mean;
        if size == 0.0 {
            return Ok(vec![mean; count]);
        }
        let mut w = lock(&self.weights);
        if w.len() != count {
            *w = vec![mean; count];
        }
        let mut velocity = vec![0.0; count];
        for _ in 0..iterations {
            let target: Vec<f64> = w.iter().map(|w| w + lambda * mean).collect();
            let gradient = apply(gram, &target);
            for ((w, v), g) in w.iter_mut().zip(&mut velocity).zip(gradient) {
                *v = momentum * *v + g / (size * size);
                *w -= rate * *v;
            }
            *w = project(&w);
        }
        Ok(w.iter()
            .map(|w| (w + lambda * mean) / (1.0 + lambda))
            .collect())
    }
}
