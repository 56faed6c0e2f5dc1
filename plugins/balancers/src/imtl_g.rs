//! Impartial multi-task learning, the gradient part: the step has the same projection on every loss's gradient.
//!
//! Where the gradients are linearly dependent there is no such step, which is told; TorchJD takes a pseudo-inverse there.

use crate::{
    gradients::Gradients,
    linear_algebra::{Matrix, solve},
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
}

impl Balancer for ImtlG {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        let gradients = Gradients::of(losses, shared)?;
        let weights = self.weights(&gradients.gram)?;
        gradients.combine(weights)
    }
}

impl ImtlG {
    fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let norms: Vec<f64> = (0..gram.len()).map(|i| gram[i][i].sqrt()).collect();
        let solution = solve(gram, &norms)?;
        let sum: f64 = solution.iter().sum();
        if sum == 0.0 {
            bail!(
                "the gradients' products {gram:?} have no step with equal projections whose factors can be normalised"
            );
        }
        Ok(solution.iter().map(|a| a / sum).collect())
    }
}
