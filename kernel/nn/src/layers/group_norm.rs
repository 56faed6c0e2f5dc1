//! `torch.nn.GroupNorm`, on the fused layer norm: candle's keeps its parameters to itself.

use candle_core::{Result, Tensor, bail};
use candle_nn::{Module, VarBuilder, init};

use crate::network::layer_network;
use patchbay_ops as ops;

/// Normalization of groups of channels (Wu and He, 2018).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

layer_network!(GroupNorm, "GroupNorm", { "weight": weight, "bias": bias }, |norm| {
    format!("{}, {}, eps={:e}", norm.groups, norm.weight.elem_count(), norm.eps)
});

impl GroupNorm {
    /// Makes a group norm of a scale and an offset, `[channels]` each.
    ///
    /// # Errors
    ///
    /// Fails where the groups do not divide the channels, or a shape differs.
    pub fn new(
        weight: Tensor,
        bias: Tensor,
        num_channels: usize,
        num_groups: usize,
        eps: f64,
    ) -> Result<GroupNorm> {
        if num_groups == 0 || !num_channels.is_multiple_of(num_groups) {
            bail!("group norm: {num_channels} channels cannot be divided into {num_groups} groups")
        }
        if weight.dims() != [num_channels] || bias.dims() != [num_channels] {
            bail!(
                "group norm: the scale is {:?} and the offset {:?}: must be [{num_channels}] both",
                weight.dims(),
                bias.dims()
            )
        }
        Ok(GroupNorm {
            weight,
            bias,
            groups: num_groups,
            eps,
        })
    }

    /// Returns the scale, `[channels]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the offset, `[channels]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

impl Module for GroupNorm {
    /// `[batch, channels, ...]` to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.weight.elem_count();
        let [batch, given, ..] = *x.dims() else {
            bail!(
                "group norm: the input is {:?}: must be [batch, {channels}, ...]",
                x.dims()
            )
        };
        if given != channels || x.rank() < 3 {
            bail!(
                "group norm: the input is {:?}: must be [batch, {channels}, ...] of at least three dimensions",
                x.dims()
            )
        }
        if x.elem_count() == 0 {
            return Ok(x.clone());
        }
        let grouped = x.reshape((batch, self.groups, ()))?;
        let normalized = ops::layer_norm(&grouped, None, None, self.eps)?.reshape(x.shape())?;
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        let scaled = ops::broadcast_mul(&normalized, &self.weight.reshape(&shape[..])?)?;
        ops::broadcast_add(&scaled, &self.bias.reshape(shape)?)
    }
}

/// Parameters `weight` (ones) and `bias` (zeros); torch's `eps` is 1e-5.
///
/// # Errors
///
/// Fails where the groups do not divide the channels, and where the builder has parameters of other shapes.
///
/// ```
/// # use patchbay::prelude::*;
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// assert_eq!(nn::group_norm(2, 4, 1e-5, vb)?.forward(&torch::randn((1, 4, 3, 3))?)?.dims(), [1, 4, 3, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn group_norm(
    num_groups: usize,
    num_channels: usize,
    eps: f64,
    vb: VarBuilder,
) -> Result<GroupNorm> {
    GroupNorm::new(
        vb.get_with_hints(num_channels, "weight", init::ONE)?,
        vb.get_with_hints(num_channels, "bias", init::ZERO)?,
        num_channels,
        num_groups,
        eps,
    )
}
