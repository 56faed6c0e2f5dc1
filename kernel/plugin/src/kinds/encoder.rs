//! Encoders: images, text, tables and sequences into features.

use candle_core::{Tensor, bail};

use super::declare::kind;
use crate::{Inputs, Outputs, Slot};
use patchbay_show::Result;

kind! {
    #[name = "encoder"]
    #[tried = tried]
    /// A network that turns its input into tokens.
    pub trait Encoder: Component {
        /// Encodes a batch.
        ///
        /// # Errors
        ///
        /// Fails where the input's shape does not fit, naming it.
        #[slot = forward_in_slot]
        fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding>;

        /// The width of the tokens.
        #[constant]
        fn width(&self) -> usize;
    }
}

/// Input of an encoder.
#[derive(Clone, Copy)]
pub struct EncoderInput<'a> {
    /// Images `[batch, channels, height, width]`, token ids `[batch, length]` (`u32`), or a sequence
    /// `[batch, length, features]`.
    pub values: &'a Tensor,
    /// 1 where a position counts, 0 where it is padding: `[batch, length]` (`u8`).
    pub mask: Option<&'a Tensor>,
    /// Tokens that cross-attention looks at: `[batch, context, width]`.
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

/// Values without mask and context, for inference.
impl<'a> From<&'a Tensor> for EncoderInput<'a> {
    fn from(values: &'a Tensor) -> Self {
        EncoderInput::new(values)
    }
}

impl<'a> From<&EncoderInput<'a>> for EncoderInput<'a> {
    fn from(input: &EncoderInput<'a>) -> Self {
        *input
    }
}

impl Slot<dyn Encoder> {
    /// Encodes a batch: `encoder.forward(&images)?`, or an [`EncoderInput`] with mask, context or training.
    ///
    /// # Errors
    ///
    /// Fails where the input's shape does not fit, and where the component's results have other shapes than [`Encoding`]
    /// says.
    pub fn forward<'a>(&self, input: impl Into<EncoderInput<'a>>) -> Result<Encoding> {
        forward_in_slot(self, &input.into())
    }
}

/// Output of an encoder.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// `[batch, length, width]`, a class token first where the encoder has one.
    pub tokens: Tensor,
    /// `[batch, width]`.
    pub pooled: Tensor,
    /// If asked for: one map a layer, `[batch, heads, length, length or context]`.
    pub attention: Vec<Tensor>,
}

/// The sample's first input are the values; `mask`, `context` and `context_mask` are what their names say.
fn tried(encoder: &Slot<dyn Encoder>, inputs: &Inputs) -> Result<Outputs> {
    let encoding = encoder.forward(EncoderInput {
        mask: inputs.find("mask"),
        context: inputs.find("context"),
        context_mask: inputs.find("context_mask"),
        train: true,
        ..EncoderInput::new(inputs.at(0)?)
    })?;
    if encoding.tokens.dim(2)? != encoder.width() {
        bail!(
            "the tokens {:?} have not the width that the encoder says, {}",
            encoding.tokens.dims(),
            encoder.width()
        );
    }
    Ok(vec![
        ("tokens".to_owned(), encoding.tokens),
        ("pooled".to_owned(), encoding.pooled),
    ])
}

/// As the component's own, and checked: the shapes are those of [`Encoding`].
fn forward_in_slot(slot: &Slot<dyn Encoder>, input: &EncoderInput<'_>) -> Result<Encoding> {
    slot.call(|encoder| {
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
