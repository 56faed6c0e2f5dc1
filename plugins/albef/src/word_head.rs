//! BERT's head of masked words: a dense layer, gelu, a norm, and the word embeddings as the decoder.

use patchbay::{candle_nn::Init, plugin::prelude::*};

/// Parameters `transform.dense.{weight, bias}`, `transform.LayerNorm.{weight, bias}` and `bias`; the decoder's weight is
/// the text encoder's word embeddings (tied, as in the official program).
pub struct WordHead {
    dense: (Tensor, Tensor),
    norm: (Tensor, Tensor),
    bias: Tensor,
}

/// As [`WordHead`] has them, with their first values.
const NORMAL: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};

impl WordHead {
    /// The head and its momentum copy; `make(name, shape, first values)` makes both tensors of a name.
    ///
    /// # Errors
    ///
    /// Fails where a name is taken by a tensor of another shape.
    pub fn with_copy(
        width: usize,
        vocabulary: usize,
        mut make: impl FnMut(&str, &[usize], Init) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Self, Self)> {
        let (zero, one) = (Init::Const(0.0), Init::Const(1.0));
        let weight = make("transform.dense.weight", &[width, width], NORMAL)?;
        let dense_bias = make("transform.dense.bias", &[width], zero)?;
        let scale = make("transform.LayerNorm.weight", &[width], one)?;
        let shift = make("transform.LayerNorm.bias", &[width], zero)?;
        let bias = make("bias", &[vocabulary], zero)?;
        Ok((
            WordHead {
                dense: (weight.0, dense_bias.0),
                norm: (scale.0, shift.0),
                bias: bias.0,
            },
            WordHead {
                dense: (weight.1, dense_bias.1),
                norm: (scale.1, shift.1),
                bias: bias.1,
            },
        ))
    }

    /// Tokens `[n, width]` to logits `[n, vocabulary]`; `words` are the word embeddings `[vocabulary, width]`.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit.
    pub fn forward(&self, tokens: &Tensor, words: &Tensor) -> Result<Tensor> {
        let x = ops::linear_gelu(tokens, &self.dense.0, &self.dense.1)?;
        let x = ops::layer_norm(&x, Some(&self.norm.0), Some(&self.norm.1), 1e-12)?;
        ops::linear(&x, words, Some(&self.bias))
    }
}
