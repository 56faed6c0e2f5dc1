//! Binary cross entropy of logits: a sigmoid for each class, any number of which may be true.
//!
//! Follows PyTorch's `BCEWithLogitsLoss`: positives count `pos_weight` times, and the mean is over the logits, not over weights. It
//! differs where all targets are ignored: 0 in place of NaN.

use patchbay::{ops, plugin::prelude::*};

use crate::{binary::Binary, classes::check_weights, reduction::Reduction};

patchbay::config! {
    /// Settings of [`BinaryCrossEntropy`].
    pub struct BinaryCrossEntropyConfig {
        /// How often a positive counts: one number, or one for each class; empty: once. The number of negatives over that of
        /// positives makes both count alike.
        pos_weight: Vec<f64> = Vec::new(),
        /// One weight for each class; empty: all 1.
        weights: Vec<f64> = Vec::new(),
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each logit.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Binary cross entropy of a sigmoid for each class.
pub struct BinaryCrossEntropy {
    config: BinaryCrossEntropyConfig,
}

impl Component for BinaryCrossEntropy {}

impl Define for BinaryCrossEntropy {
    type Kind = dyn Loss;
    type Config = BinaryCrossEntropyConfig;
    const ID: &'static str = "loss/binary_cross_entropy";
    const SUMMARY: &'static str = "Binary cross entropy of logits, with a weight of positives";
    const DETAILS: Details = Details {
        formula: "-w_c (pos_weight t log p + (1 - t) log (1 - p)),  p = sigmoid(logit)",
        reference: "Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90; as torch.nn.BCEWithLogitsLoss",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target 0 and 1, or values in 0..=1, of the \
                 logits' shape, or class indices; result [] or, not reduced, the logits' shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/binary_cross_entropy", json!({"pos_weight": [3.0]}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let labels = Tensor::new(&[[1u32, 1, 0], [0, 0, 1]], &device())?;
loss.forward(&logits, &labels)?"#,
    };

    fn build(config: BinaryCrossEntropyConfig, _context: &Context) -> Result<Self> {
        check_weights(&config.weights)?;
        let bad = |weight: &&f64| !(weight.is_finite() && **weight >= 0.0);
        if let Some(bad) = config.pos_weight.iter().find(bad) {
            bail!("pos_weight contains {bad}; a weight is finite and at least 0");
        }
        Ok(BinaryCrossEntropy { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({"pos_weight": [2.0, 0.5, 1.5]}))
    }
}

impl Loss for BinaryCrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let binary = Binary::new(logits, target, config.ignore_index)?;
        let settings = ops::BinaryCrossEntropy {
            weight: of_classes("weights", &config.weights, &binary.logits)?,
            pos_weight: of_classes("pos_weight", &config.pos_weight, &binary.logits)?,
            reduction: ops::Reduction::None,
        };
        let values =
            ops::binary_cross_entropy_with_logits_with(&binary.logits, &binary.target, &settings)?;
        let values = binary.masked(values)?;
        config.reduction.apply(&values, binary.counted as f64)
    }
}

/// One number for all classes, or one for each, to be broadcast over the logits.
fn of_classes(name: &str, given: &[f64], logits: &Tensor) -> Result<Option<Tensor>> {
    if given.is_empty() {
        return Ok(None);
    }
    let count = logits.dims().get(1).copied().unwrap_or(1);
    if given.len() != 1 && given.len() != count {
        bail!(
            "the config gives {} numbers in {name}, the logits {:?} have {count} classes: give one for all, or one for each",
            given.len(),
            logits.dims()
        );
    }
    let mut shape = vec![1; logits.rank()];
    if given.len() > 1 {
        shape[1] = count;
    }
    let numbers = Tensor::from_slice(given, shape, logits.device())?;
    numbers.to_dtype(logits.dtype()).map(Some)
}
