//! Encoder of sequences and tables by self-attention: hourly visits, sensor rows, columns of a table.
//!
//! A step of a sequence becomes a token by a linear map; a column of a table becomes one by a
//! direction and an offset of its own, x_j w_j + b_j (the feature tokenizer of Gorishniy et al. 2021,
//! section 3.3). Then pre-norm transformer layers, as a ViT has them.

use patchbay::{
    nn::{
        LayerNorm, Linear, TransformerEncoderLayer, TransformerSettings, layer_norm,
        sin_cos_position_embedding,
    },
    plugin::prelude::*,
};

use crate::{
    attention::{key_mask, key_mask_beside, mean},
    initial::{linear, normal},
};

/// What an item of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Form {
    /// Steps with features: `[batch, steps, features]`, or with more dimensions for the steps, such
    /// as visits `[batch, weekday, week, hour]`.
    Steps,
    /// The columns of a table: `[batch, features]`.
    Table,
}

/// What stands for the whole sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum SequencePool {
    /// A learned token in front.
    Cls,
    /// The mean of the steps that count.
    Mean,
}

/// How steps know where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum SequencePosition {
    /// One learned vector for each step, up to `max_steps`.
    Learned,
    /// Fixed sines and cosines of the step's number.
    SinCos,
    /// Not at all: a set. Columns of a table always know.
    None,
}

/// Standard deviation of the first weights outside the layers.
const INITIALIZER_RANGE: f64 = 0.02;

patchbay::config! {
    /// Settings of [`Sequence`].
    pub struct SequenceConfig {
        /// Numbers in a step, or columns of the table.
        #[schemars(range(min = 1))]
        features: usize,
        /// Whether the input is steps with features or a table's columns.
        form: Form = Form::Steps,
        /// Width of the tokens.
        #[schemars(range(min = 1))]
        width: usize = 64,
        /// Number of layers.
        #[schemars(range(min = 1))]
        layers: usize = 2,
        /// Attention heads.
        #[schemars(range(min = 1))]
        heads: usize = 4,
        /// Width inside the feed-forward parts, as a multiple of the width.
        #[schemars(range(min = 1))]
        mlp_ratio: usize = 4,
        /// The longest sequence, for learned positions.
        #[schemars(range(min = 1))]
        max_steps: usize = 256,
        /// How steps know where they are.
        position: SequencePosition = SequencePosition::Learned,
        /// What stands for the whole sequence.
        pool: SequencePool = SequencePool::Cls,
        /// Dropout in training.
        #[schemars(range(min = 0.0, max = 1.0))]
        dropout: f64 = 0.1,
    }
}

/// Makes tokens of numbers.
enum Tokenizer {
    Steps(Linear),
    /// Directions and offsets, `[features, width]`.
    Table(Tensor, Tensor),
}

/// Transformer layers on steps or columns.
pub struct Sequence {
    tokenizer: Tokenizer,
    class_token: Option<Tensor>,
    positions: Option<Tensor>,
    layers: Vec<TransformerEncoderLayer>,
    norm: LayerNorm,
    config: SequenceConfig,
}

impl Component for Sequence {}

impl Define for Sequence {
    type Kind = dyn Encoder;
    type Config = SequenceConfig;
    const ID: &'static str = "encoder/sequence";
    const SUMMARY: &'static str =
        "Self-attention over the steps of a sequence or the columns of a table";
    const DETAILS: Details = Details {
        formula: "x_t = W s_t + position_t (steps) or x_j = s_j w_j + b_j (table);  x += attn(norm x), \
                  x += mlp(norm x) in each layer;  tokens = norm x",
        reference: "Vaswani et al. 2017, arXiv 1706.03762; table: Gorishniy et al. 2021, Revisiting Deep Learning \
                    Models for Tabular Data, arXiv 2106.11959, section 3.3",
        shapes: "steps [batch, steps, features] or [batch, a, b, features] (a * b steps), table [batch, features]; mask \
                 [batch, steps], with a class token also all zeros in a row; tokens [batch, 1 with a class token + steps, \
                 width]; pooled [batch, width]",
        trainable: true,
        example: r#"let encoder = create::<dyn Encoder>("encoder/sequence", json!({"features": 24}))?;
let visits = Tensor::rand(0f32, 1.0, (2, 7, 26, 24), &device())?;
encoder.forward(&plugin::EncoderInput::new(&visits))?.pooled"#,
    };

