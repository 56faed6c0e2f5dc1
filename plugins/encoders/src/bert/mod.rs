//! BERT: a text encoder, and with `fusion_layer` a multimodal one, too.
//!
//! Structure, parameter names and first values are those of `BertModel` in Hugging Face's
//! `transformers`; with `fusion_layer`, those of ALBEF's `xbert`. What goes in decides which layers
//! run, as `mode` does there:
//!
//! | values | context | layers | `mode` |
//! |---|---|---|---|
//! | token ids | none | all below `fusion_layer` | `text` |
//! | token ids | given | all | `multi_modal` |
//! | tokens `[batch, length, width]` | given | from `fusion_layer` on | `fusion` |
//!
//! Without `fusion_layer` all layers run, from token ids or from given embeddings. Padding is hidden
//! completely, where `xbert` adds -10000 to its scores; in `f32` the two are the same.

mod embeddings;
pub mod layer;
mod presets;
pub mod stack;

use embeddings::Embeddings;
use layer::LayerSettings;
use patchbay::{nn::Linear, plugin::prelude::*};
use stack::Stack;

use crate::{
    attention::{key_mask, mean},
    initial::linear,
};

/// What stands for the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum TextPool {
    /// The first token.
    Cls,
    /// The mean of the tokens that are no padding (sentence embeddings).
    Mean,
    /// BERT's own: the hyperbolic tangent of a linear map of the first token, `pooler.dense`.
    Pooler,
}

