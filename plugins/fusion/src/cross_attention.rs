//! Cross-attention: the image's tokens look at the context's, and a mean of both kinds of answer is mixed.
//!
//! Beside the context's tokens there is always a trained one to look at, which is all there is where the context is missing; a
//! trained token stands for an image that is missing.

use patchbay::plugin::prelude::*;

use crate::modalities::{Modalities, dense, encoding};

patchbay::config! {
    /// Settings of [`FusionCrossAttention`].
    pub struct FusionCrossAttentionConfig {
        /// Width of the image's features.
        #[schemars(range(min = 1))]
        image_width: usize = 768,
        /// Width of the context's tokens.
        #[schemars(range(min = 1))]
        context_width: usize = 128,
        /// Width of what comes out.
        #[schemars(range(min = 1))]
        width: usize = 256,
        /// Attention heads.
        #[schemars(range(min = 1))]
        heads: usize = 4,
    }
}

/// The image's tokens look at the context's.
pub struct FusionCrossAttention {
    config: FusionCrossAttentionConfig,
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    mix: nn::Linear,
    missing_image: Tensor,
    nothing: Tensor,
}

impl Component for FusionCrossAttention {}

impl Define for FusionCrossAttention {
    type Kind = dyn Encoder;
    type Config = FusionCrossAttentionConfig;
    const ID: &'static str = "encoder/fusion_cross_attention";
    const SUMMARY: &'static str = "The image's tokens look at the context's";
    const DETAILS: Details = Details {
        formula: "gelu(W [mean x, mean attention(x, c)] + b)",
        reference: "Vaswani et al. 2017, Attention Is All You Need, arXiv 1706.03762, eq. 1; Tsai et al. 2019, Multimodal Transformer, arXiv 1906.00295, eq. 2",
        shapes: "values [batch, image_width] or [batch, n, image_width], mask [batch, n]; context [batch, m, context_width], \
                 context_mask [batch, m]; pooled [batch, width]",
        trainable: true,
        example: r#"let fusion = create::<dyn Encoder>("encoder/fusion_cross_attention", json!({"image_width": 8, "context_width": 6, "width": 4}))?;
let image = Tensor::randn(0f32, 1.0, (2, 8), &device())?;
let visits = Tensor::randn(0f32, 1.0, (2, 24, 6), &device())?;
let input = plugin::EncoderInput { context: Some(&visits), ..plugin::EncoderInput::new(&image) };
fusion.forward(&input)?.pooled"#,
    };

    fn build(config: FusionCrossAttentionConfig, context: &Context) -> Result<Self> {
        let FusionCrossAttentionConfig {
            image_width,
            context_width,
            width,
            heads,
        } = config;
        if width % heads != 0 {
            bail!("a width of {width} does not divide into {heads} heads: give another `heads`");
        }
        let vb = context.vb();
        let small = nn::Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        Ok(FusionCrossAttention {
            query: nn::linear(image_width, width, vb.pp("query"))?,
            key: nn::linear(context_width, width, vb.pp("key"))?,
            value: nn::linear(context_width, width, vb.pp("value"))?,
            mix: nn::linear(image_width + width, width, vb.pp("mix"))?,
            missing_image: vb.get_with_hints(image_width, "missing_image", small)?,
            nothing: vb.get_with_hints(context_width, "nothing", small)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::modalities::sample()
    }
}

impl Encoder for FusionCrossAttention {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let config = &self.config;
        let modalities = Modalities::new(input, config.image_width, config.context_width)?;
        let (image, context) = (&modalities.image, &modalities.context);
        let absent = image.is_there.affine(-1.0, 1.0)?.unsqueeze(2)?;
        let missing = self.missing_image.reshape((1, 1, ()))?;
        // The tokens of an image that is missing are zeros.
        let queries = ops::broadcast_add(&image.tokens, &ops::broadcast_mul(&absent, &missing)?)?;
        let (batch, length, _) = queries.dims3()?;
        let nothing = self.nothing.reshape((1, 1, ()))?;
        let nothing = ops::broadcast_as(&nothing, (batch, 1, config.context_width))?;
        let seen = Tensor::cat(&[&context.tokens, &nothing.contiguous()?], 1)?;
        let visible = Tensor::cat(
            &[&context.mask, &context.mask.narrow(1, 0, 1)?.ones_like()?],
            1,
        )?;
        let heads = |x: Tensor| {
            let tokens = x.dim(1)?;
            x.reshape((batch, tokens, config.heads, config.width / config.heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (q, k, v) = (
            heads(self.query.forward(&queries)?)?,
            heads(self.key.forward(&seen)?)?,
            heads(self.value.forward(&seen)?)?,
        );
        let scale = ((config.width / config.heads) as f64).sqrt().recip();
        let hidden = visible.affine(1e9, -1e9)?.reshape((batch, 1, 1, ()))?;
        let scores = (ops::matmul(&q, &k.t()?.contiguous()?)? * scale)?.broadcast_add(&hidden)?;
        let map = ops::softmax(&scores)?;
        let answers =
            ops::matmul(&map, &v)?
                .transpose(1, 2)?
                .reshape((batch, length, config.width))?;
        // Tokens that are padding do not count; where the image is missing its stand-ins are all alike.
        let weight = (&image.mask + absent.squeeze(2)?.broadcast_as(image.mask.shape())?)?;
        let weight = weight
            .broadcast_div(&ops::sum_keepdim(&weight, 1)?)?
            .unsqueeze(2)?;
        let mean = |x: &Tensor| ops::sum(&x.broadcast_mul(&weight)?, 1);
        let both = Tensor::cat(&[mean(&queries)?, mean(&answers)?], 1)?;
        let maps = if input.attention {
            vec![map]
        } else {
            Vec::new()
        };
        encoding(dense(&self.mix, &both)?, maps)
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
