//! DualProj: the mean gradient is projected to where no loss rises.
//!
//! As TorchJD: G is divided by its trace and a little is added to its diagonal before the projection, which is exact (an
//! active-set method). Gradient episodic memory projects one task's gradient that way; here it is the mean, or what is preferred.

use crate::{
    gradients::balance, linear_algebra::Matrix, preference, simplex::above, upgrad::scaled,
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`DualProj`].
    pub struct DualProjConfig {
        /// What is projected: one weight for each loss; empty: 1/K, their mean.
        weights: Vec<f64> = Vec::new(),
        /// What is added to the diagonal of G after G was divided by its trace.
        #[schemars(range(min = 0.0))]
        regularization: f64 = 1e-4,
    }
}

/// The mean gradient, projected to where no loss rises.
pub struct DualProj {
    config: DualProjConfig,
}

impl Component for DualProj {}

impl Define for DualProj {
    type Kind = dyn Balancer;
    type Config = DualProjConfig;
    const ID: &'static str = "balancer/dual_proj";
    const SUMMARY: &'static str = "The mean gradient, projected to where no loss rises";
    const DETAILS: Details = Details {
        formula: "w = argmin v^T G v over v >= u,  u = 1/K",
        reference: "Lopez-Paz and Ranzato 2017, Gradient Episodic Memory for Continual Learning, arXiv 1706.08840, eq. 11; as TorchJD's DualProj",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/dual_proj", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: DualProjConfig, _context: &Context) -> Result<Self> {
        preference::check(&config.weights)?;
        Ok(DualProj { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for DualProj {
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
            let even = 1.0 / present.places().len() as f64;
            let given = preference::of("weights", &self.config.weights, &present, even)?;
            let weights = self.weights(&gradients.gram, &given)?;
            gradients.combine(weights)
        })
    }
}

impl DualProj {
    pub(crate) fn weights(&self, gram: &Matrix, preferred: &[f64]) -> Result<Vec<f64>> {
        match scaled(gram, self.config.regularization) {
            Some(scaled) => above(&scaled, preferred),
            None => Ok(preferred.to_vec()),
        }
    }
}
