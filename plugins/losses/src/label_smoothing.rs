//! Label smoothing: cross entropy whose target is spread over all classes a little.
//!
//! [`crate::cross_entropy`] can do this, too, with weights; this is the component for those who look for it by name. Its
//! values are those of PyTorch's `CrossEntropyLoss(label_smoothing=...)`.

use patchbay::plugin::prelude::*;

use crate::{
    classes::{Classes, Target},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`LabelSmoothing`].
    pub struct LabelSmoothingConfig {
        /// The share of the target that is spread evenly over all classes.
        #[schemars(range(min = 0.0, max = 1.0))]
        smoothing: f64 = 0.1,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy with smoothed targets.
pub struct LabelSmoothing {
    config: LabelSmoothingConfig,
}

impl Component for LabelSmoothing {}

impl Define for LabelSmoothing {
    type Kind = dyn Loss;
    type Config = LabelSmoothingConfig;
    const ID: &'static str = "loss/label_smoothing";
    const SUMMARY: &'static str = "Cross entropy with smoothed targets";
    const DETAILS: Details = Details {
        formula: "-sum_c t_c log softmax(logits)_c,  t = (1 - smoothing) target + smoothing / K",
        reference: "Szegedy et al. 2016, Rethinking the Inception Architecture, arXiv 1512.00567, section 7",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width], or probabilities of the logits' shape; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/label_smoothing", json!({"smoothing": 0.1}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: LabelSmoothingConfig, _context: &Context) -> Result<Self> {
        Ok(LabelSmoothing { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for LabelSmoothing {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let classes = Classes::new(logits, target, self.config.ignore_index)?;
        let values = classes.cross_entropy(&[], self.config.smoothing)?;
        let counted = match &classes.target {
            Target::Index(indices) => indices.counted,
            Target::Probabilities(_) => values.elem_count(),
        };
        self.config.reduction.apply(&values, counted as f64)
    }
}
