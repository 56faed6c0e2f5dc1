//! Gated multimodal unit: for each number a gate decides how much comes from the image and how much from the context.
//!
//! Where a modality is missing the gates let the other through whole.

use patchbay::plugin::prelude::*;

use crate::modalities::{Modalities, encoding};

patchbay::config! {
    /// Settings of [`FusionGated`].
    pub struct FusionGatedConfig {
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

/// A gate for each number decides between image and context.
pub struct FusionGated {
    config: FusionGatedConfig,
    image: nn::Linear,
    context: nn::Linear,
    gate: nn::Linear,
}

impl Component for FusionGated {}

impl Define for FusionGated {
    type Kind = dyn Encoder;
    type Config = FusionGatedConfig;
    const ID: &'static str = "encoder/fusion_gated";
    const SUMMARY: &'static str = "A gate for each number decides between image and context";
    const DETAILS: Details = Details {
        formula: "z h_x + (1 - z) h_c,  h = tanh(W x + b), z = sigmoid(W_z [x, c] + b_z)",
        reference: "Arevalo et al. 2017, Gated Multimodal Units for Information Fusion, arXiv 1702.01992, section 3.1",
        shapes: "values [batch, image_width] or [batch, n, image_width], mask [batch, n]; context [batch, m, context_width], \
                 context_mask [batch, m]; pooled [batch, width]",
        trainable: true,
        example: r#"let fusion = create::<dyn Encoder>("encoder/fusion_gated", json!({"image_width": 8, "context_width": 6, "width": 4}))?;
let image = Tensor::randn(0f32, 1.0, (2, 8), &device())?;
let visits = Tensor::randn(0f32, 1.0, (2, 24, 6), &device())?;
let input = plugin::EncoderInput { context: Some(&visits), ..plugin::EncoderInput::new(&image) };
fusion.forward(&input)?.pooled"#,
    };

    fn build(config: FusionGatedConfig, context: &Context) -> Result<Self> {
        let vb = context.vb();
        let both = config.image_width + config.context_width;
        Ok(FusionGated {
            image: nn::linear(config.image_width, config.width, vb.pp("image"))?,
            context: nn::linear(config.context_width, config.width, vb.pp("context"))?,
            gate: nn::linear(both, config.width, vb.pp("gate"))?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::modalities::sample()
    }
}

impl Encoder for FusionGated {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let config = &self.config;
        let modalities = Modalities::new(input, config.image_width, config.context_width)?;
        let (image, context) = (&modalities.image, &modalities.context);
        let (x, c) = (image.mean()?, context.mean()?);
        let gate = ops::sigmoid(&self.gate.forward(&Tensor::cat(&[&x, &c], 1)?)?)?;
        // 1 where there is an image only, 0 where there is a context only, and as it is where there are both.
        let both = (&image.is_there * &context.is_there)?;
        let alone = (&image.is_there - &both)?;
        let gate = gate.broadcast_mul(&both)?.broadcast_add(&alone)?;
        let image = (self.image.forward(&x)?.tanh()? * &gate)?;
        let context = (self.context.forward(&c)?.tanh()? * gate.affine(-1.0, 1.0)?)?;
        encoding((image + context)?, Vec::new())
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
