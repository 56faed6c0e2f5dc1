//! Balanced cross entropy: in each image, rare answers weigh as much as common ones.
//!
//! With a sigmoid this is the loss of HED: positives weigh by the share of negatives in their image, and negatives by
//! that of positives. HED's program sums over all pixels of an image and divides by the number of images only, which
//! makes values of 1e4 and more: the default here is the mean, and HED's own is `reduction: "sum"` over the number of
//! images. With a softmax a class weighs by the share of the other classes in the image, which for two classes is the
//! same rule. The shares are of the positions that count.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    binary::Binary,
    classes::{Classes, cross_entropy_of, histogram},
    focal::Activation,
    pairs::mean,
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`BalancedCrossEntropy`].
    pub struct BalancedCrossEntropyConfig {
        /// Sigmoid: positives against negatives of each image and channel. Softmax: the classes of each image.
        activation: Activation = Activation::Softmax,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target (sigmoid: for each target and class).
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy, balanced within each image.
pub struct BalancedCrossEntropy {
    config: BalancedCrossEntropyConfig,
}

impl Component for BalancedCrossEntropy {}

impl Define for BalancedCrossEntropy {
    type Kind = dyn Loss;
    type Config = BalancedCrossEntropyConfig;
    const ID: &'static str = "loss/balanced_cross_entropy";
    const SUMMARY: &'static str =
        "Cross entropy in which each image balances its positives and negatives, or its classes";
    const DETAILS: Details = Details {
        formula: "sigmoid: -(N- / N) t log p - (N+ / N) (1 - t) log (1 - p);  softmax: -(1 - N_t / N) log p_t;  N of the image",
        reference: "Xie and Tu 2015, Holistically-Nested Edge Detection, arXiv 1504.06375, eq. 2",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; sigmoid: also 0 and 1 for each logit, of the logits' shape or without the axis of a single class; result [] or, not reduced, one value for each target",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/balanced_cross_entropy", json!({"activation": "sigmoid"}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 1, 8, 8), &device())?;
let edges = (logits.gt(1.0)?).squeeze(1)?;
loss.forward(&logits, &edges)?"#,
    };

    fn build(config: BalancedCrossEntropyConfig, _context: &Context) -> Result<Self> {
        Ok(BalancedCrossEntropy { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::classes::sample(json!({}))
    }
}

impl Loss for BalancedCrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self.config.activation {
            Activation::Softmax => self.softmax(logits, target),
            Activation::Sigmoid => self.sigmoid(logits, target),
        }
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const CLASSES: usize = 10;
        const SIDE: usize = 512;
        let logits = Tensor::zeros((CLASSES, CLASSES), DType::F32, &Device::Cpu)?;
        let target = Tensor::arange(0u32, CLASSES as u32, &Device::Cpu)?;
        let softmax = BalancedCrossEntropy::of(Activation::Softmax, Reduction::Mean);
        let mut values = vec![(
            format!("equal logits, {CLASSES} classes, softmax"),
            mean(&softmax.forward(&logits, &target)?)?,
        )];
        // One image in which a tenth is edges.
        let logits = Tensor::zeros((1, 1, SIDE, SIDE), DType::F32, &Device::Cpu)?;
        let edges: Vec<u8> = (0..SIDE * SIDE).map(|at| u8::from(at % 10 == 0)).collect();
        let edges = Tensor::from_vec(edges, (1, SIDE, SIDE), &Device::Cpu)?;
        for (words, reduction) in [("mean", Reduction::Mean), ("sum", Reduction::Sum)] {
            let sigmoid = BalancedCrossEntropy::of(Activation::Sigmoid, reduction);
            values.push((
                format!("logits of 0, {SIDE}x{SIDE} with 10 % edges, sigmoid, {words}"),
                mean(&sigmoid.forward(&logits, &edges)?)?,
            ));
        }
        Ok(values)
    }
}

impl BalancedCrossEntropy {
    fn of(activation: Activation, reduction: Reduction) -> Self {
        let config = BalancedCrossEntropyConfig {
            activation,
            ignore_index: None,
            reduction,
        };
        BalancedCrossEntropy { config }
    }

    fn softmax(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (logits, target) = Classes::of_indices(logits, target, self.config.ignore_index)?;
        let count = target.count;
        // With [batch, classes] there are no images: the batch is balanced as a whole.
        let image = if logits.rank() == 2 {
            target.classes.len()
        } else {
            logits.dims()[2..].iter().product()
        };
        let shares = |classes: &[u32]| -> Vec<f64> {
            let seen = histogram(classes, count);
            let all = seen.iter().sum::<usize>().max(1) as f64;
            seen.iter().map(|&n| 1.0 - n as f64 / all).collect()
        };
        // The shares of a single image are weights of the classes, which cross entropy applies in the same pass.
        if image == target.classes.len() {
            let weight = Tensor::from_vec(shares(&target.classes), count, logits.device())?
                .to_dtype(logits.dtype())?;
            let values = cross_entropy_of(&logits, &target, Some(weight))?;
            return self.config.reduction.apply(&values, target.counted as f64);
        }
        let mut weights = vec![0f32; target.classes.len()];
        for (weights, classes) in weights
            .chunks_mut(image.max(1))
            .zip(target.classes.chunks(image.max(1)))
        {
            let shares = shares(classes);
            for (weight, &class) in weights.iter_mut().zip(classes) {
                *weight = shares
                    .get(class as usize)
                    .map_or(0.0, |&share| share as f32);
            }
        }
        let weights = Tensor::from_vec(weights, target.tensor.shape(), logits.device())?
            .to_dtype(logits.dtype())?;
        let values = (cross_entropy_of(&logits, &target, None)? * weights)?;
        self.config.reduction.apply(&values, target.counted as f64)
    }

    fn sigmoid(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let binary = Binary::new(logits, target, self.config.ignore_index)?;
        let dims = binary.logits.dims().to_vec();
        // One row for each image and channel; with [batch, classes] one for each class.
        let rows = |values: &Tensor| match dims.len() {
            1 => values.unsqueeze(0),
            2 => values.t(),
            _ => values.flatten_from(2)?.flatten_to(1),
        };
        let back = |rows: Tensor| match dims.len() {
            2 => rows.t()?.contiguous(),
            _ => rows.reshape(dims.as_slice()),
        };
        let truth = rows(&binary.target)?;
        let positives = ops::sum_keepdim(&truth, 1)?;
        let all = match &binary.mask {
            // At least 1, so that a row without a single target that counts has weights and not NaN.
            Some(mask) => ops::sum_keepdim(&rows(mask)?, 1)?.maximum(1.0)?,
            None => (positives.ones_like()? * truth.dim(1)? as f64)?,
        };
        let share = (positives / all)?;
        // (1 - share) for positives, share for negatives.
        let weights = truth
            .broadcast_mul(&share.affine(-2.0, 1.0)?)?
            .broadcast_add(&share)?;
        let settings = ops::BinaryCrossEntropy {
            reduction: ops::Reduction::None,
            ..Default::default()
        };
        let values =
            ops::binary_cross_entropy_with_logits_with(&binary.logits, &binary.target, &settings)?;
        let values = binary.masked((values * back(weights)?)?)?;
        self.config.reduction.apply(&values, binary.counted as f64)
    }
}
