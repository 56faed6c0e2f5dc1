//! Encoders: images, text, tables and sequences into features.

use candle_core::{Tensor, bail};

use super::{Component, Kind, slot_is_component};
use crate::Slot;
use patchbay_show::Result;

/// A network that turns its input into tokens.
pub trait Encoder: Component {
    /// Encodes a batch.
    ///
    /// # Errors
    ///
    /// Fails where the input's shape does not fit, naming it.
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding>;

    /// The width of the tokens.
    fn width(&self) -> usize;
}

/// What an encoder reads.
#[derive(Clone, Copy)]
pub struct EncoderInput<'a> {
    /// Images `[batch, channels, height, width]`, token ids `[batch, length]` (`u32`), or a sequence
    /// `[batch, length, features]`.
    pub values: &'a Tensor,
    /// 1 where a position counts, 0 where it is padding: `[batch, length]` (`u8`).
    pub mask: Option<&'a Tensor>,
    /// What cross-attention looks at: tokens `[batch, context, width]`.
    pub context: Option<&'a Tensor>,
    /// As `mask`, for the context: `[batch, context]`.
    pub context_mask: Option<&'a Tensor>,
    /// Whether dropout and stochastic depth are at work.
    pub train: bool,
    /// Whether to return the attention maps.
    pub attention: bool,
}

impl<'a> EncoderInput<'a> {
    /// An input without mask and context, for inference.
    pub fn new(values: &'a Tensor) -> Self {
        EncoderInput {
            values,
            mask: None,
            context: None,
            context_mask: None,
            train: false,
            attention: false,
        }
    }
}

/// What an encoder returns.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// `[batch, length, width]`, a class token first where the encoder has one.
    pub tokens: Tensor,
    /// `[batch, width]`.
    pub pooled: Tensor,
    /// If asked for: one map a layer, `[batch, heads, length, length or context]`.
    pub attention: Vec<Tensor>,
}

impl Kind for dyn Encoder {
    const NAME: &'static str = "encoder";
    type Memory = ();

    fn as_component(&self) -> &dyn Component {
        self
    }
}

slot_is_component!(dyn Encoder);

impl Encoder for Slot<dyn Encoder> {
    /// As the component's own, and checked: the shapes are those of [`Encoding`].
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        self.call(|encoder| {
            let encoding = encoder.forward(input)?;
            let batch = input.values.dim(0)?;
            let tokens = encoding.tokens.dims();
            let pooled = encoding.pooled.dims();
            if tokens.len() != 3 || tokens[0] != batch || pooled != [batch, tokens[2]] {
                bail!(
                    "expected tokens [{batch}, length, width] and pooled [{batch}, width], got {tokens:?} \
                     and {pooled:?}"
                );
            }
            Ok(encoding)
        })
    }

    fn width(&self) -> usize {
        self.call(|encoder| Ok(encoder.width())).unwrap_or(0)
    }
}
