//! `torch.nn.TransformerEncoderLayer`, batch first: the residual block of vision and text transformers.

use std::borrow::Cow;

use candle_core::{Result, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder};

use super::{
    attention::MultiheadAttention,
    linear::{Linear, linear},
    norm::{LayerNorm, layer_norm},
};
use crate::network::{Network, Part, TensorMap, layer_network, plain, show_as_network};
use patchbay_ops as ops;

/// The settings of [`TransformerEncoderLayer`].
#[derive(Clone, Copy, Debug)]
pub struct TransformerSettings {
    /// The width of the residual stream.
    pub width: usize,
    /// The number of heads.
    pub heads: usize,
    /// The width between the two linear maps.
    pub feed_forward: usize,
    /// The share of values that dropout sets to 0.
    pub dropout: f64,
    /// gelu between the two linear maps, or relu.
    pub gelu: bool,
    /// Whether the norm stands before attention and feed-forward (as in ViT) or after the sum (as in BERT).
    pub norm_first: bool,
    /// The eps of both norms: torch's is 1e-5, ViT's 1e-6, BERT's 1e-12.
    pub eps: f64,
}

plain!([] TransformerSettings);

impl TransformerSettings {
    /// Returns torch's defaults: feed-forward of 2048, relu, norms after the sums, dropout of 0.1.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(nn::TransformerSettings::new(64, 4).feed_forward, 2048);
    /// ```
    pub fn new(width: usize, heads: usize) -> TransformerSettings {
        TransformerSettings {
            width,
            heads,
            feed_forward: 2048,
            dropout: 0.1,
            gelu: false,
            norm_first: false,
            eps: 1e-5,
        }
    }

    /// ViT's: feed-forward of four times the width, gelu, norm first, no dropout.
    pub fn vit(width: usize, heads: usize) -> TransformerSettings {
        TransformerSettings {
            width,
            heads,
            feed_forward: 4 * width,
            dropout: 0.0,
            gelu: true,
            norm_first: true,
            eps: 1e-6,
        }
    }
}

/// linear2(dropout(activation(linear1(x)))).
#[derive(Clone, Debug)]
pub struct FeedForward {
    linear1: Linear,
    linear2: Linear,
    gelu: bool,
    dropout: f64,
}

layer_network!(FeedForward, "FeedForward", { "linear1": linear1, "linear2": linear2 }, |layer| {
    format!("activation={}, dropout={}", if layer.gelu { "gelu" } else { "relu" }, layer.dropout)
});

impl FeedForward {
    /// Parameters `linear1` and `linear2` with `weight` and `bias` each.
    ///
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(settings: &TransformerSettings, vb: VarBuilder) -> Result<FeedForward> {
        Ok(FeedForward {
            linear1: linear(settings.width, settings.feed_forward, vb.pp("linear1"))?,
            linear2: linear(settings.feed_forward, settings.width, vb.pp("linear2"))?,
            gelu: settings.gelu,
            dropout: settings.dropout,
        })
    }
}

impl ModuleT for FeedForward {
    /// [..., width] to [..., width].
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.linear1.forward(x)?;
        let drops = train && self.dropout > 0.0;
        match self.linear2.bias() {
            Some(bias) if self.gelu && !drops => ops::gelu_linear(&x, self.linear2.weight(), bias),
            _ => {
                let active = if self.gelu {
                    ops::gelu(&x)?
                } else {
                    ops::relu(&x)?
                };
                self.linear2
                    .forward(&ops::dropout(&active, self.dropout, train)?)
            }
        }
    }
}

/// Attention and feed-forward, each with a norm, dropout and a residual sum.
///
/// Parameters: those of [`MultiheadAttention`] under `self_attn`, of [`FeedForward`], and `norm1`, `norm2`.
#[derive(Clone, Debug)]
pub struct TransformerEncoderLayer {
    attention: MultiheadAttention,
    feed_forward: FeedForward,
    norm1: LayerNorm,
    norm2: LayerNorm,
    norm_first: bool,
    dropout: f64,
}

impl Network for TransformerEncoderLayer {
    fn type_name(&self) -> Cow<'_, str> {
        "TransformerEncoderLayer".into()
    }

    fn settings(&self) -> String {
        format!("norm_first={}, dropout={}", self.norm_first, self.dropout)
    }

    /// Those of the feed-forward are the layer's own, as in PyTorch.
    fn parts(&self) -> Vec<Part<'_>> {
        let part = |name: &str, network| Part::Network {
            name: name.to_owned(),
            network,
        };
        let mut parts = vec![part("self_attn", &self.attention as &dyn Network)];
        parts.extend(self.feed_forward.parts());
        parts.push(part("norm1", &self.norm1));
        parts.push(part("norm2", &self.norm2));
        parts
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.attention.map_tensors(map)?;
        self.feed_forward.map_tensors(map)?;
        self.norm1.map_tensors(map)?;
        self.norm2.map_tensors(map)
    }
}

