//! Multimodal encoder: layers of BERT on tokens that another encoder has made, the upper ones with
//! cross-attention to a context.
//!
//! The layers from `fusion_layer` on of ALBEF's text encoder are this with `cross_from` 0; the layer
//! is the one of [`bert`](crate::bert).

use patchbay::plugin::prelude::*;

use crate::bert::{layer::LayerSettings, stack::Stack};

patchbay::config! {
    /// Settings of [`Multimodal`].
    pub struct MultimodalConfig {
        /// Width of the tokens.
        #[schemars(range(min = 1))]
        width: usize = 768,
        /// Number of layers.
        #[schemars(range(min = 1))]
        layers: usize = 6,
        /// The first layer with cross-attention, counted from 0.
        cross_from: usize = 0,
        /// Attention heads.
        #[schemars(range(min = 1))]
        heads: usize = 12,
        /// Width inside the feed-forward parts; null: four times the width.
        #[schemars(range(min = 1))]
        intermediate: Option<usize> = None,
        /// Width of the context; null: that of the tokens.
        #[schemars(range(min = 1))]
        context_width: Option<usize> = None,
        /// Epsilon of the norms.
        #[schemars(range(min = 0.0))]
        eps: f64 = 1e-12,
        /// Dropout after attention and feed-forward parts, in training.
        #[schemars(range(min = 0.0, max = 1.0))]
        dropout: f64 = 0.1,
        /// Dropout of attention weights, in training.
        #[schemars(range(min = 0.0, max = 1.0))]
        attention_dropout: f64 = 0.1,
        /// Standard deviation of the first weights; small widths (under 200) learn faster from 0.1.
        #[schemars(range(min = 0.0))]
        initializer_range: f64 = 0.02,
    }
}

/// Layers with cross-attention on given tokens.
pub struct Multimodal {
    stack: Stack,
    config: MultimodalConfig,
}

impl Component for Multimodal {}

impl Define for Multimodal {
    type Kind = dyn Encoder;
    type Config = MultimodalConfig;
    const ID: &'static str = "encoder/multimodal";
    const SUMMARY: &'static str =
        "Self-attention of tokens, with cross-attention to a context in the upper layers";
    const DETAILS: Details = Details {
        formula: "x = norm(x + attn(x)), [x = norm(x + cross(x, context)),] x = norm(x + mlp(x)) in each layer",
        reference: "Li et al. 2021, Align before Fuse, arXiv 2107.07651, section 3.1; its xbert in mode fusion",
        shapes: "tokens [batch, length, width]; context [batch, m, context_width]; tokens [batch, length, width]; \
                 pooled [batch, width], the first token; attention a layer [batch, heads, length, m], without \
                 cross-attention [batch, heads, length, length]",
        trainable: true,
        example: r#"let encoder = create::<dyn Encoder>("encoder/multimodal", json!({"width": 64, "layers": 2, "heads": 4}))?;
let text = Tensor::rand(-1f32, 1.0, (2, 5, 64), &device())?;
let image = Tensor::rand(-1f32, 1.0, (2, 17, 64), &device())?;
let input = plugin::EncoderInput { context: Some(&image), ..plugin::EncoderInput::new(&text) };
encoder.forward(&input)?.pooled"#,
    };

    fn build(config: MultimodalConfig, context: &Context) -> Result<Self> {
        let MultimodalConfig {
            width,
            layers,
            cross_from,
            ..
        } = config;
        if cross_from >= layers {
            bail!(
                "cross_from {cross_from} is not one of {layers} layers, counted from 0: no layer would look at the context"
            );
        }
        let settings = LayerSettings {
            width,
            heads: config.heads,
            intermediate: config.intermediate.unwrap_or(4 * width),
            context_width: config.context_width.unwrap_or(width),
            eps: config.eps,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            initializer_range: config.initializer_range,
        };
        let vb = context.vb().pp("encoder");
        Ok(Multimodal {
            stack: Stack::new(settings, layers, cross_from, vb)?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings = json!({
            "width": 8, "layers": 2, "heads": 2, "intermediate": 12, "context_width": 6, "dropout": 0.0, "attention_dropout": 0.0,
        });
        let mask = Tensor::new(&[[1u8, 1, 1], [1, 1, 0]], &Device::Cpu)?;
        Ok(Sample::new(settings)
            .input("tokens", crate::initial::wave(&[2, 3, 8], 0.0)?)
            .input("mask", mask)
            .input("context", crate::initial::wave(&[2, 4, 6], 0.9)?))
    }
}

impl Encoder for Multimodal {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let values = input.values;
        if !values.dtype().is_float() || values.rank() != 3 {
            bail!(
                "encoder/multimodal takes tokens [batch, length, {}] of floats, not {:?} of {}: encode text with \
                 encoder/bert first",
                self.config.width,
                values.dims(),
                values.dtype().as_str()
            );
        }
        let (tokens, attention) =
            self.stack
                .forward(values.clone(), 0..self.config.layers, input)?;
        let pooled = tokens.i((.., 0))?.contiguous()?;
        Ok(Encoding {
            tokens,
            pooled,
            attention,
        })
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
