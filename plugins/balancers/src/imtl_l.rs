//! Impartial multi-task learning, the loss part: a trained scale for each loss.
//!
//! Its optimum for a loss L is s = -ln L, where the loss is weighed by 1 / L. The scales are parameters of the slot
//! (`slot.trainable()`): give them to the optimizer, or nothing moves. It is twice [`Uncertainty`](crate::Uncertainty) of the negated
//! scales, which begins elsewhere.

use crate::losses::values;
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`ImtlL`].
    pub struct ImtlLConfig {
        /// How many losses there are: each has a scale.
        #[schemars(range(min = 1))]
        losses: usize = 2,
        /// Where the scales begin.
        initial: f64 = 0.0,
    }
}

/// A trained scale for each loss, with which all losses become alike.
pub struct ImtlL {
    config: ImtlLConfig,
    /// s `[K]`.
    log_scale: Var,
}

impl Component for ImtlL {}

impl Define for ImtlL {
    type Kind = dyn Balancer;
    type Config = ImtlLConfig;
    const ID: &'static str = "balancer/imtl_l";
    const SUMMARY: &'static str = "A trained scale for each loss, with which all become alike";
    const DETAILS: Details = Details {
        formula: "sum_k exp(s_k) L_k - s_k",
        reference: "Liu et al. 2021, Towards Impartial Multi-Task Learning, ICLR 2021, eq. 8; as TorchJD's IMTLL",
        shapes: "losses: K scalars []; weights: K numbers",
        trainable: true,
        example: r#"let balancer = create::<dyn Balancer>("balancer/imtl_l", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: ImtlLConfig, context: &Context) -> Result<Self> {
        let initial = Tensor::full(config.initial, config.losses, context.device())?;
        Ok(ImtlL {
            log_scale: context.parameter("log_scale", &initial)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({"losses": 3}))
    }
}

impl Balancer for ImtlL {
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
        let scales = self.log_scale.as_tensor();
        // A loss that takes no part would only pull its scale up.
        let mut total = Tensor::zeros((), scales.dtype(), scales.device())?;
        let mut weights = Vec::with_capacity(losses.len());
        for (loss, &place) in losses.iter().zip(present.places()) {
            let scale = scales.get(place)?;
            let factor = scale.exp()?;
            weights.push(factor.to_dtype(DType::F64)?.to_scalar::<f64>()?);
            total = (total - scale)?;
            total = (total + (factor * loss.to_dtype(scales.dtype())?)?)?;
        }
        Ok(Balanced::new(total.backward()?, weights))
    }
}
