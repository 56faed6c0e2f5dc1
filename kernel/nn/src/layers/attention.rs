//! `torch.nn.MultiheadAttention`, batch first.

use std::borrow::Cow;

use candle_core::{Result, Tensor};
use candle_nn::{Init, Module, VarBuilder, init};

use super::linear::{Linear, uniform};
use crate::network::{Network, Part, TensorMap, show_as_network};
use patchbay_ops::{self as ops, Attention};

/// Projections to queries, keys and values, attention of each head, and a projection of the result.
///
/// Parameters: `in_proj_weight` `[3 · width, width]`, `in_proj_bias` `[3 · width]`, `out_proj.weight` `[width, width]`,
/// `out_proj.bias` `[width]`.
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    in_proj: Linear,
    out_proj: Linear,
    heads: usize,
    dropout: f64,
}

impl Network for MultiheadAttention {
    fn type_name(&self) -> Cow<'_, str> {
        "MultiheadAttention".into()
    }

    fn settings(&self) -> String {
        let width = self.out_proj.weight().dims()[0];
        let mut text = format!("embed_dim={width}, num_heads={}", self.heads);
        if self.dropout > 0.0 {
            text += &format!(", dropout={}", self.dropout);
        }
        text
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let tensor = |name: &str, tensor: &Tensor| Part::Tensor {
            name: name.to_owned(),
            tensor: tensor.clone(),
            is_parameter: true,
        };
        let mut parts = vec![tensor("in_proj_weight", self.in_proj.weight())];
        parts.extend(self.in_proj.bias().map(|bias| tensor("in_proj_bias", bias)));
        parts.push(Part::Network {
            name: "out_proj".to_owned(),
            network: &self.out_proj,
        });
        parts
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.in_proj.map_tensors(map)?;
        self.out_proj.map_tensors(map)
    }
}

show_as_network!(MultiheadAttention);

impl MultiheadAttention {
    /// Initialized as in PyTorch: Xavier uniform for the first projection, zeros for the biases.
    ///
    /// # Errors
    ///
    /// Fails where `width` is not a multiple of `heads`, or the builder has parameters of other shapes.
    pub fn new(
        width: usize,
        heads: usize,
        dropout: f64,
        vb: VarBuilder,
    ) -> Result<MultiheadAttention> {
        let bound = (6.0 / (4.0 * width as f64)).sqrt();
        let xavier = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let in_proj = Linear::new(
            vb.get_with_hints((3 * width, width), "in_proj_weight", xavier)?,
            Some(vb.get_with_hints(3 * width, "in_proj_bias", init::ZERO)?),
        );
        let out = vb.pp("out_proj");
        let out_proj = Linear::new(
            out.get_with_hints((width, width), "weight", uniform(width))?,
            Some(out.get_with_hints(width, "bias", init::ZERO)?),
        );
        MultiheadAttention::from_parts(in_proj, out_proj, heads, dropout)
    }

    /// From a packed projection to [3 · width] and one of the result: timm's `qkv` and `proj`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not fit or the width is not a multiple of `heads`.
    pub fn from_parts(
        in_proj: Linear,
        out_proj: Linear,
        heads: usize,
        dropout: f64,
    ) -> Result<MultiheadAttention> {
        let (packed, width) = in_proj.weight().dims2()?;
        if heads == 0 || width % heads != 0 || packed != 3 * width {
            candle_core::bail!(
                "multi-head attention: the first projection is {:?} with {heads} heads: must be [3 * width, width] and \
                 the width a multiple of the heads",
                in_proj.weight().dims()
            )
        }
        Ok(MultiheadAttention {
            in_proj,
            out_proj,
            heads,
            dropout,
        })
    }

    /// Attention of `x`, [batch, n, width], to itself. Weights are dropped in training only.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit; see [`Attention`] for the mask.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let packed = self.in_proj.forward(x)?;
        let settings = self.settings(mask, train);
        self.out_proj
            .forward(&ops::self_attention(&packed, self.heads, &settings)?)
    }

    /// Attention of `x`, [batch, n, width], to `context`, [batch, m, width].
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit; see [`Attention`] for the mask.
    pub fn forward_cross(
        &self,
        x: &Tensor,
        context: &Tensor,
        mask: Option<&Tensor>,
        train: bool,
    ) -> Result<Tensor> {
        let (batch, n, width) = x.dims3()?;
        let m = context.dim(1)?;
        let part = |index: usize, count: usize| -> Result<Linear> {
            let weight = self
                .in_proj
                .weight()
                .narrow(0, index * width, count * width)?;
            let bias = self
                .in_proj
                .bias()
                .map(|bias| bias.narrow(0, index * width, count * width))
                .transpose()?;
            Ok(Linear::new(weight, bias))
        };
        let each = width / self.heads;
        let q = part(0, 1)?
            .forward(x)?
            .reshape((batch, n, self.heads, each))?
            .transpose(1, 2)?;
        let kv = part(1, 2)?
            .forward(context)?
            .reshape((batch, m, 2, self.heads, each))?;
        let head = |index: usize| kv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2);
        let y = ops::attention_with(&q, &head(0)?, &head(1)?, &self.settings(mask, train))?;
        self.out_proj
            .forward(&y.transpose(1, 2)?.reshape((batch, n, width))?)
    }

    fn settings(&self, mask: Option<&Tensor>, train: bool) -> Attention {
        Attention {
            mask: mask.cloned(),
            dropout: if train { self.dropout } else { 0.0 },
            ..Attention::default()
        }
    }
}

/// Makes a [`MultiheadAttention`] without dropout, as `torch.nn.MultiheadAttention(width, heads, batch_first=True)`.
///
/// # Errors
///
/// As [`MultiheadAttention::new`].
///
/// ```
/// # use patchbay::prelude::*;
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// let attention = nn::multi_head_attention(8, 2, vb)?;
/// assert_eq!(attention.num_parameters(), 4 * 8 * 8 + 4 * 8);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn multi_head_attention(
    width: usize,
    heads: usize,
    vb: VarBuilder,
) -> Result<MultiheadAttention> {
    MultiheadAttention::new(width, heads, 0.0, vb)
}
