//! `torch.nn.Embedding`.

use candle_core::{Result, Tensor};
use candle_nn::{Init, Module, VarBuilder};

use crate::network::{layer_network, settings};
use patchbay_ops as ops;

/// The rows of a table.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Tensor,
    width: usize,
    padding_index: Option<usize>,
}

layer_network!(Embedding, "Embedding", { "weight": table }, |layer| {
    let padding = layer.padding_index.map(|index| format!(", padding_idx={index}"));
    settings::embedding(&layer.table) + &padding.unwrap_or_default()
});

impl Embedding {
    /// From a table [entries, width].
    pub fn new(embeddings: Tensor, hidden_size: usize) -> Embedding {
        Embedding {
            table: embeddings,
            width: hidden_size,
            padding_index: None,
        }
    }

    /// The row of this index gets no gradient.
    pub fn padding_index(self, index: usize) -> Embedding {
        Embedding {
            padding_index: Some(index),
            ..self
        }
    }

    /// The table, `[rows, hidden]`.
    pub fn embeddings(&self) -> &Tensor {
        &self.table
    }

    /// The length of a row.
    pub fn hidden_size(&self) -> usize {
        self.width
    }
}

impl Module for Embedding {
    /// Ids of any shape to [*ids, width].
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        ops::embedding(ids, &self.table, self.padding_index)
    }
}

/// Parameter `weight`, [entries, width], with a standard normal distribution.
///
/// # Errors
///
/// Fails where the builder has a parameter of another shape.
pub fn embedding(entries: usize, width: usize, vb: VarBuilder) -> Result<Embedding> {
    let init = Init::Randn {
        mean: 0.0,
        stdev: 1.0,
    };
    Ok(Embedding::new(
        vb.get_with_hints((entries, width), "weight", init)?,
        width,
    ))
}
