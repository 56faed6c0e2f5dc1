//! Activations as layers: `torch.nn.GELU`, `PReLU` and their like.

use std::borrow::Cow;

use candle_core::{Result, Tensor};
use candle_nn::{Init, Module, VarBuilder};
use serde::{Deserialize, Serialize};

use crate::{
    self as nn,
    network::{Network, Part, TensorMap, layer_network, settings, show_as_network},
};
use patchbay_ops as ops;

/// An activation, by the name that transformers' configurations give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// With the error function.
    #[default]
    #[serde(alias = "gelu")]
    Gelu,
    /// With the tangent.
    #[serde(alias = "gelu_new")]
    NewGelu,
    /// The larger of x and 0.
    Relu,
    /// The square of relu.
    Relu2,
    /// relu, at most 6.
    Relu6,
    /// x · sigmoid(x).
    Silu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// x / 6 + 1/2, between 0 and 1.
    HardSigmoid,
    /// The first half of the last dimension by silu, times the second.
    Swiglu,
    /// x · sigmoid(x), by its other name.
    Swish,
    /// x · tanh(ln(1 + exp(x))).
    Mish,
    /// x · hard sigmoid(x).
    HardSwish,
    /// alpha (exp(x) - 1) below zero.
    Elu(f64),
    /// The slope below zero.
    LeakyRelu(f64),
    /// GELU by the tanh formula.
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluPytorchTanh,
}

impl Network for Activation {
    fn type_name(&self) -> Cow<'_, str> {
        format!("{self:?}").into()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        Vec::new()
    }

    fn map_tensors(&mut self, _: &mut TensorMap<'_>) -> Result<()> {
        Ok(())
    }
}

show_as_network!(Activation);

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match *self {
            Activation::Gelu => ops::gelu(x),
            Activation::NewGelu | Activation::GeluPytorchTanh => ops::gelu_tanh(x),
            Activation::Relu => ops::relu(x),
            Activation::Relu2 => ops::relu(x)?.sqr(),
            Activation::Relu6 => nn::ops::relu6(x),
            Activation::Silu | Activation::Swish => ops::silu(x),
            Activation::Sigmoid => ops::sigmoid(x),
            Activation::HardSigmoid => nn::ops::hard_sigmoid(x),
            Activation::Swiglu => nn::ops::swiglu(x),
            Activation::HardSwish => x * nn::ops::hard_sigmoid(x)?,
            Activation::Mish => nn::ops::mish(x),
            Activation::Elu(alpha) => nn::ops::elu(x, alpha),
            Activation::LeakyRelu(slope) => nn::ops::leaky_relu(x, slope),
        }
    }
}

/// x above zero and weight · x below, with one weight or one for each channel: `torch.nn.PReLU`.
#[derive(Clone, Debug)]
pub struct PReLU {
    weight: Tensor,
    is_scalar: bool,
}

layer_network!(PReLU, "PReLU", { "weight": weight }, |layer| {
    settings::prelu(&layer.weight)
});

impl PReLU {
    /// From `weight`, of one value or `[channels]`.
    pub fn new(weight: Tensor, is_scalar: bool) -> PReLU {
        PReLU { weight, is_scalar }
    }

    /// The slopes of negative values.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Whether there is one slope for all channels.
    pub fn is_scalar(&self) -> bool {
        self.is_scalar
    }
}

impl Module for PReLU {
    /// Channels are the second dimension, or the only one.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = if self.is_scalar {
            self.weight.reshape(())?
        } else if x.rank() >= 2 && x.dims() != self.weight.dims() {
            let (channels, weights) = (x.dim(1)?, self.weight.elem_count());
            if channels != weights {
                candle_core::bail!(
                    "prelu: {weights} weights for an input {:?} of {channels} channels, its second dimension",
                    x.dims()
                )
            }
            let mut shape = vec![1; x.rank()];
            shape[1] = weights;
            self.weight.reshape(shape)?
        } else {
            self.weight.clone()
        };
        x.gt(0.0)?.where_cond(x, &x.broadcast_mul(&weight)?)
    }
}

/// Parameter `weight`, `[1]` or `[channels]`, 0.25.
///
/// # Errors
///
/// Fails where the builder has a parameter of another shape.
pub fn prelu(num_channels: Option<usize>, vb: VarBuilder) -> Result<PReLU> {
    let weight = vb.get_with_hints(num_channels.unwrap_or(1), "weight", Init::Const(0.25))?;
    Ok(PReLU::new(weight, num_channels.is_none()))
}
