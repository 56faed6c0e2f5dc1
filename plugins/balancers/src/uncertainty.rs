//! Weights by learned uncertainty.
//!
//! The form of Liebel and Körner (2018), which LibMTL takes, too: a scale for each loss, trained with the network. Its
//! optimum for a loss L is s = ln L, where the loss is weighed by 1 / (2 L). The scales are parameters of the slot
//! (`slot.trainable()`): give them to the optimizer, or nothing moves.

use crate::losses::values;
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Uncertainty`].
    pub struct UncertaintyConfig {
        /// How many losses there are: each has a scale.
        #[schemars(range(min = 1))]
        losses: usize = 2,
        /// Where the scales begin.
        initial: f64 = -0.5,
    }
}

/// Weights by learned uncertainty: a trained scale for each loss.
pub struct Uncertainty {
    config: UncertaintyConfig,
    /// s `[K]`.
    log_variance: Var,
}

impl Component for Uncertainty {}

impl Define for Uncertainty {
    type Kind = dyn Balancer;
    type Config = UncertaintyConfig;
    const ID: &'static str = "balancer/uncertainty";
    const SUMMARY: &'static str = "Weights by learned uncertainty: a trained scale for each loss";
    const DETAILS: Details = Details {
        formula: "sum_k L_k / (2 exp s_k) + s_k / 2",
        reference: "Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty, arXiv 1705.07115, eq. 7; as LibMTL's UW",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: true,
        example: r#"let balancer = create::<dyn Balancer>("balancer/uncertainty", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: UncertaintyConfig, context: &Context) -> Result<Self> {
        let initial = Tensor::full(config.initial, config.losses, context.device())?;
        Ok(Uncertainty {
            log_variance: context.parameter("log_variance", &initial)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"losses": 3}))
    }
}

impl Balancer for Uncertainty {
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
        if count != self.config.losses {
            bail!(
                "this balancer was made for {} losses and got {count}: create it with {{\"losses\": {count}}}",
                self.config.losses
            );
        }
        let scales = self.log_variance.as_tensor();
        // A loss that takes no part would only pull its scale down.
        let mut total = Tensor::zeros((), scales.dtype(), scales.device())?;
        let mut weights = Vec::with_capacity(losses.len());
        for (loss, &place) in losses.iter().zip(present.places()) {
            let scale = scales.get(place)?;
            let factor = (scale.neg()?.exp()? * 0.5)?;
            weights.push(factor.to_dtype(DType::F64)?.to_scalar::<f64>()?);
            total = (total + (scale * 0.5)?)?;
            total = (total + (factor * loss.to_dtype(scales.dtype())?)?)?;
        }
        Ok(Balanced::new(total.backward()?, weights))
    }
}
