//! FairGrad: a fair division of the decrease among the losses.
//!
//! The problem is the minimum of a strictly convex function and solved as such, by Newton's method; the authors' program
//! asks SciPy's least squares. `alpha` 0 would be the plain sum, 1 is proportional fairness (the weights of Nash-MTL
//! without its scaling), large values care for the loss that falls least.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, bargain},
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`FairGrad`].
    pub struct FairGradConfig {
        /// How fair: 1 proportional, 2 harmonic, towards infinity max-min.
        #[schemars(range(min = 0.05))]
        alpha: f64 = 1.0,
    }
}

/// A fair division of the decrease among the losses (alpha fairness).
pub struct FairGrad {
    config: FairGradConfig,
}

impl Component for FairGrad {}

impl Define for FairGrad {
    type Kind = dyn Balancer;
    type Config = FairGradConfig;
    const ID: &'static str = "balancer/fairgrad";
    const SUMMARY: &'static str =
        "A fair division of the decrease among the losses (alpha fairness)";
    const DETAILS: Details = Details {
        formula: "G w = w^(-1/alpha)",
        reference: "Ban and Ji 2024, Fair Resource Allocation in Multi-Task Learning, arXiv 2402.15638, eq. 6",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/fairgrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: FairGradConfig, _context: &Context) -> Result<Self> {
        Ok(FairGrad { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for FairGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl FairGrad {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        bargain(gram, self.config.alpha)
    }
}
