//! Concatenation: the mean of the context's tokens beside the image's features, and a layer that mixes them.
//!
//! In the place of a modality that is missing stands a trained vector.

use patchbay::plugin::prelude::*;

use crate::modalities::{Modalities, dense, encoding};

patchbay::config! {
    /// Settings of [`FusionConcat`].
    pub struct FusionConcatConfig {
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

/// Image and context side by side, mixed by a layer.
pub struct FusionConcat {
    config: FusionConcatConfig,
    mix: nn::Linear,
    missing_image: Tensor,
    missing_context: Tensor,
}

impl Component for FusionConcat {}

impl Define for FusionConcat {
    type Kind = dyn Encoder;
    type Config = FusionConcatConfig;
    const ID: &'static str = "encoder/fusion_concat";
    const SUMMARY: &'static str = "Image and context side by side, mixed by a layer";
    const DETAILS: Details = Details {
        formula: "gelu(W [x, c] + b),  x and c the means of the tokens, or a trained vector where there are none",
        reference: "Cao et al. 2020, Deep Learning-Based Remote and Social Sensing Data Fusion for Urban Region Function Recognition, concatenation",
        shapes: "values [batch, image_width] or [batch, n, image_width], mask [batch, n]; context [batch, m, context_width], \
                 context_mask [batch, m]; pooled [batch, width]",
        trainable: true,
        example: r#"let fusion = create::<dyn Encoder>("encoder/fusion_concat", json!({"image_width": 8, "context_width": 6, "width": 4}))?;
let image = Tensor::randn(0f32, 1.0, (2, 8), &device())?;
let visits = Tensor::randn(0f32, 1.0, (2, 24, 6), &device())?;
let input = plugin::EncoderInput { context: Some(&visits), ..plugin::EncoderInput::new(&image) };
fusion.forward(&input)?.pooled"#,
    };

    fn build(config: FusionConcatConfig, context: &Context) -> Result<Self> {
        let vb = context.vb();
        let start = nn::Init::Const(0.0);
        Ok(FusionConcat {
            mix: nn::linear(
                config.image_width + config.context_width,
                config.width,
                vb.pp("mix"),
            )?,
            missing_image: vb.get_with_hints(config.image_width, "missing_image", start)?,
            missing_context: vb.get_with_hints(config.context_width, "missing_context", start)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::modalities::sample()
    }
}

impl Encoder for FusionConcat {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let config = &self.config;
        let modalities = Modalities::new(input, config.image_width, config.context_width)?;
        let (image, context) = (&modalities.image, &modalities.context);
        let image = image.mean_or(&self.missing_image)?;
        let context = context.mean_or(&self.missing_context)?;
        encoding(
            dense(&self.mix, &Tensor::cat(&[image, context], 1)?)?,
            Vec::new(),
        )
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
