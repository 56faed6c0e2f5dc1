//! Impartial multi-task learning, the gradient part: the step has the same projection on every loss's gradient.
//!
//! Where the gradients are linearly dependent there is no such step, which is told; TorchJD takes a pseudo-inverse there.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, eigen, solve},
};
use patchbay::plugin::prelude::*;

/// The step has the same projection on every loss's unit gradient.
pub struct ImtlG;

impl Component for ImtlG {}

impl Define for ImtlG {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/imtl_g";
    const SUMMARY: &'static str = "The step has the same projection on every loss's unit gradient";
    const DETAILS: Details = Details {
        formula: "G a = (|g_1|, ..., |g_K|), w = a / sum a",
        reference: "Liu et al. 2021, Towards Impartial Multi-Task Learning, ICLR 2021, eq. 6",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/imtl_g", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(ImtlG)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for ImtlG {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl ImtlG {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let norms: Vec<f64> = (0..count).map(|i| gram[i][i].sqrt()).collect();
        if let Some(zero) = norms.iter().position(|&norm| norm == 0.0) {
            bail!(
                "the gradient of loss {zero} of {count} is zero at the shared parameters: no step has a projection on it"
            );
        }
        // With unit gradients G a = |g| is C b = 1 and a_k = b_k / |g_k|, C being the cosines.
        let cosines: Matrix = gram
            .iter()
            .zip(&norms)
            .map(|(row, a)| row.iter().zip(&norms).map(|(g, b)| g / (a * b)).collect())
            .collect();
        // The gradients are numbers of single precision: what they differ from dependent ones by less than that is rounding.
        let least = eigen(&cosines)?.0[0];
        if least <= count as f64 * f64::from(f32::EPSILON) {
            bail!(
                "the gradients of the {count} losses are linearly dependent (the least eigenvalue of their cosines is \
                 {least:.1e}), so no step has equal projections on all: leave out the loss that follows from the others, or \
                 take another balancer, balancer/upgrad for instance"
            );
        }
        let solution: Vec<f64> = solve(&cosines, &vec![1.0; count])?
            .iter()
            .zip(&norms)
            .map(|(b, norm)| b / norm)
            .collect();
        let sum: f64 = solution.iter().sum();
        if sum == 0.0 {
            bail!(
                "the gradients' products {gram:?} have no step with equal projections whose factors can be normalized"
            );
        }
        Ok(solution.iter().map(|a| a / sum).collect())
    }
}