    fn build(config: SequenceConfig, context: &Context) -> Result<Self> {
        let SequenceConfig {
            features,
            width,
            max_steps,
            ..
        } = config;
        let vb = context.vb();
        let settings = TransformerSettings {
            feed_forward: config.mlp_ratio * width,
            dropout: config.dropout,
            ..TransformerSettings::vit(width, config.heads)
        };
        let learns_positions =
            config.form == Form::Steps && config.position == SequencePosition::Learned;
        Ok(Sequence {
            tokenizer: match config.form {
                Form::Steps => Tokenizer::Steps(linear(
                    features,
                    width,
                    true,
                    INITIALIZER_RANGE,
                    vb.pp("project"),
                )?),
                Form::Table => {
                    let vb = vb.pp("columns");
                    Tokenizer::Table(
                        vb.get_with_hints((features, width), "weight", normal(INITIALIZER_RANGE))?,
                        vb.get_with_hints((features, width), "bias", normal(INITIALIZER_RANGE))?,
                    )
                }
            },
            class_token: (config.pool == SequencePool::Cls)
                .then(|| vb.get_with_hints((1, 1, width), "cls_token", normal(INITIALIZER_RANGE)))
                .transpose()?,
            positions: learns_positions
                .then(|| {
                    vb.get_with_hints(
                        (1, max_steps, width),
                        "pos_embed",
                        normal(INITIALIZER_RANGE),
                    )
                })
                .transpose()?,
            layers: (0..config.layers)
                .map(|number| {
                    TransformerEncoderLayer::new(&settings, vb.pp(format!("layers.{number}")))
                })
                .collect::<Result<_>>()?,
            norm: layer_norm(width, settings.eps, vb.pp("norm"))?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings = json!({"features": 3, "width": 8, "layers": 1, "heads": 2, "max_steps": 8, "dropout": 0.0});
        Ok(Sample::new(settings)
            .input("steps", crate::initial::wave(&[2, 4, 3], 0.0)?)
            .input(
                "mask",
                Tensor::new(&[[1u8, 1, 1, 1], [1, 1, 0, 0]], &Device::Cpu)?,
            ))
    }
}

impl Encoder for Sequence {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        if input.attention || input.context.is_some() {
            bail!(
                "encoder/sequence returns no attention maps and takes no context; encoder/multimodal does both"
            );
        }
        let x = self.embed(&finite_where_hidden(input.values, input.mask)?)?;
        let (batch, steps, width) = x.dims3()?;
        let visible = match &self.class_token {
            Some(_) => key_mask_beside(input.mask, batch, steps, "mask")?,
            None => key_mask(input.mask, batch, steps, "mask").map_err(|error| {
                candle::Error::Msg(format!(
                    "{error}; with `\"pool\": \"cls\"` a row may be hidden whole"
                ))
            })?,
        };
        let (mut x, mask) = match &self.class_token {
            Some(token) => {
                let token = ops::broadcast_as(token, (batch, 1, width))?;
                let mask = visible
                    .as_ref()
                    .map(|visible| {
                        let one = Tensor::ones((batch, 1, 1, 1), DType::U8, visible.device())?;
                        Tensor::cat(&[&one, visible], 3)
                    })
                    .transpose()?;
                (Tensor::cat(&[&token, &x], 1)?, mask)
            }
            None => (x, visible.clone()),
        };
        x = ops::dropout(&x, self.config.dropout, input.train)?;
        for layer in &self.layers {
            x = layer.forward(&x, mask.as_ref(), input.train)?;
        }
        let tokens = self.norm.forward(&x)?;
        let pooled = match self.config.pool {
            SequencePool::Cls => tokens.i((.., 0))?.contiguous()?,
            SequencePool::Mean => mean(&tokens, visible.as_ref())?,
        };
        Ok(Encoding {
            tokens,
            pooled,
            attention: Vec::new(),
        })
    }

    fn width(&self) -> usize {
        self.config.width
    }
}

/// The input with zeros for what is not finite at steps that do not count: a weight of 0 does not hide NaN.
fn finite_where_hidden(values: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let Some(mask) = mask else {
        return Ok(values.clone());
    };
    // A table's mask is of its shape, and one of steps lacks the features. Another shape is told when the mask is used.
    let steps: usize = values.elem_count() / values.dims().last().copied().unwrap_or(1).max(1);
    let seen = if mask.dims() == values.dims() {
        mask.ne(0f64)?
    } else if mask.elem_count() == steps && values.rank() > 2 {
        let mut dims = values.dims().to_vec();
        if let Some(features) = dims.last_mut() {
            *features = 1;
        }
        mask.ne(0f64)?.reshape(dims)?.broadcast_as(values.shape())?
    } else {
        return Ok(values.clone());
    };
    let finite = values.abs()?.le(f64::from(f32::MAX))?;
    let keep = seen.maximum(&finite)?;
    keep.where_cond(values, &values.zeros_like()?)
}

impl Sequence {
    /// Numbers to tokens with their positions, `[batch, steps, width]`.
    fn embed(&self, values: &Tensor) -> Result<Tensor> {
        let SequenceConfig {
            features,
            width,
            max_steps,
            ..
        } = self.config;
        let dims = values.dims();
        let fits = dims.last() == Some(&features) && values.elem_count() > 0;
        match &self.tokenizer {
            Tokenizer::Table(weight, bias) => {
                if dims.len() != 2 || !fits {
                    bail!(
                        "encoder/sequence takes a table [batch, {features}], not {dims:?}: its `features` is {features}"
                    );
                }
                ops::broadcast_add(&ops::broadcast_mul(&values.unsqueeze(2)?, weight)?, bias)
            }
            Tokenizer::Steps(map) => {
                if dims.len() < 3 || !fits {
                    bail!(
                        "encoder/sequence takes steps [batch, steps, {features}], not {dims:?}: its `features` is \
                         {features}, and `form` says whether it is a table"
                    );
                }
                let steps = dims[1..dims.len() - 1].iter().product::<usize>();
                let x = map.forward(&values.reshape((dims[0], steps, features))?)?;
                match (&self.positions, self.config.position) {
                    (Some(_), _) if steps > max_steps => {
                        bail!("a sequence of {steps} steps is longer than `max_steps`, {max_steps}")
                    }
                    (Some(positions), _) => ops::broadcast_add(&x, &positions.narrow(1, 0, steps)?),
                    (None, SequencePosition::SinCos) => {
                        let table = sin_cos_position_embedding((1, steps), width, 1.0, x.device())?;
                        x.broadcast_add(&table.to_dtype(x.dtype())?)
                    }
                    (None, _) => Ok(x),
                }
            }
        }
    }
}
