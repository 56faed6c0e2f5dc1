//! Poly-1: cross entropy with its first polynomial coefficient changed.
//!
//! As the paper's program: the probability that the added term reads is that of the target, so with soft targets it is
//! their mean under the softmax. With `epsilon` = 0 it is cross entropy.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{Classes, Target},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Poly1`].
    pub struct Poly1Config {
        /// The coefficient that is added to the first term; the paper takes 1 for classification.
        epsilon: f64 = 1.0,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Poly-1 of logits against class indices or probabilities.
pub struct Poly1 {
    config: Poly1Config,
}

impl Component for Poly1 {}

impl Define for Poly1 {
    type Kind = dyn Loss;
    type Config = Poly1Config;
    const ID: &'static str = "loss/poly1";
    const SUMMARY: &'static str =
        "Poly-1: cross entropy plus epsilon times the missing probability";
    const DETAILS: Details = Details {
        formula: "-log p_t + epsilon (1 - p_t)",
        reference: "Leng et al. 2022, PolyLoss, arXiv 2204.12511, eq. 5",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width], or probabilities of the logits' shape; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/poly1", json!({"epsilon": 1.0}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: Poly1Config, _context: &Context) -> Result<Self> {
        Ok(Poly1 { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for Poly1 {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let classes = Classes::new(logits, target, self.config.ignore_index)?;
        let cross_entropy = classes.cross_entropy(&[], 0.0)?;
        let (missing, counted) = match &classes.target {
            // Where the target is ignored the cross entropy is 0, and so is 1 - exp(-0).
            Target::Index(indices) => (
                cross_entropy.neg()?.exp()?.affine(-1.0, 1.0)?,
                indices.counted,
            ),
            Target::Probabilities(target) => {
                let hit = ops::sum(&(ops::softmax_dim(&classes.logits, 1)? * target)?, 1)?;
                (hit.affine(-1.0, 1.0)?, cross_entropy.elem_count())
            }
        };
        let values = (cross_entropy + (missing * self.config.epsilon)?)?;
        self.config.reduction.apply(&values, counted as f64)
    }
}