patchbay::config! {
    /// Settings of [`Bert`].
    pub struct BertConfig {
        /// Number of token ids.
        #[schemars(range(min = 1))]
        vocabulary: usize = 30522,
        /// Width of the tokens.
        #[schemars(range(min = 1))]
        width: usize = 768,
        /// Number of layers.
        #[schemars(range(min = 1))]
        layers: usize = 12,
        /// Attention heads.
        #[schemars(range(min = 1))]
        heads: usize = 12,
        /// Width inside the feed-forward parts; null: four times the width.
        #[schemars(range(min = 1))]
        intermediate: Option<usize> = None,
        /// The longest text.
        #[schemars(range(min = 1))]
        max_positions: usize = 512,
        /// Number of token types; type 0 is used.
        #[schemars(range(min = 1))]
        token_types: usize = 2,
        /// The first layer with cross-attention to the context; null: none has it.
        fusion_layer: Option<usize> = None,
        /// Width of the context; null: that of the tokens.
        #[schemars(range(min = 1))]
        context_width: Option<usize> = None,
        /// What stands for the whole text.
        pool: TextPool = TextPool::Cls,
        /// The id whose embedding gets no gradient; null: all get one.
        pad_token: Option<u32> = Some(0),
        /// Epsilon of the norms.
        #[schemars(range(min = 0.0))]
        eps: f64 = 1e-12,
        /// Dropout after embeddings, attention and feed-forward parts, in training.
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

/// BERT's encoder.
pub struct Bert {
    embeddings: Embeddings,
    stack: Stack,
    pooler: Option<Linear>,
    config: BertConfig,
}

impl Component for Bert {}

impl Define for Bert {
    type Kind = dyn Encoder;
    type Config = BertConfig;
    const ID: &'static str = "encoder/bert";
    const SUMMARY: &'static str =
        "BERT: text, and with fusion_layer text with cross-attention to an image";
    const DETAILS: Details = Details {
        formula: "x = norm(word + position + type);  x = norm(x + attn(x)), [x = norm(x + cross(x, context)),] \
                  x = norm(x + mlp(x)) in each layer",
        reference: "Devlin et al. 2019, arXiv 1810.04805; Hugging Face's BertModel; fusion_layer: Li et al. 2021, \
                    Align before Fuse, arXiv 2107.07651, section 3.1, and its xbert",
        shapes: "token ids [batch, length] (u32) or tokens [batch, length, width]; mask [batch, length]; context \
                 [batch, m, context_width]; tokens [batch, length, width]; pooled [batch, width]; attention a layer \
                 [batch, heads, length, length], with cross-attention [batch, heads, length, m]",
        trainable: true,
        example: r#"let encoder = create::<dyn Encoder>("encoder/bert", json!({"width": 64, "layers": 2, "heads": 4, "vocabulary": 1000}))?;
let ids = Tensor::new(&[[101u32, 7, 8, 102], [101, 9, 102, 0]], &device())?;
let mask = Tensor::new(&[[1u8, 1, 1, 1], [1, 1, 1, 0]], &device())?;
let input = plugin::EncoderInput { mask: Some(&mask), ..plugin::EncoderInput::new(&ids) };
encoder.forward(&input)?.pooled"#,
    };

    fn presets() -> patchbay::serde_json::Value {
        json!(presets::presets())
    }

    fn build(config: BertConfig, context: &Context) -> Result<Self> {
        let width = config.width;
        let fusion = config.fusion_layer.unwrap_or(config.layers);
        if config.fusion_layer.is_some() && fusion >= config.layers {
            bail!(
                "fusion_layer {fusion} is not one of {} layers, counted from 0",
                config.layers
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
        let vb = context.vb();
        Ok(Bert {
            embeddings: Embeddings::new(&config, vb.pp("embeddings"))?,
            stack: Stack::new(settings, config.layers, fusion, vb.pp("encoder"))?,
            pooler: (config.pool == TextPool::Pooler)
                .then(|| {
                    linear(
                        width,
                        width,
                        true,
                        config.initializer_range,
                        vb.pp("pooler.dense"),
                    )
                })
                .transpose()?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings = json!({
            "vocabulary": 20, "width": 8, "layers": 2, "heads": 2, "intermediate": 12, "max_positions": 6, "dropout": 0.0,
            "attention_dropout": 0.0,
        });
        Ok(Sample::new(settings)
            .input(
                "ids",
                Tensor::new(&[[1u32, 7, 12, 3], [1, 19, 4, 6]], &Device::Cpu)?,
            )
            .input(
                "mask",
                Tensor::new(&[[1u8, 1, 1, 1], [1, 1, 0, 0]], &Device::Cpu)?,
            ))
    }
}

impl Encoder for Bert {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let layers = self.config.layers;
        let values = input.values;
        let is_ids = values.dtype() == DType::U32 && values.rank() == 2;
        let are_tokens = values.dtype().is_float() && values.rank() == 3;
        if !is_ids && !are_tokens {
            bail!(
                "encoder/bert takes token ids [batch, length] of u32, or tokens [batch, length, {}], not {:?} of {}",
                self.config.width,
                values.dims(),
                values.dtype().as_str()
            );
        }
        let range = match (self.config.fusion_layer, is_ids, input.context) {
            (None, _, Some(_)) => bail!(
                "this encoder/bert has no cross-attention and cannot look at a context: make it with `fusion_layer`"
            ),
            (None, _, None) | (Some(_), true, Some(_)) => 0..layers,
            (Some(fusion), true, None) => 0..fusion,
            (Some(fusion), false, Some(_)) => fusion..layers,
            (Some(_), false, None) => bail!(
                "tokens were given without a context: the layers from `fusion_layer` on need one in EncoderInput's \
                 `context`"
            ),
        };
        let x = match is_ids {
            true => self.embeddings.forward(values, input.train)?,
            false => values.clone(),
        };
        let (tokens, attention) = self.stack.forward(x, range, input)?;
        let first = || tokens.i((.., 0))?.contiguous();
        let pooled = match (&self.pooler, self.config.pool) {
            (Some(pooler), _) => pooler.forward(&first()?)?.tanh()?,
            (None, TextPool::Mean) => {
                let (batch, length, _) = tokens.dims3()?;
                mean(
                    &tokens,
                    key_mask(input.mask, batch, length, "mask")?.as_ref(),
                )?
            }
            (None, _) => first()?,
        };
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
