//! BERT's embeddings: word, position and token type, a norm and dropout.

use patchbay::{
    nn::{Embedding, LayerNorm, layer_norm},
    plugin::prelude::*,
};

use super::BertConfig;
use crate::initial::normal;

/// Parameters `word_embeddings.weight`, `position_embeddings.weight`,
/// `token_type_embeddings.weight`, `LayerNorm.{weight, bias}`.
pub struct Embeddings {
    words: Embedding,
    positions: Tensor,
    types: Tensor,
    norm: LayerNorm,
    dropout: f64,
}

impl Embeddings {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(config: &BertConfig, vb: VarBuilder) -> Result<Embeddings> {
        let table = |name: &str, entries: usize| {
            vb.pp(name).get_with_hints(
                (entries, config.width),
                "weight",
                normal(config.initializer_range),
            )
        };
        let words = Embedding::new(table("word_embeddings", config.vocabulary)?, config.width);
        Ok(Embeddings {
            words: match config.pad_token {
                Some(pad) => words.padding_index(pad as usize),
                None => words,
            },
            positions: table("position_embeddings", config.max_positions)?,
            types: table("token_type_embeddings", config.token_types)?,
            norm: layer_norm(config.width, config.eps, vb.pp("LayerNorm"))?,
            dropout: config.dropout,
        })
    }

    /// Token ids `[batch, length]` to `[batch, length, width]`; the token type is 0 everywhere.
    ///
    /// # Errors
    ///
    /// Fails where there is no token, an id is not in the vocabulary, or the text is longer than
    /// the position embeddings.
    pub fn forward(&self, ids: &Tensor, train: bool) -> Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let (most, vocabulary) = (self.positions.dim(0)?, self.words.embeddings().dim(0)?);
        if batch == 0 || length == 0 {
            bail!(
                "the token ids are {:?}: there is no text; even an empty caption has its [CLS] and [SEP]",
                ids.dims()
            );
        }
        if length > most {
            bail!(
                "a text of {length} tokens is longer than the {most} position embeddings: cut it, or raise \
                 `max_positions`"
            );
        }
        let largest = ids.flatten_all()?.max(0)?.to_scalar::<u32>()?;
        if largest as usize >= vocabulary {
            bail!(
                "the token id {largest} is not in a vocabulary of {vocabulary}: does the tokenizer belong to this encoder?"
            );
        }
        // Type and position do not depend on the row: they are added to each other before.
        let positions = self.positions.narrow(0, 0, length)?;
        let places = ops::broadcast_add(&positions, &self.types.narrow(0, 0, 1)?)?;
        let x = ops::broadcast_add(&self.words.forward(ids)?, &places)?;
        ops::dropout(&self.norm.forward(&x)?, self.dropout, train)
    }
}
