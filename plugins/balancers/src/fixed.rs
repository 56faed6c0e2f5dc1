//! Weights that are chosen once.

use crate::losses::{backward, values};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Fixed`].
    pub struct FixedConfig {
        /// One weight for each loss, in their order.
        weights: Vec<f64> = vec![1.0, 1.0],
    }
}

/// Weights that are chosen once, one for each loss.
pub struct Fixed {
    config: FixedConfig,
}

impl Component for Fixed {}

impl Define for Fixed {
    type Kind = dyn Balancer;
    type Config = FixedConfig;
    const ID: &'static str = "balancer/fixed";
    const SUMMARY: &'static str = "Weights that are chosen once, one for each loss";
    const DETAILS: Details = Details {
        formula: "w_k as given",
        reference: "Kurin et al. 2022, In Defense of the Unitary Scalarization, arXiv 2201.04122, eq. 1",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/fixed", json!({"weights": [1.0, 0.5]}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: FixedConfig, _context: &Context) -> Result<Self> {
        if let Some(bad) = config.weights.iter().find(|weight| !weight.is_finite()) {
            bail!("the weights must be finite numbers; one is {bad}");
        }
        Ok(Fixed { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"weights": [1.0, 0.5, 2.0]}))
    }
}

impl Balancer for Fixed {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        _shared: &[Var],
    ) -> Result<Balanced> {
        values(losses)?;
        let count = present.total();
        if count != self.config.weights.len() {
            bail!(
                "there are {count} losses and {} weights: give one weight for each loss, in their order",
                self.config.weights.len()
            );
        }
        backward(losses, present.pick(&self.config.weights))
    }
}
