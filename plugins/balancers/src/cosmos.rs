//! COSMOS: a weighted sum of the losses, less the cosine between losses and preference.
//!
//! Its gradient is that of the losses weighed by its slope, which is what is told. The preference stays what the settings say;
//! the paper draws one for each batch and gives it to the network, too, which a balancer cannot.

use patchbay::plugin::prelude::*;

use crate::{
    linear_algebra::dot,
    losses::{backward, values},
    preference,
};

patchbay::config! {
    /// Settings of [`Cosmos`].
    pub struct CosmosConfig {
        /// How much the cosine counts; 0 gives the weighted sum. The paper has 0.01 to 8.
        #[schemars(range(min = 0.0))]
        lambda: f64 = 1.0,
        /// The preference, one number for each loss; empty: 1 for each.
        weights: Vec<f64> = Vec::new(),
    }
}

/// A weighted sum of the losses that draws them to a preferred direction.
pub struct Cosmos {
    config: CosmosConfig,
}

impl Component for Cosmos {}

impl Define for Cosmos {
    type Kind = dyn Balancer;
    type Config = CosmosConfig;
    const ID: &'static str = "balancer/cosmos";
    const SUMMARY: &'static str = "A weighted sum, less the cosine of losses and preference";
    const DETAILS: Details = Details {
        formula: "sum_k r_k L_k - lambda cos(r, L), so w_k = r_k - lambda (r_k / (|r| |L|) - cos(r, L) L_k / |L|^2)",
        reference: "Ruchte and Grabocka 2021, Scalable Pareto Front Approximation for Deep Multi-Objective Learning, arXiv 2103.13392, eq. 5; as TorchJD's COSMOS",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/cosmos", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: CosmosConfig, _context: &Context) -> Result<Self> {
        preference::check(&config.weights)?;
        Ok(Cosmos { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"weights": [1.0, 0.5, 2.0]}))
    }
}

impl Balancer for Cosmos {
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
        let r = preference::of("weights", &self.config.weights, present, 1.0)?;
        backward(losses, slope(&values, &r, self.config.lambda))
    }
}

/// The derivative of the sum less the cosine. Where losses or preference are 0 no direction is known.
fn slope(losses: &[f64], r: &[f64], lambda: f64) -> Vec<f64> {
    const LEAST: f64 = 1e-8;
    let length = |x: &[f64]| dot(x, x).sqrt();
    let (of_r, of_losses) = (length(r), length(losses));
    if of_r < LEAST || of_losses < LEAST {
        return r.to_vec();
    }
    let cosine = dot(r, losses) / (of_r * of_losses);
    r.iter()
        .zip(losses)
        .map(|(r, loss)| {
            let turn = r / (of_r * of_losses) - cosine * loss / (of_losses * of_losses);
            r - lambda * turn
        })
        .collect()
}
