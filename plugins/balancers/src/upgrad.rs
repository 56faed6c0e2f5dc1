//! UPGrad: each gradient is projected to where no loss rises, and the projections are averaged.
//!
//! As TorchJD, its authors' library: G is divided by its trace and a little is added to its diagonal before the projection.
//! The projection is exact (an active-set method); a failure is told.

use crate::{gradients::balance, linear_algebra::Matrix, simplex::above};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`UpGrad`].
    pub struct UpGradConfig {
        /// Number that is added to the diagonal of G after G was divided by its trace.
        #[schemars(range(min = 0.0))]
        regularization: f64 = 1e-4,
    }
}

/// Each gradient is projected to where no loss rises; the mean of the projections.
pub struct UpGrad {
    config: UpGradConfig,
}

impl Component for UpGrad {}

impl Define for UpGrad {
    type Kind = dyn Balancer;
    type Config = UpGradConfig;
    const ID: &'static str = "balancer/upgrad";
    const SUMMARY: &'static str =
        "Each gradient is projected to where no loss rises; the mean of the projections";
    const DETAILS: Details = Details {
        formula: "w = 1/K sum_i argmin v^T G v over v >= e_i",
        reference: "Quinton and Rey 2024, Jacobian Descent for Multi-Objective Optimization, arXiv 2406.16232, section 3.1",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/upgrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: UpGradConfig, _context: &Context) -> Result<Self> {
        Ok(UpGrad { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for UpGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl UpGrad {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let mean = 1.0 / count as f64;
        let Some(scaled) = scaled(gram, self.config.regularization) else {
            return Ok(vec![mean; count]);
        };
        let mut weights = vec![0.0; count];
        for i in 0..count {
            let mut lower = vec![0.0; count];
            lower[i] = mean;
            for (weight, v) in weights.iter_mut().zip(above(&scaled, &lower)?) {
                *weight += v;
            }
        }
        Ok(weights)
    }
}

/// The products over their trace, and a little more on the diagonal, so that the projection has one solution; `None` where all
/// are 0.
pub(crate) fn scaled(gram: &Matrix, regularization: f64) -> Option<Matrix> {
    let trace: f64 = (0..gram.len()).map(|i| gram[i][i]).sum();
    if trace == 0.0 {
        return None;
    }
    let mut scaled: Matrix = gram
        .iter()
        .map(|row| row.iter().map(|g| g / trace).collect())
        .collect();
    for (i, row) in scaled.iter_mut().enumerate() {
        row[i] += regularization;
    }
    Some(scaled)
}
