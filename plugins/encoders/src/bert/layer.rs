//! A layer of BERT: self-attention, cross-attention where the layer has it, feed-forward; each with
//! a residual and a norm behind the sum.

use patchbay::{
    nn::{LayerNorm, Linear, layer_norm},
    plugin::prelude::*,
};

use crate::{attention::attend, initial::linear};

/// What all layers have in common.
#[derive(Clone, Copy, Debug)]
pub struct LayerSettings {
    /// Width of the tokens, a multiple of `heads`.
    pub width: usize,
    /// Number of heads of attention, at least 1.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Width of the tokens that cross-attention looks at.
    pub context_width: usize,
    /// Number that layer norm adds to the variance.
    pub eps: f64,
    /// Probability of dropout behind attention and feed-forward part, in training only.
    pub dropout: f64,
    /// Probability of dropout on the weights of attention, in training only.
    pub attention_dropout: f64,
    /// Standard deviation of the weights at the beginning.
    pub initializer_range: f64,
}

impl LayerSettings {
    /// # Errors
    ///
    /// Fails where the width is not a multiple of the heads.
    pub fn check(&self) -> Result<()> {
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            bail!(
                "a width of {} does not divide into {} heads: give another `heads`",
                self.width,
                self.heads
            );
        }
        Ok(())
    }
}

/// Tokens to look at, `[batch, m, width]`, and which of them count (a mask of `attention::key_mask`).
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Tokens `[batch, m, width]` that keys and values are made of.
    pub tokens: &'a Tensor,
    /// Mask of `attention::key_mask`: 1 where a token counts; `None` where all do.
    pub visible: Option<&'a Tensor>,
}

/// Parameters `self.{query, key, value}` and `output.{dense, LayerNorm}`.
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    dense: Linear,
    norm: LayerNorm,
    settings: LayerSettings,
}

impl Attention {
    fn new(settings: LayerSettings, context_width: usize, vb: VarBuilder) -> Result<Attention> {
        let width = settings.width;
        let (inner, output) = (vb.pp("self"), vb.pp("output"));
        Ok(Attention {
            query: linear(
                width,
                width,
                true,
                settings.initializer_range,
                inner.pp("query"),
            )?,
            key: linear(
                context_width,
                width,
                true,
                settings.initializer_range,
                inner.pp("key"),
            )?,
            value: linear(
                context_width,
                width,
                true,
                settings.initializer_range,
                inner.pp("value"),
            )?,
            dense: linear(
                width,
                width,
                true,
                settings.initializer_range,
                output.pp("dense"),
            )?,
            norm: layer_norm(width, settings.eps, output.pp("LayerNorm"))?,
            settings,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        context: Context<'_>,
        train: bool,
        keep: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let q = self.query.forward(x)?;
        let k = self.key.forward(context.tokens)?;
        let v = self.value.forward(context.tokens)?;
        let dropout = match train {
            true => self.settings.attention_dropout,
            false => 0.0,
        };
        let heads = self.settings.heads;
        let (y, map) = attend([&q, &k, &v], heads, context.visible, dropout, keep)?;
        let y = ops::dropout(&self.dense.forward(&y)?, self.settings.dropout, train)?;
        Ok((self.norm.forward(&(x + y)?)?, map))
    }
}

/// Parameters `attention`, `crossattention`, `intermediate.dense`, `output.{dense, LayerNorm}`.
pub struct Layer {
    attention: Attention,
    cross_attention: Option<Attention>,
    intermediate: Linear,
    output: Linear,
    norm: LayerNorm,
    dropout: f64,
}

impl Layer {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(settings: LayerSettings, has_cross: bool, vb: VarBuilder) -> Result<Layer> {
        let LayerSettings {
            width,
            intermediate,
            ..
        } = settings;
        Ok(Layer {
            attention: Attention::new(settings, width, vb.pp("attention"))?,
            cross_attention: has_cross
                .then(|| Attention::new(settings, settings.context_width, vb.pp("crossattention")))
                .transpose()?,
            intermediate: linear(
                width,
                intermediate,
                true,
                settings.initializer_range,
                vb.pp("intermediate.dense"),
            )?,
            output: linear(
                intermediate,
                width,
                true,
                settings.initializer_range,
                vb.pp("output.dense"),
            )?,
            norm: layer_norm(width, settings.eps, vb.pp("output.LayerNorm"))?,
            dropout: settings.dropout,
        })
    }

    /// `x` is `[batch, n, width]`. Returns the same, and if `keep` says so the map of the
    /// cross-attention, or of the self-attention where there is no other.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit, or the layer has cross-attention and no context was given.
    pub fn forward(
        &self,
        x: &Tensor,
        visible: Option<&Tensor>,
        context: Option<Context<'_>>,
        train: bool,
        keep: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let own = Context { tokens: x, visible };
        let keep_own = keep && self.cross_attention.is_none();
        let (mut x, mut map) = self.attention.forward(x, own, train, keep_own)?;
        if let Some(attention) = &self.cross_attention {
            let Some(context) = context else {
                bail!(
                    "a layer with cross-attention needs tokens to look at: set EncoderInput's `context` to \
                     [batch, m, width]"
                );
            };
            (x, map) = attention.forward(&x, context, train, keep)?;
        }
        let inner = self.intermediate.forward(&x)?;
        let y = match self.output.bias() {
            Some(bias) => ops::gelu_linear(&inner, self.output.weight(), bias)?,
            None => self.output.forward(&ops::gelu(&inner)?)?,
        };
        let y = ops::dropout(&y, self.dropout, train)?;
        Ok((self.norm.forward(&(x + y)?)?, map))
    }
}
