//! Focal loss: cross entropy in which easy examples count less. Softmax over classes or a sigmoid
//! for each class.
//!
//! The sigmoid form follows torchvision's `sigmoid_focal_loss`, except that balancing by `alpha` is
//! off unless given. The softmax form is the same formula on the softmax's probability; its mean is
//! over the targets that count (not over weights), so that `gamma` = 0 without weights is cross
//! entropy.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    binary::Binary,
    classes::{Classes, Target, check_weights},
    reduction::Reduction,
};

/// Where the probability comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Activation {
    /// One class of several: a softmax over the classes.
    Softmax,
    /// Any number of classes at once: a sigmoid for each.
    Sigmoid,
}

patchbay::config! {
    /// Settings of [`Focal`].
    pub struct FocalConfig {
        /// Exponent of `1 - p`; 0 gives cross entropy.
        #[schemars(range(min = 0.0))]
        gamma: f64 = 2.0,
        /// Sigmoid: the weight of positives, 1 - alpha being that of negatives; null: both 1.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha: Option<f64> = None,
        /// One weight for each class; empty: all 1.
        weights: Vec<f64> = Vec::new(),
        /// Softmax over the classes, or a sigmoid for each.
        activation: Activation = Activation::Softmax,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target (sigmoid: for each target and class).
        reduction: Reduction = Reduction::Mean,
    }
}

/// Below this, `1 - p_t` is taken as constant: its power would have an infinite slope at 0.
const LEAST: f64 = 1e-12;

/// Focal loss of logits against class indices or probabilities.
pub struct Focal {
    config: FocalConfig,
}

impl Component for Focal {}

impl Define for Focal {
    type Kind = dyn Loss;
    type Config = FocalConfig;
    const ID: &'static str = "loss/focal";
    const SUMMARY: &'static str = "Focal loss: easy examples count less; softmax or sigmoid";
    const DETAILS: Details = Details {
        formula: "-w (1 - p_t)^gamma log p_t,  p_t: the probability of the target",
        reference: "Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002, eq. 5",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or \
                 [batch, height, width], or values in 0..=1 of the logits' shape; result [], or not reduced \
                 [batch] or [batch, height, width] (sigmoid: the logits' shape)",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/focal", json!({"gamma": 2.0}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: FocalConfig, _context: &Context) -> Result<Self> {
        check_weights(&config.weights)?;
        if config.alpha.is_some() && config.activation == Activation::Softmax {
            bail!(
                "alpha balances positives against negatives of a sigmoid; with a softmax give `weights`"
            );
        }
        Ok(Focal { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for Focal {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self.config.activation {
            Activation::Softmax => self.softmax(logits, target),
            Activation::Sigmoid => self.sigmoid(logits, target),
        }
    }
}

impl Focal {
    fn softmax(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let classes = Classes::new(logits, target, config.ignore_index)?;
        let (values, counted) = match &classes.target {
            Target::Index(indices) => {
                let cross_entropy = classes.cross_entropy(&[], 0.0)?;
                let mut values = ops::focal(&cross_entropy, config.gamma)?;
                if classes.weights(&config.weights)?.is_some() {
                    let weight = |class: usize| config.weights[class];
                    values = (values * indices.map(weight, cross_entropy.dtype())?)?;
                }
                (values, indices.counted)
            }
            Target::Probabilities(target) => {
                let log_probabilities = ops::log_softmax_dim(&classes.logits, 1)?;
                let mut values = (ops::focal(&log_probabilities.neg()?, config.gamma)? * target)?;
                if let Some(weights) = classes.weights(&config.weights)? {
                    values = values.broadcast_mul(&classes.along_classes(&weights)?)?;
                }
                let values = ops::sum(&values, 1)?;
                let counted = values.elem_count();
                (values, counted)
            }
        };
        config.reduction.apply(&values, counted as f64)
    }

    fn sigmoid(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let binary = Binary::new(logits, target, config.ignore_index)?;
        let target = &binary.target;
        let settings = ops::BinaryCrossEntropy {
            reduction: ops::Reduction::None,
            ..Default::default()
        };
        let cross_entropy =
            ops::binary_cross_entropy_with_logits_with(&binary.logits, target, &settings)?;
        let mut values = if binary.labels {
            ops::focal(&cross_entropy, config.gamma)?
        } else {
            // 1 - p_t = t + p (1 - 2 t), which only for t of 0 and 1 is 1 - exp of the cross entropy.
            let p = ops::sigmoid(&binary.logits)?;
            let miss = ((p * target.affine(-2.0, 1.0)?)? + target)?.maximum(LEAST)?;
            (cross_entropy * power(&miss, config.gamma)?)?
        };
        if let Some(alpha) = config.alpha {
            // alpha t + (1 - alpha) (1 - t).
            values = (values * target.affine(2.0 * alpha - 1.0, 1.0 - alpha)?)?;
        }
        if !config.weights.is_empty() {
            let classes = Classes {
                count: binary.logits.dims().get(1).copied().unwrap_or(1),
                logits: binary.logits.clone(),
                target: Target::Probabilities(target.clone()),
            };
            if let Some(weights) = classes.weights(&config.weights)? {
                values = values.broadcast_mul(&classes.along_classes(&weights)?)?;
            }
        }
        let values = binary.masked(values)?;
        config.reduction.apply(&values, binary.counted as f64)
    }
}

/// `x^gamma` for x >= 0; squares are common and much cheaper than a general power.
pub fn power(x: &Tensor, gamma: f64) -> Result<Tensor> {
    if gamma == 0.0 {
        x.ones_like()
    } else if gamma == 1.0 {
        Ok(x.clone())
    } else if gamma == 2.0 {
        x.sqr()
    } else if gamma == 4.0 {
        x.sqr()?.sqr()
    } else {
        // The slope of a power below 1 is infinite at 0, and infinity times 0 is NaN.
        x.maximum(LEAST)?.powf(gamma)
    }
}