show_as_network!(TransformerEncoderLayer);

impl TransformerEncoderLayer {
    /// # Errors
    ///
    /// Fails where the width is not a multiple of the heads, or the builder has parameters of other shapes.
    pub fn new(settings: &TransformerSettings, vb: VarBuilder) -> Result<TransformerEncoderLayer> {
        let (width, dropout) = (settings.width, settings.dropout);
        Ok(TransformerEncoderLayer {
            attention: MultiheadAttention::new(width, settings.heads, dropout, vb.pp("self_attn"))?,
            norm1: layer_norm(width, settings.eps, vb.pp("norm1"))?,
            norm2: layer_norm(width, settings.eps, vb.pp("norm2"))?,
            feed_forward: FeedForward::new(settings, vb)?,
            norm_first: settings.norm_first,
            dropout,
        })
    }

    /// `x` is [batch, n, width]; see [`ops::Attention`] for the mask.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let dropped = |x: Tensor| ops::dropout(&x, self.dropout, train);
        if self.norm_first {
            let x = (x + dropped(self.attention.forward(
                &self.norm1.forward(x)?,
                mask,
                train,
            )?)?)?;
            &x + dropped(
                self.feed_forward
                    .forward_t(&self.norm2.forward(&x)?, train)?,
            )?
        } else {
            let x = self
                .norm1
                .forward(&(x + dropped(self.attention.forward(x, mask, train)?)?)?)?;
            self.norm2
                .forward(&(&x + dropped(self.feed_forward.forward_t(&x, train)?)?)?)
        }
    }
}

/// Without a mask.
impl ModuleT for TransformerEncoderLayer {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(x, None, train)
    }
}

/// Makes a transformer layer of torch's defaults: `torch.nn.TransformerEncoderLayer(width, heads, feed_forward)`, batch first.
/// [`TransformerEncoderLayer::new`] takes all settings.
///
/// # Errors
///
/// Fails where the width is not a multiple of the heads, or the builder has parameters of other shapes.
///
/// ```
/// # use patchbay::prelude::*;
/// let layer = nn::transformer_encoder_layer(8, 2, 32, nn::builder(&VarMap::new(), DType::F32, &device()))?;
/// assert_eq!(layer.forward_t(&torch::randn((1, 5, 8))?, true)?.dims(), [1, 5, 8]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn transformer_encoder_layer(
    width: usize,
    heads: usize,
    feed_forward: usize,
    vb: VarBuilder,
) -> Result<TransformerEncoderLayer> {
    let settings = TransformerSettings {
        feed_forward,
        ..TransformerSettings::new(width, heads)
    };
    TransformerEncoderLayer::new(&settings, vb)
}

/// Layers one after another: `torch.nn.TransformerEncoder`.
///
/// Parameters: those of [`TransformerEncoderLayer`] under `layers.0`, `layers.1`, ... Each layer begins with values of its own.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerEncoderLayer>,
}

impl Network for TransformerEncoder {
    fn type_name(&self) -> Cow<'_, str> {
        "TransformerEncoder".into()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Network {
            name: "layers".to_owned(),
            network: &self.layers,
        }]
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.layers.map_tensors(map)
    }
}

show_as_network!(TransformerEncoder);

impl TransformerEncoder {
    /// `x` is `[batch, n, width]`; see [`ops::Attention`] for the mask.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x, mask, train)?;
        }
        Ok(x)
    }
}

/// Without a mask.
impl ModuleT for TransformerEncoder {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(x, None, train)
    }
}

/// Makes `layers` transformer layers that stand one after another.
///
/// # Errors
///
/// Fails where the width is not a multiple of the heads, or the builder has parameters of other shapes.
///
/// ```
/// # use patchbay::prelude::*;
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// let encoder = nn::transformer_encoder(2, &nn::TransformerSettings::new(8, 2), vb)?;
/// assert_eq!(encoder.forward(&torch::randn((1, 5, 8))?, None, false)?.dims(), [1, 5, 8]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn transformer_encoder(
    layers: usize,
    settings: &TransformerSettings,
    vb: VarBuilder,
) -> Result<TransformerEncoder> {
    let vb = vb.pp("layers");
    let layers = (0..layers).map(|index| TransformerEncoderLayer::new(settings, vb.pp(index)));
    Ok(TransformerEncoder {
        layers: layers.collect::<Result<_>>()?,
    })
}
