//! SigLIP: each pair of an image and a text is a yes-or-no question of its own, whether they belong together.
//!
//! Queries and keys are normalized here. Temperature and bias are trained with the network (`slot.trainable()`), as in the paper,
//! which begins at 10 and -10: with most pairs not belonging together the first step does not undo what the encoders know.

use patchbay::{ops, plugin::prelude::*};

use crate::{classes::floats, info_nce::independent_features, pairs::mean, reduction::Reduction};

patchbay::config! {
    /// Settings of [`Siglip`].
    pub struct SiglipConfig {
        /// What similarities are multiplied with at first; its logarithm is trained.
        #[schemars(range(min = 1e-4))]
        scale: f64 = 10.0,
        /// What is added to them at first.
        bias: f64 = -10.0,
        /// Mean, sum, or one value for each query, which is the sum over its pairs.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Sigmoid loss of all pairs of queries and keys.
pub struct Siglip {
    config: SiglipConfig,
    /// ln t, `[1, 1]`.
    log_scale: Var,
    /// b, `[1, 1]`.
    bias: Var,
}

impl Component for Siglip {}

impl Define for Siglip {
    type Kind = dyn Loss;
    type Config = SiglipConfig;
    const ID: &'static str = "loss/siglip";
    const SUMMARY: &'static str = "A yes-or-no question for each pair of queries and keys";
    const DETAILS: Details = Details {
        formula: "-1/B sum_ij log sigmoid(z_ij (t q_i k_j + b)),  z_ij = 1 where i = j, else -1",
        reference: "Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, arXiv 2303.15343, algorithm 1",
        shapes: "queries and keys [batch, width]; result [] or, not reduced, [batch]",
        trainable: true,
        example: r#"let loss = create::<dyn Loss>("loss/siglip", json!({}))?;
let queries = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
let keys = (&queries + Tensor::randn(0f32, 0.1, (4, 8), &device())?)?;
loss.forward(&queries, &keys)?"#,
    };

    fn build(config: SiglipConfig, context: &Context) -> Result<Self> {
        let number = |value: f64| Tensor::full(value, (1, 1), context.device());
        Ok(Siglip {
            log_scale: context.parameter("log_scale", &number(config.scale.ln())?)?,
            bias: context.parameter("bias", &number(config.bias)?)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let queries = [
            [0.3f32, -1.2, 0.5, 0.1],
            [2.0, 0.1, -0.4, 0.7],
            [-0.6, 0.8, 0.3, -1.0],
        ];
        let keys = [
            [0.2f32, -1.0, 0.9, 0.3],
            [1.5, 0.4, -0.2, 0.5],
            [-0.1, 0.6, 0.7, -0.8],
        ];
        Ok(Sample::new(json!({"scale": 2.0, "bias": -1.0}))
            .input("queries", Tensor::new(&queries, &Device::Cpu)?)
            .input("keys", Tensor::new(&keys, &Device::Cpu)?))
    }
}

impl Loss for Siglip {
    fn forward(&self, queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
        if queries.rank() != 2 || queries.dims() != keys.dims() {
            bail!(
                "expected queries and keys [batch, width] of one shape; got queries {:?} and keys {:?}",
                queries.dims(),
                keys.dims()
            );
        }
        let queries = ops::l2_normalize(&floats("queries", queries)?, -1, 1e-12)?;
        let keys = ops::l2_normalize(&floats("keys", keys)?.to_dtype(queries.dtype())?, -1, 1e-12)?;
        let batch = queries.dim(0)?;
        let number = |var: &Var| var.as_tensor().to_dtype(queries.dtype());
        let similarity = ops::matmul(&queries, &keys.t()?)?;
        let logits = similarity
            .broadcast_mul(&number(&self.log_scale)?.exp()?)?
            .broadcast_add(&number(&self.bias)?)?;
        let own = Tensor::eye(batch, logits.dtype(), logits.device())?;
        let settings = ops::BinaryCrossEntropy {
            reduction: ops::Reduction::None,
            ..Default::default()
        };
        let values = ops::binary_cross_entropy_with_logits_with(&logits, &own, &settings)?;
        let values = ops::sum(&values, 1)?;
        self.config.reduction.apply(&values, batch as f64)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const BATCH: usize = 64;
        let queries = independent_features(BATCH, 128, 0)?;
        let keys = independent_features(BATCH, 128, BATCH * 128)?;
        let value = self.forward(&queries, &keys)?;
        Ok(vec![(
            format!("{BATCH} pairs of independent features of width 128"),
            mean(&value)?,
        )])
    }
}
