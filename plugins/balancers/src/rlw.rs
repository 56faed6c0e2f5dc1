//! Random weights in every step, the baseline that many balancers do not beat.
//!
//! The numbers follow `nn::seed_all`.

use patchbay::ops::Stream;
use patchbay::plugin::prelude::*;

use crate::losses::{backward, softmax, values};

/// Random loss weighting: new random weights in every step, of sum 1.
pub struct Rlw;

impl Component for Rlw {}

impl Define for Rlw {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/rlw";
    const SUMMARY: &'static str =
        "Random loss weighting: new random weights in every step, of sum 1";
    const DETAILS: Details = Details {
        formula: "w = softmax(z), z ~ N(0, 1)",
        reference: "Lin et al. 2022, Reasonable Effectiveness of Random Weighting, arXiv 2111.10603, section 3",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/rlw", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(Rlw)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Rlw {
    fn backward(&self, losses: &[Tensor], _shared: &[Var]) -> Result<Balanced> {
        let count = values(losses)?.len();
        backward(losses, softmax(&Stream::next().normal(count)))
    }
}
