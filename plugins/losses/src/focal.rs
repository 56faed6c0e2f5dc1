//! Focal loss: cross entropy in which easy examples count less. Softmax over classes or a sigmoid
//! for each class.
//!
//! The sigmoid form follows torchvision's `sigmoid_focal_loss`, except that balancing by `alpha` is
//! off unless given. The softmax form is the same formula on the softmax's probability; its mean is
//! over the targets that count (not over weights), so that `gamma` = 0 without weights is cross
//! entropy.

use patchbay::plugin::prelude::*;

use crate::{
    classes::{Classes, Target, check_weights, pick, pick_weight},
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
        ignore_index: Option<i64> = Some(-100),
        /// Mean, sum, or one value for each target (sigmoid: for each target and class).
        reduction: Reduction = Reduction::Mean,
    }
}

/// Below this, `1 - p` is taken as constant: its power would have an infinite slope at 0.
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
}

impl Loss for Focal {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let classes = Classes::new(logits, target, self.config.ignore_index)?;
        match self.config.activation {
            Activation::Softmax => self.softmax(&classes),
            Activation::Sigmoid => self.sigmoid(&classes),
        }
    }
}

impl Focal {
    fn softmax(&self, classes: &Classes) -> Result<Tensor> {
        let log_probabilities = classes.log_probabilities()?;
        let weights = classes.weights(&self.config.weights)?;
        let (values, total) = match &classes.target {
            Target::Index {
                class,
                counts,
                histogram,
            } => {
                let mut values = self.modulate(&pick(&log_probabilities, class)?)?;
                if let Some(weights) = &weights {
                    values = (values * pick_weight(weights, class)?)?;
                }
                if let Some(counts) = counts {
                    values = (values * counts)?;
                }
                (values, histogram.iter().sum::<usize>() as f64)
            }
            Target::Probabilities(target) => {
                let mut values = (self.modulate(&log_probabilities)? * target)?;
                if let Some(weights) = &weights {
                    values = values.broadcast_mul(weights)?;
                }
                let values = values.sum_keepdim(1)?;
                let total = values.elem_count() as f64;
                (values, total)
            }
        };
        self.config.reduction.apply(&values.squeeze(1)?, total)
    }

    /// `-(1 - p)^gamma log p` of a log probability.
    fn modulate(&self, log_probability: &Tensor) -> Result<Tensor> {
        if self.config.gamma == 0.0 {
            return log_probability.neg();
        }
        let rest = log_probability.exp()?.affine(-1.0, 1.0)?.maximum(LEAST)?;
        log_probability.neg()? * power(&rest, self.config.gamma)?
    }

    fn sigmoid(&self, classes: &Classes) -> Result<Tensor> {
        let logits = &classes.logits;
        let (target, counts, total) = match &classes.target {
            Target::Index {
                class,
                counts,
                histogram,
            } => {
                let zeros = logits.zeros_like()?;
                let ones = class.ones_like()?.to_dtype(logits.dtype())?;
                let total = histogram.iter().sum::<usize>() * classes.count;
                (zeros.scatter_add(class, &ones, 1)?, counts.clone(), total)
            }
            Target::Probabilities(target) => (target.clone(), None, target.elem_count()),
        };
        let rest = target.affine(-1.0, 1.0)?;
        // -log p and -log (1 - p); their negated exponentials are p and 1 - p without cancellation.
        let (positive, negative) = (softplus(&logits.neg()?)?, softplus(logits)?);
        let mut values = ((&positive * &target)? + (&negative * &rest)?)?;
        if self.config.gamma > 0.0 {
            let (p, q) = (positive.neg()?.exp()?, negative.neg()?.exp()?);
            let miss = ((q * &target)? + (p * &rest)?)?.maximum(LEAST)?;
            values = (values * power(&miss, self.config.gamma)?)?;
        }
        if let Some(alpha) = self.config.alpha {
            values = (values * ((&target * alpha)? + (&rest * (1.0 - alpha))?)?)?;
        }
        if let Some(weights) = classes.weights(&self.config.weights)? {
            values = values.broadcast_mul(&weights)?;
        }
        if let Some(counts) = counts {
            values = values.broadcast_mul(&counts)?;
        }
        self.config.reduction.apply(&values, total as f64)
    }
}

/// `x^gamma` for x > 0; squares are common and much cheaper than a general power.
fn power(x: &Tensor, gamma: f64) -> Result<Tensor> {
    if gamma == 1.0 {
        Ok(x.clone())
    } else if gamma == 2.0 {
        x.sqr()
    } else {
        x.powf(gamma)
    }
}

/// `log(1 + e^x)` without overflow. The maximum is a constant of the graph, so the gradient is the
/// sigmoid everywhere, at 0, too.
fn softplus(x: &Tensor) -> Result<Tensor> {
    let maximum = x.maximum(0.0)?.detach();
    (maximum.neg()?.exp()? + (x - &maximum)?.exp()?)?.log()? + maximum
}
