//! Seesaw loss: frequent classes punish rare ones less, unless the rare one is predicted wrongly.
//!
//! As mmdetection's `SeesawLoss` without its objectness branch: the counts are those of the targets seen so far
//! (carried over swaps), and both factors are constants of the gradient. It differs in the mean, which is over the
//! targets that count.

use patchbay::{
    ops,
    plugin::prelude::*,
    serde_json::{Map, Value},
};

use crate::{
    class_counts::ClassCounts,
    classes::{Classes, Indices, cross_entropy_of, one_hot},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Seesaw`].
    pub struct SeesawConfig {
        /// How many training examples each class has; empty: counted from the targets as they come, those of an evaluation,
        /// too.
        class_counts: Vec<f64> = Vec::new(),
        /// Exponent of the mitigation: how much less rare classes are punished.
        #[schemars(range(min = 0.0))]
        p: f64 = 0.8,
        /// Exponent of the compensation: how much more a wrong prediction is punished.
        #[schemars(range(min = 0.0))]
        q: f64 = 2.0,
        /// The least probability of the target that the compensation divides by.
        #[schemars(range(min = 1e-12, max = 1.0))]
        epsilon: f64 = 0.01,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy whose negatives weigh by frequency and by mistake.
pub struct Seesaw {
    config: SeesawConfig,
    counts: ClassCounts,
}

impl Component for Seesaw {
    fn state(&self) -> Map<String, Value> {
        self.counts.state()
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        self.counts.restore(state)
    }
}

impl Define for Seesaw {
    type Kind = dyn Loss;
    type Config = SeesawConfig;
    const ID: &'static str = "loss/seesaw";
    const SUMMARY: &'static str =
        "Frequent classes punish rare ones less; wrong predictions are punished more";
    const DETAILS: Details = Details {
        formula: "-log (e^x_t / sum_j S_tj e^x_j),  S_tj = min(1, (n_j / n_t)^p) max(1, (p_j / p_t)^q),  S_tt = 1",
        reference: "Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation, arXiv 2008.10032, eq. 5-7; as mmdetection",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/seesaw", json!({}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: SeesawConfig, _context: &Context) -> Result<Self> {
        Ok(Seesaw {
            counts: ClassCounts::new(&config.class_counts)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let sample = crate::classes::sample(json!({}))?;
        Ok(sample.other_gradient(
            "input logits",
            "both factors are constants of it, as in mmdetection",
        ))
    }
}

impl Loss for Seesaw {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (logits, target) = Classes::of_indices(logits, target, self.config.ignore_index)?;
        let histogram = target.histogram();
        let counts = self.counts.with(&histogram)?;
        // A factor S of e^x is ln S beside x, and ln max and ln min are max and min of logarithms.
        let mut shift = self.log_mitigation(&logits, &target, &counts)?;
        if self.config.q > 0.0 {
            shift = (shift + self.log_compensation(&logits, &target)?)?;
        }
        let others = one_hot(&logits, &target)?.affine(-1.0, 1.0)?;
        let logits = (logits + (shift * others)?.detach())?;
        let values = cross_entropy_of(&logits, &target, None)?;
        let value = self
            .config
            .reduction
            .apply(&values, target.counted as f64)?;
        self.counts.keep(&histogram, &value)?;
        Ok(value)
    }
}

impl Seesaw {
    /// `min(0, p ln (n_j / n_t))`, the logits' shape.
    fn log_mitigation(&self, logits: &Tensor, target: &Indices, counts: &[f64]) -> Result<Tensor> {
        let log_count = |class: usize| counts[class].max(1.0).ln();
        let mut along = vec![1; logits.rank()];
        along[1] = counts.len();
        let all: Vec<f64> = (0..counts.len()).map(log_count).collect();
        let all = Tensor::from_vec(all, along, logits.device())?.to_dtype(logits.dtype())?;
        let own = target.map(log_count, logits.dtype())?.unsqueeze(1)?;
        (all.broadcast_sub(&own)? * self.config.p)?.minimum(0.0)
    }

    /// `max(0, q ln (p_j / p_t))`, the logits' shape, no gradient.
    fn log_compensation(&self, logits: &Tensor, target: &Indices) -> Result<Tensor> {
        let log_p = ops::log_softmax_dim(&logits.detach(), 1)?;
        let own = cross_entropy_of(&logits.detach(), target, None)?
            .neg()?
            .maximum(self.config.epsilon.ln())?
            .unsqueeze(1)?;
        (log_p.broadcast_sub(&own)? * self.config.q)?.maximum(0.0)
    }
}
