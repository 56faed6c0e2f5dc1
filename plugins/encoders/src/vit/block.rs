//! A block of the vision transformer: norm, attention, norm, feed-forward, with residuals.

use patchbay::{
    nn::{LayerNorm, Linear, init, layer_norm},
    ops::Attention,
    plugin::prelude::*,
};

use super::config::{Activation, VitConfig};
use crate::{attention::attend, initial::linear, stochastic_depth};

/// `fc2(dropout(activation(fc1 x)))`, timm's `Mlp`.
pub struct FeedForward {
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
    dropout: f64,
}

impl FeedForward {
    /// Parameters `fc1` and `fc2` with `weight` and `bias` each.
    ///
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(config: &VitConfig, width: usize, vb: VarBuilder) -> Result<FeedForward> {
        let inner = (width as f64 * config.mlp_ratio) as usize;
        Ok(FeedForward {
            fc1: linear(width, inner, true, config.initializer_range, vb.pp("fc1"))?,
            fc2: linear(inner, width, true, config.initializer_range, vb.pp("fc2"))?,
            activation: config.activation,
            dropout: config.dropout,
        })
    }

    /// `[batch, n, width]` to the same.
    ///
    /// # Errors
    ///
    /// Fails where the width is another.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.fc1.forward(x)?;
        let drops = train && self.dropout > 0.0;
        if let (Activation::Gelu, Some(bias), false) = (self.activation, self.fc2.bias(), drops) {
            return ops::gelu_linear(&x, self.fc2.weight(), bias);
        }
        let inner = match self.activation {
            Activation::Gelu => ops::gelu(&x)?,
            Activation::QuickGelu => (&x * ops::sigmoid(&(&x * 1.702)?)?)?,
        };
        let inner = ops::dropout(&inner, self.dropout, train)?;
        ops::dropout(&self.fc2.forward(&inner)?, self.dropout, train)
    }
}

/// Parameters `norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2`, and with layer scale
/// `ls1.gamma`, `ls2.gamma`, as timm's `Block`.
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    scale1: Option<Tensor>,
    norm2: LayerNorm,
    feed_forward: FeedForward,
    scale2: Option<Tensor>,
    heads: usize,
    dropout: f64,
    attention_dropout: f64,
    drop_path: f64,
}

impl Block {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(config: &VitConfig, drop_path: f64, vb: VarBuilder) -> Result<Block> {
        let (width, _, heads) = config.size()?;
        let scale = |name: &str| {
            config
                .layer_scale
                .map(|first| {
                    vb.pp(name)
                        .get_with_hints(width, "gamma", init::Init::Const(first))
                })
                .transpose()
        };
        let attention = vb.pp("attn");
        Ok(Block {
            norm1: layer_norm(width, config.eps, vb.pp("norm1"))?,
            qkv: linear(
                width,
                3 * width,
                config.qkv_bias,
                config.initializer_range,
                attention.pp("qkv"),
            )?,
            proj: linear(
                width,
                width,
                true,
                config.initializer_range,
                attention.pp("proj"),
            )?,
            scale1: scale("ls1")?,
            norm2: layer_norm(width, config.eps, vb.pp("norm2"))?,
            feed_forward: FeedForward::new(config, width, vb.pp("mlp"))?,
            scale2: scale("ls2")?,
            heads,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            drop_path,
        })
    }

    /// `x` is `[batch, n, width]`; returns the same, and the map if `keep` says so.
    ///
    /// # Errors
    ///
    /// Fails where the width is another.
    pub fn forward(&self, x: &Tensor, train: bool, keep: bool) -> Result<(Tensor, Option<Tensor>)> {
        let (y, map) = self.attention(&self.norm1.forward(x)?, train, keep)?;
        let y = scaled(y, self.scale1.as_ref())?;
        let x = stochastic_depth::add(x, &y, self.drop_path, train)?;
        let y = self.feed_forward.forward(&self.norm2.forward(&x)?, train)?;
        let y = scaled(y, self.scale2.as_ref())?;
        Ok((stochastic_depth::add(&x, &y, self.drop_path, train)?, map))
    }

    fn attention(&self, x: &Tensor, train: bool, keep: bool) -> Result<(Tensor, Option<Tensor>)> {
        let packed = self.qkv.forward(x)?;
        let dropout = if train { self.attention_dropout } else { 0.0 };
        let (y, map) = if keep {
            let parts = packed.chunk(3, 2)?;
            attend(
                [&parts[0], &parts[1], &parts[2]],
                self.heads,
                None,
                dropout,
                true,
            )?
        } else {
            let settings = Attention {
                dropout,
                ..Attention::default()
            };
            (ops::self_attention(&packed, self.heads, &settings)?, None)
        };
        let y = ops::dropout(&self.proj.forward(&y)?, self.dropout, train)?;
        Ok((y, map))
    }
}

fn scaled(x: Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
    match scale {
        Some(scale) => ops::broadcast_mul(&x, scale),
        None => Ok(x),
    }
}
