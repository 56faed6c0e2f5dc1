//! All losses count alike: the baseline of every comparison.

use crate::losses::{backward, values};
use patchbay::plugin::prelude::*;

/// All losses count alike: their plain sum.
pub struct Equal;

impl Component for Equal {}

impl Define for Equal {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/equal";
    const SUMMARY: &'static str = "All losses count alike: their plain sum";
    const DETAILS: Details = Details {
        formula: "w_k = 1",
        reference: "",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/equal", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(Equal)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Equal {
    fn backward(&self, losses: &[Tensor], _shared: &[Var]) -> Result<Balanced> {
        let count = values(losses)?.len();
        backward(losses, vec![1.0; count])
    }
}
