//! Class-balanced loss: classes weigh by their effective number of examples.
//!
//! The weights have a mean of 1 over the classes that occur, as in the authors' program, and the mean is over the
//! targets that count (not over their weights). The counts are those of the training data; where none are given they
//! are counted from the targets as they come. With `gamma` > 0 the balanced loss is the focal one, as in the paper.

use patchbay::{
    ops,
    plugin::prelude::*,
    serde_json::{Map, Value},
};

use crate::{
    class_counts::{ClassCounts, effective_number_weights},
    classes::{Classes, cross_entropy_of},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`ClassBalanced`].
    pub struct ClassBalancedConfig {
        /// How many training examples each class has; empty: counted from the targets as they come, those of an evaluation,
        /// too.
        class_counts: Vec<f64> = Vec::new(),
        /// 0: no balancing; towards 1: by the inverse frequency.
        #[schemars(range(min = 0.0, max = 0.99999999))]
        beta: f64 = 0.9999,
        /// Exponent of the focal loss; 0: cross entropy.
        #[schemars(range(min = 0.0))]
        gamma: f64 = 0.0,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy or focal loss, balanced over classes.
pub struct ClassBalanced {
    config: ClassBalancedConfig,
    counts: ClassCounts,
}

impl Component for ClassBalanced {
    fn state(&self) -> Map<String, Value> {
        self.counts.state()
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        self.counts.restore(state)
    }
}

impl Define for ClassBalanced {
    type Kind = dyn Loss;
    type Config = ClassBalancedConfig;
    const ID: &'static str = "loss/class_balanced";
    const SUMMARY: &'static str =
        "Cross entropy or focal loss, classes weighed by their effective number of examples";
    const DETAILS: Details = Details {
        formula: "-w_t (1 - p_t)^gamma log p_t,  w_c = (1 - beta) / (1 - beta^n_c), scaled to a mean of 1",
        reference: "Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv 1901.05555, eq. 2",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/class_balanced", json!({"class_counts": [900, 90, 10]}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: ClassBalancedConfig, _context: &Context) -> Result<Self> {
        Ok(ClassBalanced {
            counts: ClassCounts::new(&config.class_counts)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for ClassBalanced {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (logits, target) = Classes::of_indices(logits, target, self.config.ignore_index)?;
        let histogram = target.histogram();
        let counts = self.counts.with(&histogram)?;
        let weights = effective_number_weights(&counts, self.config.beta);
        let focal = ops::focal(
            &cross_entropy_of(&logits, &target, None)?,
            self.config.gamma,
        )?;
        let values = (focal * target.map(|class| weights[class], logits.dtype())?)?;
        let value = self
            .config
            .reduction
            .apply(&values, target.counted as f64)?;
        self.counts.keep(&histogram, &value)?;
        Ok(value)
    }
}
