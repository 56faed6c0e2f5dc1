//! Conflict-averse gradient descent: near the mean gradient, but so that the worst loss falls as fast as possible.
//!
//! The factors are those of the authors' program with `rescale` 1 (divided by 1 + c²), 2 (by 1 + c) or 0 (not divided, as
//! in TorchJD). Their solver is SciPy's SLSQP; this one converges to the optimum or says that it did not.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, apply, dot, scale, square},
    simplex::minimize,
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`CaGrad`].
    pub struct CaGradConfig {
        /// How far from the mean gradient, relative to its length; 0 is the mean gradient. The paper's theorem, that the mean
        /// loss falls, needs a c below 1.
        #[schemars(range(min = 0.0, max = 1.0))]
        c: f64 = 0.5,
        /// Number that the result is divided by: 0: 1, 1: 1 + c^2, 2: 1 + c.
        #[schemars(range(max = 2))]
        rescale: u8 = 1,
    }
}

/// Near the mean gradient, with the worst loss falling as fast as possible.
pub struct CaGrad {
    config: CaGradConfig,
}

impl Component for CaGrad {}

impl Define for CaGrad {
    type Kind = dyn Balancer;
    type Config = CaGradConfig;
    const ID: &'static str = "balancer/cagrad";
    const SUMMARY: &'static str =
        "Near the mean gradient, with the worst loss falling as fast as possible";
    const DETAILS: Details = Details {
        formula: "g0 + c |g0| / |g_w| g_w over 1 + c^2, g_w = sum_k w_k g_k, w = argmin over the simplex of g_w . g0 + c |g0| |g_w|",
        reference: "Liu et al. 2021, Conflict-Averse Gradient Descent, arXiv 2110.14048, algorithm 1",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/cagrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: CaGradConfig, _context: &Context) -> Result<Self> {
        Ok(CaGrad { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for CaGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl CaGrad {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let mean = vec![1.0 / count as f64; count];
        let c = self.config.c;
        let length = square(gram, &mean).sqrt();
        let radius = c * length;
        if radius == 0.0 || scale(gram) == 0.0 {
            return Ok(mean);
        }
        let product = apply(gram, &mean);
        // At a combination of length zero the norm has no gradient; a bound on the length keeps it finite.
        let least = 1e-12 * scale(gram).sqrt();
        let w = minimize(count, 1e-11 * scale(gram), |w| {
            let image = apply(gram, w);
            let norm = dot(w, &image).max(0.0).sqrt().max(least);
            image
                .iter()
                .zip(&product)
                .map(|(image, product)| product + radius * image / norm)
                .collect()
        })?;
        let factor = radius / square(gram, &w).sqrt().max(least);
        let divisor = match self.config.rescale {
            0 => 1.0,
            1 => 1.0 + c * c,
            _ => 1.0 + c,
        };
        Ok(mean
            .iter()
            .zip(&w)
            .map(|(mean, w)| (mean + factor * w) / divisor)
            .collect())
    }
}
