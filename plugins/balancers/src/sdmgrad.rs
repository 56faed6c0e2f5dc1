//! SDMGrad: near a preferred direction, the mean gradient.
//!
//! The paper takes the products of gradients of two independent batches; here both are of the same one, which makes the
//! problem deterministic, and it is solved to its minimum. The authors' program and LibMTL take 20 steps of projected
//! descent, at a rate that need not converge.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, apply, scale},
    simplex::minimize,
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`SdmGrad`].
    pub struct SdmGradConfig {
        /// How strongly the step is drawn to the mean gradient.
        #[schemars(range(min = 0.0))]
        lambda: f64 = 0.3,
    }
}

/// Stochastic multi-objective descent drawn to the mean gradient.
pub struct SdmGrad {
    config: SdmGradConfig,
}

impl Component for SdmGrad {}

impl Define for SdmGrad {
    type Kind = dyn Balancer;
    type Config = SdmGradConfig;
    const ID: &'static str = "balancer/sdmgrad";
    const SUMMARY: &'static str = "Stochastic multi-objective descent drawn to the mean gradient";
    const DETAILS: Details = Details {
        formula: "(sum_k w_k g_k + lambda g_0) / (1 + lambda), w = argmin over the simplex of 1/2 |sum_k w_k g_k + lambda g_0|^2",
        reference: "Xiao, Ban and Ji 2023, Direction-oriented Multi-objective Learning, arXiv 2305.18409, algorithm 1",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/sdmgrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: SdmGradConfig, _context: &Context) -> Result<Self> {
        Ok(SdmGrad { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for SdmGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl SdmGrad {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let mean = 1.0 / count as f64;
        let lambda = self.config.lambda;
        if scale(gram) == 0.0 {
            return Ok(vec![mean; count]);
        }
        let drawn = |w: &[f64]| -> Vec<f64> { w.iter().map(|w| w + lambda * mean).collect() };
        let w = minimize(count, 1e-12 * scale(gram), |w| apply(gram, &drawn(w)))?;
        Ok(drawn(&w).iter().map(|w| w / (1.0 + lambda)).collect())
    }
}
