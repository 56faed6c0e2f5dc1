//! Images to sequences of patches: a strided convolution.

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};

use super::linear::uniform;
use crate::network::layer_network;
use patchbay_ops::{self as ops, Conv2d};

/// Cuts images into square patches and maps each to a vector (Dosovitskiy et al., 2021).
///
/// Parameters `weight` `[width, channels, size, size]` and `bias` `[width]`, as those of a `torch.nn.Conv2d`.
#[derive(Clone, Debug)]
pub struct PatchEmbedding {
    weight: Tensor,
    bias: Option<Tensor>,
    size: usize,
}

layer_network!(PatchEmbedding, "PatchEmbedding", { "weight": weight, "bias": bias }, |layer| {
    let (width, channels) = (layer.weight.dims()[0], layer.weight.dims()[1]);
    format!("{channels}, {width}, size={}, bias={}", layer.size, layer.bias.is_some())
});

impl PatchEmbedding {
    /// Initialized as a convolution in PyTorch.
    ///
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(
        channels: usize,
        width: usize,
        size: usize,
        vb: VarBuilder,
    ) -> Result<PatchEmbedding> {
        let init = uniform(channels * size * size);
        let bias = vb.get_with_hints(width, "bias", init)?;
        Ok(PatchEmbedding {
            bias: Some(bias),
            ..PatchEmbedding::no_bias(channels, width, size, vb)?
        })
    }

    /// [`PatchEmbedding::new`] without `bias`, as in CLIP.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn no_bias(
        channels: usize,
        width: usize,
        size: usize,
        vb: VarBuilder,
    ) -> Result<PatchEmbedding> {
        let init = uniform(channels * size * size);
        Ok(PatchEmbedding {
            weight: vb.get_with_hints((width, channels, size, size), "weight", init)?,
            bias: None,
            size,
        })
    }

    /// [width, channels, size, size].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for PatchEmbedding {
    /// [batch, channels, height, width] to [batch, patches, width]. Pixels beyond the last whole patch are left out.
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let settings = Conv2d {
            stride: (self.size, self.size),
            ..Conv2d::default()
        };
        ops::conv2d(images, &self.weight, self.bias.as_ref(), settings)?
            .flatten_from(2)?
            .transpose(1, 2)
    }
}
