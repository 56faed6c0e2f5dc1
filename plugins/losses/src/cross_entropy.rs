//! Cross entropy with class weights, label smoothing, ignored targets and soft targets.
//!
//! Follows PyTorch's `CrossEntropyLoss` (version 2), also in the mean: over class indices it
//! divides by the weights of the targets that count, over soft targets by their number. It differs
//! where all targets are ignored: 0 in place of NaN.

use patchbay::plugin::prelude::*;

use crate::{
    classes::{Classes, Target, check_weights},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`CrossEntropy`].
    pub struct CrossEntropyConfig {
        /// One weight for each class; empty: all 1.
        weights: Vec<f64> = Vec::new(),
        /// The share of the target that is spread evenly over all classes.
        #[schemars(range(min = 0.0, max = 1.0))]
        label_smoothing: f64 = 0.0,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy of logits against class indices or probabilities.
pub struct CrossEntropy {
    config: CrossEntropyConfig,
}

impl Component for CrossEntropy {}

impl Define for CrossEntropy {
    type Kind = dyn Loss;
    type Config = CrossEntropyConfig;
    const ID: &'static str = "loss/cross_entropy";
    const SUMMARY: &'static str = "Cross entropy with weights, smoothing, ignored and soft targets";
    const DETAILS: Details = Details {
        formula: "-sum_c w_c t_c log softmax(logits)_c,  t = (1 - s) target + s / K",
        reference: "Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.108; smoothing: Szegedy et al. \
                    2016, arXiv 1512.00567, section 7",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or \
                 [batch, height, width], or probabilities of the logits' shape; result [] or, not reduced, \
                 [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/cross_entropy", json!({"label_smoothing": 0.1}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: CrossEntropyConfig, _context: &Context) -> Result<Self> {
        check_weights(&config.weights)?;
        Ok(CrossEntropy { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for CrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let classes = Classes::new(logits, target, config.ignore_index)?;
        let values = classes.cross_entropy(&config.weights, config.label_smoothing)?;
        let total = match &classes.target {
            Target::Index(indices) if config.weights.is_empty() => indices.counted as f64,
            Target::Index(indices) => total_weight(&indices.histogram(), &config.weights),
            Target::Probabilities(_) => values.elem_count() as f64,
        };
        config.reduction.apply(&values, total)
    }
}

/// The sum of the weights of all targets that count.
fn total_weight(histogram: &[usize], weights: &[f64]) -> f64 {
    histogram
        .iter()
        .zip(weights)
        .map(|(&seen, weight)| seen as f64 * weight)
        .sum()
}
