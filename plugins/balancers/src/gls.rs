//! The geometric mean of the losses.
//!
//! Its gradient is that of the sum weighed by GLS / (K L_k), which are the weights that are told; LibMTL tells others.

use crate::losses::backward_above_zero;
use patchbay::plugin::prelude::*;

/// Geometric loss strategy: the geometric mean of the losses.
pub struct Gls;

impl Component for Gls {}

impl Define for Gls {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/gls";
    const SUMMARY: &'static str = "Geometric loss strategy: the geometric mean of the losses";
    const DETAILS: Details = Details {
        formula: "(prod_k L_k)^(1/K), so w_k = GLS / (K L_k)",
        reference: "Chennupati et al. 2019, MultiNet++, arXiv 1904.08492, eq. 3",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/gls", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(Gls)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Gls {
    fn backward(&self, losses: &[Tensor], _shared: &[Var]) -> Result<Balanced> {
        let all = Present::all(losses.len());
        backward_above_zero(losses, &all, "balancer/gls", |_, values| {
            let count = values.len() as f64;
            // The mean of logarithms: a product of many losses would leave the range of numbers.
            let mean = (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp();
            Ok(values.iter().map(|value| mean / (count * value)).collect())
        })
    }
}
