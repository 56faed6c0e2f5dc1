//! Lovász hinge: a convex surrogate of the Jaccard loss (intersection over union) of one region.
//!
//! As the authors' program and segmentation_models_pytorch's `LovaszLoss` of the modes "binary" and "multilabel": one sort
//! over all logits that count, or over those of each image, whatever the number of channels. With `per_channel` each
//! channel is a region of its own, and the loss is their mean; these programs have no such form.

use patchbay::{ops, plugin::prelude::*};

use crate::{binary::Binary, lovasz::slopes, reduction::Reduction};

patchbay::config! {
    /// Settings of [`LovaszHinge`].
    pub struct LovaszHingeConfig {
        /// Whether regions are compared in each image, or in the whole batch.
        per_image: bool = false,
        /// Whether each channel is a region of its own, whose losses are averaged, or all channels are one region.
        per_channel: bool = false,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean or sum over the images (or the one batch); none: one value for each image.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Lovász extension of the Jaccard loss of a hinge.
pub struct LovaszHinge {
    config: LovaszHingeConfig,
}

impl Component for LovaszHinge {}

impl Define for LovaszHinge {
    type Kind = dyn Loss;
    type Config = LovaszHingeConfig;
    const ID: &'static str = "loss/lovasz_hinge";
    const SUMMARY: &'static str =
        "A surrogate of the intersection over union of one region, or of one a channel";
    const DETAILS: Details = Details {
        formula: "sum_i max(e_i, 0) g_i,  e = 1 - (2 t - 1) logits falling, g: slopes of the Jaccard loss",
        reference: "Berman et al. 2018, The Lovász-Softmax loss, arXiv 1705.08790, eq. 8",
        shapes: "logits [batch, 1, height, width], or any number of channels; target 0 and 1 of the logits' shape or without the axis of the one channel; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/lovasz_hinge", json!({}))?;
let logits = Tensor::randn(0f32, 1.0, (2, 1, 8, 8), &device())?;
let target = logits.gt(0.0)?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: LovaszHingeConfig, _context: &Context) -> Result<Self> {
        Ok(LovaszHinge { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let logits = [
            [[[0.3f32, -1.2, 0.5], [2.0, 0.1, -0.4]]],
            [[[-0.7, 0.9, 1.1], [0.2, 1.4, -2.0]]],
        ];
        let target = [[[[1u8, 0, 0], [1, 1, 0]]], [[[0, 1, 1], [1, 0, 0]]]];
        Ok(Sample::new(json!({}))
            .input("logits", Tensor::new(&logits, &Device::Cpu)?)
            .input("target", Tensor::new(&target, &Device::Cpu)?))
    }
}

impl Loss for LovaszHinge {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let binary = Binary::new(logits, target, config.ignore_index)?;
        let dims = binary.logits.dims();
        let channels = dims.get(1).copied().unwrap_or(1);
        let (batch, inner) = (dims[0], dims.iter().skip(2).product::<usize>());
        let read = |tensor: &Tensor| {
            tensor
                .detach()
                .to_dtype(DType::F32)?
                .flatten_all()?
                .to_vec1::<f32>()
        };
        let truth = read(&binary.target)?;
        if let Some(value) = truth.iter().find(|&&value| value != 0.0 && value != 1.0) {
            bail!(
                "the targets of this loss are 0 and 1; this one {:?} contains {value}",
                target.dims()
            );
        }
        let mask = binary.mask.as_ref().map(read).transpose()?;
        let signs = binary.target.affine(2.0, -1.0)?;
        let errors = (&binary.logits * signs)?.affine(-1.0, 1.0)?;
        // Not relu, which makes 0 of NaN.
        let errors = errors.le(0.0)?.where_cond(&errors.zeros_like()?, &errors)?;
        let values = read(&errors)?;
        let per_image = config.per_image || config.reduction == Reduction::None;
        let (groups, images) = if per_image { (batch, 1) } else { (1, batch) };
        // A region is `width` channels of each image of its group.
        let (regions, width) = match config.per_channel {
            true => (channels, 1),
            false => (1, channels),
        };
        let mut factors = vec![0f32; values.len()];
        for group in 0..groups {
            for region in 0..regions {
                let counted: Vec<usize> = (group * images..(group + 1) * images)
                    .flat_map(|image| {
                        let first = (image * channels + region * width) * inner;
                        first..first + width * inner
                    })
                    .filter(|&at| mask.as_ref().is_none_or(|mask| mask[at] > 0.0))
                    .collect();
                let here: Vec<f32> = counted.iter().map(|&at| values[at]).collect();
                let slopes = slopes(&here, |index| truth[counted[index]] > 0.0);
                for (&at, slope) in counted.iter().zip(slopes) {
                    factors[at] = slope / regions as f32;
                }
            }
        }
        let factors =
            Tensor::from_vec(factors, dims, logits.device())?.to_dtype(binary.logits.dtype())?;
        let losses = ops::sum(&(errors * factors)?.reshape((groups, ()))?, 1)?;
        config.reduction.apply(&losses, groups as f64)
    }
}
