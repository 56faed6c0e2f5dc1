//! Penalty-based boundary intersection: how far the losses are along a preferred direction, and beside it.
//!
//! Its gradient is that of the losses weighed by its slope, which is what is told. A loss that is below the direction has a
//! negative weight where `theta` is large: it is let rise until the losses have the preferred ratios.

use patchbay::plugin::prelude::*;

use crate::{
    linear_algebra::dot,
    losses::{backward, values},
    preference,
};

patchbay::config! {
    /// Settings of [`Pbi`].
    pub struct PbiConfig {
        /// How much the distance from the direction counts; 0 gives the weighted sum. The paper has 5.
        #[schemars(range(min = 0.0))]
        theta: f64 = 0.5,
        /// The direction, one number for each loss; empty: 1 for each.
        weights: Vec<f64> = Vec::new(),
        /// The least values that the losses can have, from which they are measured; empty: 0 for each.
        reference: Vec<f64> = Vec::new(),
    }
}

/// Losses along a preferred direction, and a penalty for what is beside it.
pub struct Pbi {
    config: PbiConfig,
}

impl Component for Pbi {}

impl Define for Pbi {
    type Kind = dyn Balancer;
    type Config = PbiConfig;
    const ID: &'static str = "balancer/pbi";
    const SUMMARY: &'static str = "Losses along a preferred direction, and a penalty beside it";
    const DETAILS: Details = Details {
        formula: "d_1 + theta d_2, d_1 = (L - z) u, d_2 = |L - z - d_1 u|, u = w / |w|, so w_k = u_k + theta (L_k - z_k - d_1 u_k) / d_2",
        reference: "Zhang and Li 2007, MOEA/D, IEEE Transactions on Evolutionary Computation 11, 712, section III; as TorchJD's PBI",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/pbi", json!({"theta": 0.5}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: PbiConfig, _context: &Context) -> Result<Self> {
        preference::check(&config.weights)?;
        if let Some(bad) = config.reference.iter().find(|value| !value.is_finite()) {
            bail!("the reference must be finite numbers; one is {bad}");
        }
        Ok(Pbi { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"weights": [1.0, 0.5, 2.0], "theta": 0.3}))
    }
}

impl Balancer for Pbi {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        _shared: &[Var],
    ) -> Result<Balanced> {
        let values = values(losses)?;
        let direction = preference::of("weights", &self.config.weights, present, 1.0)?;
        let reference = preference::of("reference", &self.config.reference, present, 0.0)?;
        let above: Vec<f64> = values.iter().zip(&reference).map(|(v, z)| v - z).collect();
        backward(losses, slope(&above, &direction, self.config.theta))
    }
}

/// The derivative of the distances along the direction and beside it.
fn slope(losses: &[f64], direction: &[f64], theta: f64) -> Vec<f64> {
    // Beside a direction that is met there is no slope; TorchJD adds this under the root, too.
    const LEAST: f64 = 1e-12;
    let length = dot(direction, direction).sqrt();
    if length == 0.0 {
        // All that are preferred are absent: none of these is.
        return vec![0.0; losses.len()];
    }
    let unit: Vec<f64> = direction.iter().map(|w| w / length).collect();
    let along = dot(losses, &unit);
    let beside: Vec<f64> = losses
        .iter()
        .zip(&unit)
        .map(|(l, u)| l - along * u)
        .collect();
    let distance = (dot(&beside, &beside) + LEAST).sqrt();
    unit.iter()
        .zip(&beside)
        .map(|(u, beside)| u + theta * beside / distance)
        .collect()
}
