//! Nash-MTL: the step on which the losses agree as bargainers.
//!
//! The bargaining problem G a = 1 / a is the minimum of a strictly convex function and solved as such, to ten digits; the
//! authors' program approximates it by 20 convex problems (ECOS through cvxpy), LibMTL's copy of which silently falls back
//! to equal weights where that solver is not installed.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, bargain, frobenius, square},
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`NashMtl`].
    pub struct NashMtlConfig {
        /// The step's length at the shared parameters is at most this; 0: no bound.
        #[schemars(range(min = 0.0))]
        max_norm: f64 = 1.0,
    }
}

/// The step on which the losses agree as bargainers.
pub struct NashMtl {
    config: NashMtlConfig,
}

impl Component for NashMtl {}

impl Define for NashMtl {
    type Kind = dyn Balancer;
    type Config = NashMtlConfig;
    const ID: &'static str = "balancer/nash_mtl";
    const SUMMARY: &'static str = "The step on which the losses agree as bargainers";
    const DETAILS: Details = Details {
        formula: "G / |G| a = 1 / a, the step being at most max_norm long",
        reference: "Navon et al. 2022, Multi-Task Learning as a Bargaining Game, arXiv 2202.01017, eq. 3",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/nash_mtl", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: NashMtlConfig, _context: &Context) -> Result<Self> {
        Ok(NashMtl { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for NashMtl {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl NashMtl {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let size = frobenius(gram);
        if size == 0.0 {
            bail!(
                "all gradients are zero at the shared parameters: there is nothing to bargain for"
            );
        }
        let scaled: Matrix = gram
            .iter()
            .map(|row| row.iter().map(|g| g / size).collect())
            .collect();
        let mut weights = bargain(&scaled, 1.0)?;
        let length = square(gram, &weights).sqrt();
        if self.config.max_norm > 0.0 && length > self.config.max_norm {
            for weight in &mut weights {
                *weight *= self.config.max_norm / length;
            }
        }
        Ok(weights)
    }
}
