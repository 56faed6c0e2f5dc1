//! Lovász-softmax: a convex surrogate of the mean Jaccard loss (intersection over union) of the classes.
//!
//! As the authors' program with `classes="present"`: a mean over the classes that are in the target. With no position
//! that counts the loss is 0.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{Classes, IGNORED},
    lovasz::slopes,
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`LovaszSoftmax`].
    pub struct LovaszSoftmaxConfig {
        /// Whether regions are compared in each image, or in the whole batch.
        per_image: bool = false,
        /// Whether classes that are not in the target count, too.
        absent_classes: bool = false,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean or sum over the images (or the one batch); none: one value for each image.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Lovász extension of the Jaccard loss of a softmax.
pub struct LovaszSoftmax {
    config: LovaszSoftmaxConfig,
}

impl Component for LovaszSoftmax {}

impl Define for LovaszSoftmax {
    type Kind = dyn Loss;
    type Config = LovaszSoftmaxConfig;
    const ID: &'static str = "loss/lovasz_softmax";
    const SUMMARY: &'static str = "A surrogate of the mean intersection over union of the classes";
    const DETAILS: Details = Details {
        formula: "mean_c sum_i e_i g_i,  e = |onehot_c - softmax(logits)_c| falling, g: slopes of the Jaccard loss",
        reference: "Berman et al. 2018, The Lovász-Softmax loss, arXiv 1705.08790, eq. 11",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/lovasz_softmax", json!({}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 3, 8, 8), &device())?;
let target = logits.argmax(1)?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: LovaszSoftmaxConfig, _context: &Context) -> Result<Self> {
        Ok(LovaszSoftmax { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for LovaszSoftmax {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let (logits, target) = Classes::of_indices(logits, target, config.ignore_index)?;
        let (batch, count) = (logits.dim(0)?, target.count);
        let inner: usize = logits.dims()[2..].iter().product();
        let probabilities = ops::softmax_dim(&target.without_ignored(&logits)?, 1)?;
        let values = probabilities
            .detach()
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let per_image = config.per_image || config.reduction == Reduction::None;
        let (groups, images) = if per_image { (batch, 1) } else { (1, batch) };
        // The loss is linear in the probabilities once their order is known: factor p + offset.
        let mut factors = vec![0f32; values.len()];
        let mut offsets = vec![0f64; groups];
        for (group, offset) in offsets.iter_mut().enumerate() {
            let first = group * images * inner;
            let counted: Vec<(usize, u32)> = (first..first + images * inner)
                .map(|position| (position, target.classes[position]))
                .filter(|&(_, class)| class != IGNORED)
                .collect();
            let chosen: Vec<usize> = (0..count)
                .filter(|&class| {
                    config.absent_classes || counted.iter().any(|&(_, own)| own as usize == class)
                })
                .collect();
            for &class in &chosen {
                let at =
                    |position: usize| (position / inner * count + class) * inner + position % inner;
                let own = |index: usize| counted[index].1 as usize == class;
                let errors: Vec<f32> = counted
                    .iter()
                    .enumerate()
                    .map(|(index, &(position, _))| {
                        let p = values[at(position)];
                        if own(index) { 1.0 - p } else { p }
                    })
                    .collect();
                for (index, slope) in slopes(&errors, own).into_iter().enumerate() {
                    let slope = slope / chosen.len() as f32;
                    if own(index) {
                        *offset += f64::from(slope);
                    }
                    factors[at(counted[index].0)] = if own(index) { -slope } else { slope };
                }
            }
        }
        let factors =
            Tensor::from_vec(factors, logits.shape(), logits.device())?.to_dtype(logits.dtype())?;
        let offsets =
            Tensor::from_vec(offsets, groups, logits.device())?.to_dtype(logits.dtype())?;
        let parts = (probabilities * factors)?.reshape((groups, ()))?;
        let losses = (ops::sum(&parts, 1)? + offsets)?;
        config.reduction.apply(&losses, groups as f64)
    }
}
