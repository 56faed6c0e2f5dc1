//! Dice loss: one minus twice the overlap of predicted and true region, over their sizes.
//!
//! As segmentation_models_pytorch's `DiceLoss`: a mean over the classes, in which those that are not in the target have
//! a loss of 0; `smooth` is added once, where that program's newer versions add it twice. With no position that counts
//! the loss is 0.

use patchbay::plugin::prelude::*;

use crate::{
    focal::Activation,
    reduction::Reduction,
    region::{self, Regions, score},
};

patchbay::config! {
    /// Settings of [`Dice`].
    pub struct DiceConfig {
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

/// One minus the dice score of each class.
pub struct Dice {
    config: DiceConfig,
}

impl Component for Dice {}

impl Define for Dice {
    type Kind = dyn Loss;
    type Config = DiceConfig;
    const ID: &'static str = "loss/dice";
    const SUMMARY: &'static str = "One minus the dice score: overlap over size";
    const DETAILS: Details = Details {
        formula: "mean_c 1 - (2 sum p t + smooth) / (sum p + sum t + smooth)",
        reference: "Milletari et al. 2016, V-Net, arXiv 1606.04797, section 3; as segmentation_models_pytorch",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width], or values in 0..=1 of the logits' shape; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/dice", json!({}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 3, 8, 8), &device())?;
let target = logits.argmax(1)?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: DiceConfig, _context: &Context) -> Result<Self> {
        Ok(Dice { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for Dice {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let regions = Regions {
            activation: config.activation,
            per_image: config.per_image,
            ignore_index: config.ignore_index,
            reduction: config.reduction,
        };
        region::loss(logits, target, regions, |sums| {
            let sizes = (&sums.prediction + &sums.target)?;
            score(&(&sums.intersection * 2.0)?, &sizes, config.smooth)?.affine(-1.0, 1.0)
        })
    }
}
