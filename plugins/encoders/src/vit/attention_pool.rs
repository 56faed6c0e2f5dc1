//! Pooling by attention: one learned query looks at all tokens (Zhai et al. 2022, Scaling Vision
//! Transformers, section 3; timm's `AttentionPoolLatent`).

use patchbay::{
    nn::{LayerNorm, Linear, layer_norm},
    plugin::prelude::*,
};

use super::{block::FeedForward, config::VitConfig};
use crate::{
    attention::attend,
    initial::{linear, normal},
};

/// Parameters `latent` `[1, 1, width]`, `q`, `kv`, `proj`, `norm`, `mlp.fc1`, `mlp.fc2`.
pub struct AttentionPool {
    latent: Tensor,
    q: Linear,
    kv: Linear,
    proj: Linear,
    norm: LayerNorm,
    feed_forward: FeedForward,
    heads: usize,
}

impl AttentionPool {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(config: &VitConfig, vb: VarBuilder) -> Result<AttentionPool> {
        let (width, _, heads) = config.size()?;
        Ok(AttentionPool {
            latent: vb.get_with_hints((1, 1, width), "latent", normal(config.initializer_range))?,
            q: linear(width, width, true, config.initializer_range, vb.pp("q"))?,
            kv: linear(
                width,
                2 * width,
                true,
                config.initializer_range,
                vb.pp("kv"),
            )?,
            proj: linear(width, width, true, config.initializer_range, vb.pp("proj"))?,
            norm: layer_norm(width, config.eps, vb.pp("norm"))?,
            feed_forward: FeedForward::new(config, width, vb.pp("mlp"))?,
            heads,
        })
    }

    /// `[batch, n, width]` to `[batch, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the width is another.
    pub fn forward(&self, tokens: &Tensor, train: bool) -> Result<Tensor> {
        let (batch, _, width) = tokens.dims3()?;
        let q = ops::broadcast_as(&self.q.forward(&self.latent)?, (batch, 1, width))?;
        let kv = self.kv.forward(tokens)?.chunk(2, 2)?;
        let (x, _) = attend([&q, &kv[0], &kv[1]], self.heads, None, 0.0, false)?;
        let x = self.proj.forward(&x)?;
        let y = self.feed_forward.forward(&self.norm.forward(&x)?, train)?;
        (x + y)?.squeeze(1)
    }
}
