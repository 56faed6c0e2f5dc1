//! Late average: each modality makes its own features, and those that are there are averaged.
//!
//! With a linear classifier behind it, this is the average of the logits of a classifier for each modality.

use patchbay::plugin::prelude::*;

use crate::modalities::{Modalities, dense, encoding};

patchbay::config! {
    /// Settings of [`FusionLateAverage`].
    pub struct FusionLateAverageConfig {
        /// Width of the image's features.
        #[schemars(range(min = 1))]
        image_width: usize = 768,
        /// Width of the context's tokens.
        #[schemars(range(min = 1))]
        context_width: usize = 128,
        /// Width of what comes out.
        #[schemars(range(min = 1))]
        width: usize = 256,
    }
}

/// Each modality speaks for itself; those that are there are averaged.
pub struct FusionLateAverage {
    config: FusionLateAverageConfig,
    image: nn::Linear,
    context: nn::Linear,
}

impl Component for FusionLateAverage {}

impl Define for FusionLateAverage {
    type Kind = dyn Encoder;
    type Config = FusionLateAverageConfig;
    const ID: &'static str = "encoder/fusion_late_average";
    const SUMMARY: &'static str =
        "Each modality speaks for itself; those that are there are averaged";
    const DETAILS: Details = Details {
        formula: "mean over the modalities m that are there of gelu(W_m x_m + b_m)",
        reference: "Kittler et al. 1998, On Combining Classifiers, IEEE TPAMI 20, eq. 20 (the sum rule)",
        shapes: "values [batch, image_width] or [batch, n, image_width], mask [batch, n]; context [batch, m, context_width], \
                 context_mask [batch, m]; pooled [batch, width]",
        trainable: true,
        example: r#"let fusion = create::<dyn Encoder>("encoder/fusion_late_average", json!({"image_width": 8, "context_width": 6, "width": 4}))?;
let image = Tensor::randn(0f32, 1.0, (2, 8), &device())?;
let visits = Tensor::randn(0f32, 1.0, (2, 24, 6), &device())?;
let input = plugin::EncoderInput { context: Some(&visits), ..plugin::EncoderInput::new(&image) };
fusion.forward(&input)?.pooled"#,
    };

    fn build(config: FusionLateAverageConfig, context: &Context) -> Result<Self> {
        let vb = context.vb();
        Ok(FusionLateAverage {
            image: nn::linear(config.image_width, config.width, vb.pp("image"))?,
            context: nn::linear(config.context_width, config.width, vb.pp("context"))?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::modalities::sample()
    }
}

impl Encoder for FusionLateAverage {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let config = &self.config;
        let modalities = Modalities::new(input, config.image_width, config.context_width)?;
        let (image, context) = (&modalities.image, &modalities.context);
        let from_image = dense(&self.image, &image.mean()?)?.broadcast_mul(&image.is_there)?;
        let from_context =
            dense(&self.context, &context.mean()?)?.broadcast_mul(&context.is_there)?;
        // At least one is there.
        let there = (&image.is_there + &context.is_there)?;
        encoding(
            (from_image + from_context)?.broadcast_div(&there)?,
            Vec::new(),
        )
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
