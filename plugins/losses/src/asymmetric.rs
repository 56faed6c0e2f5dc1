//! Asymmetric loss: a focal loss of many yes-or-no questions that forgets easy negatives.
//!
//! As the authors' program, whose focusing factors are constants of the gradient by default (`detach_focus`). It
//! differs in two places: the default reduction is the mean (theirs is the sum), and positives keep their exact log
//! probability, where theirs stops falling, and learning, below 1e-8.

use patchbay::{ops, plugin::prelude::*};

use crate::{binary::Binary, focal::power, reduction::Reduction};

patchbay::config! {
    /// Settings of [`Asymmetric`].
    pub struct AsymmetricConfig {
        /// Exponent of positives.
        #[schemars(range(min = 0.0))]
        gamma_positive: f64 = 1.0,
        /// Exponent of negatives.
        #[schemars(range(min = 0.0))]
        gamma_negative: f64 = 4.0,
        /// Negatives of a lower probability count nothing.
        #[schemars(range(min = 0.0, max = 1.0))]
        clip: f64 = 0.05,
        /// Whether the focusing factors are constants of the gradient.
        detach_focus: bool = true,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target and class.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Asymmetric focal loss of a sigmoid for each class.
pub struct Asymmetric {
    config: AsymmetricConfig,
}

impl Component for Asymmetric {}

impl Define for Asymmetric {
    type Kind = dyn Loss;
    type Config = AsymmetricConfig;
    const ID: &'static str = "loss/asymmetric";
    const SUMMARY: &'static str = "Focal loss of many labels that forgets easy negatives";
    const DETAILS: Details = Details {
        formula: "-t (1 - p)^gamma_positive log p - (1 - t) q^gamma_negative log (1 - q),  q = max(p - clip, 0)",
        reference: "Ridnik et al. 2021, Asymmetric Loss For Multi-Label Classification, arXiv 2009.14119, eq. 7",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target 0 and 1 of the logits' shape, or class indices; result [] or, not reduced, the logits' shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/asymmetric", json!({}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let labels = Tensor::new(&[[1u32, 1, 0], [0, 0, 1]], &device())?;
loss.forward(&logits, &labels)?"#,
    };

    fn build(config: AsymmetricConfig, _context: &Context) -> Result<Self> {
        Ok(Asymmetric { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let sample = crate::classes::sample(json!({}))?;
        Ok(sample.other_gradient(
            "input logits",
            "the focusing factors are constants of it, as in the authors' program",
        ))
    }
}

impl Loss for Asymmetric {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let binary = Binary::new(logits, target, config.ignore_index)?;
        let (x, t) = (&binary.logits, &binary.target);
        let rest = t.affine(-1.0, 1.0)?;
        let p = ops::sigmoid(x)?;
        let log_p = cross_entropy_with(x, &t.ones_like()?)?.neg()?;
        // The probability of a negative, moved up by `clip` and cut at 1, and its logarithm.
        let (q, log_q) = if config.clip > 0.0 {
            let q = p.affine(-1.0, 1.0 + config.clip)?.minimum(1.0)?;
            // A clip near 0 leaves nothing of q at large logits; the authors' program has the same floor.
            let log_q = q.maximum(1e-8)?.log()?;
            (q, log_q)
        } else {
            let log_q = cross_entropy_with(x, &t.zeros_like()?)?.neg()?;
            (p.affine(-1.0, 1.0)?, log_q)
        };
        let focus = |kept: &Tensor, gamma: f64| -> Result<Tensor> {
            let missing = kept.affine(-1.0, 1.0)?;
            let missing = if config.detach_focus {
                missing.detach()
            } else {
                missing
            };
            power(&missing, gamma)
        };
        let positive = ((log_p * focus(&p, config.gamma_positive)?)? * t)?;
        let negative = ((log_q * focus(&q, config.gamma_negative)?)? * rest)?;
        let values = binary.masked((positive + negative)?.neg()?)?;
        config.reduction.apply(&values, binary.counted as f64)
    }
}

/// Binary cross entropy of each logit.
fn cross_entropy_with(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let settings = ops::BinaryCrossEntropy {
        reduction: ops::Reduction::None,
        ..Default::default()
    };
    ops::binary_cross_entropy_with_logits_with(logits, target, &settings)
}
