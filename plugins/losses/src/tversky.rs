//! Tversky loss: a dice loss that tells false positives from false negatives.
//!
//! As segmentation_models_pytorch's `TverskyLoss`, with the product of probability and target as their overlap;
//! `alpha` = `beta` = 0.5 is the dice loss, both 1 the Jaccard loss. Classes that are not in the target count as 0.

use patchbay::plugin::prelude::*;

use crate::{
    focal::Activation,
    reduction::Reduction,
    region::{self, Regions, tversky_index},
};

patchbay::config! {
    /// Settings of [`Tversky`].
    pub struct TverskyConfig {
        /// The weight of false positives.
        #[schemars(range(min = 0.0))]
        alpha: f64 = 0.5,
        /// The weight of false negatives.
        #[schemars(range(min = 0.0))]
        beta: f64 = 0.5,
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

/// One minus the Tversky index of each class.
pub struct Tversky {
    config: TverskyConfig,
}

impl Component for Tversky {}

impl Define for Tversky {
    type Kind = dyn Loss;
    type Config = TverskyConfig;
    const ID: &'static str = "loss/tversky";
    const SUMMARY: &'static str =
        "A dice loss with weights for false positives and false negatives";
    const DETAILS: Details = Details {
        formula: "mean_c 1 - TP / (TP + alpha FP + beta FN)",
        reference: "Salehi et al. 2017, Tversky loss function for image segmentation, arXiv 1706.05721, eq. 4; as segmentation_models_pytorch",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width], or values in 0..=1 of the logits' shape; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/tversky", json!({"alpha": 0.3, "beta": 0.7}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 3, 8, 8), &device())?;
let target = logits.argmax(1)?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: TverskyConfig, _context: &Context) -> Result<Self> {
        Ok(Tversky { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for Tversky {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let regions = Regions {
            activation: config.activation,
            per_image: config.per_image,
            ignore_index: config.ignore_index,
            reduction: config.reduction,
        };
        region::loss(logits, target, regions, |sums| {
            tversky_index(sums, config.alpha, config.beta, config.smooth)?.affine(-1.0, 1.0)
        })
    }
}
