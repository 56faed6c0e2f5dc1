//! Focal Tversky loss: a power of the Tversky loss of each class, so that classes that overlap badly count more.
//!
//! The power is taken for each class before the mean, as in the paper; segmentation_models_pytorch takes it after. The
//! exponent is the paper's 1 / gamma. Classes that are not in the target count as 0.

use patchbay::plugin::prelude::*;

use crate::{
    focal::{Activation, power},
    reduction::Reduction,
    region::{self, Regions, tversky_index},
};

patchbay::config! {
    /// Settings of [`FocalTversky`].
    pub struct FocalTverskyConfig {
        /// The weight of false positives; the paper takes 0.3.
        #[schemars(range(min = 0.0))]
        alpha: f64 = 0.3,
        /// The weight of false negatives; the paper takes 0.7.
        #[schemars(range(min = 0.0))]
        beta: f64 = 0.7,
        /// The exponent is 1 / gamma.
        #[schemars(range(min = 0.1))]
        gamma: f64 = 4.0 / 3.0,
        /// Softmax over the classes, or a sigmoid for each.
        activation: Activation = Activation::Softmax,
        /// Added to numerator and denominator.
        #[schemars(range(min = 0.0))]
        smooth: f64 = 0.0,
        /// Whether regions overlap in each image, or in the whole batch.
        per_image: bool = false,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean or sum over the classes (and images); none: one value for each image.
        reduction: Reduction = Reduction::Mean,
    }
}

/// A power of one minus the Tversky index of each class.
pub struct FocalTversky {
    config: FocalTverskyConfig,
}

impl Component for FocalTversky {}

impl Define for FocalTversky {
    type Kind = dyn Loss;
    type Config = FocalTverskyConfig;
    const ID: &'static str = "loss/focal_tversky";
    const SUMMARY: &'static str = "Tversky loss in which classes that overlap badly count more";
    const DETAILS: Details = Details {
        formula: "mean_c (1 - TP / (TP + alpha FP + beta FN))^(1 / gamma)",
        reference: "Abraham and Khan 2019, A Novel Focal Tversky Loss Function, arXiv 1810.07842, eq. 4",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width], or values in 0..=1 of the logits' shape; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/focal_tversky", json!({}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 3, 8, 8), &device())?;
let target = logits.argmax(1)?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: FocalTverskyConfig, _context: &Context) -> Result<Self> {
        Ok(FocalTversky { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

/// Up to this the power's slope, infinite at 0, is taken as 0, and so is the power.
const LEAST: f64 = 1e-7;

impl Loss for FocalTversky {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let regions = Regions {
            activation: config.activation,
            per_image: config.per_image,
            ignore_index: config.ignore_index,
            reduction: config.reduction,
        };
        region::loss(logits, target, regions, |sums| {
            let index = tversky_index(sums, config.alpha, config.beta, config.smooth)?;
            let miss = index.affine(-1.0, 1.0)?;
            let small = miss.le(LEAST)?;
            let zero = miss.zeros_like()?;
            let losses = power(
                &small.where_cond(&(&zero + 1.0)?, &miss)?,
                config.gamma.recip(),
            )?;
            small.where_cond(&zero, &losses)
        })
    }
}
