//! The affine map, `torch.nn.Linear`.

use candle_core::{Result, Tensor};
use candle_nn::{Init, Module, VarBuilder};

use crate::network::{layer_network, settings};
use patchbay_ops as ops;

/// x · weightᵀ + bias.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

layer_network!(Linear, "Linear", { "weight": weight, "bias": bias }, |layer| {
    settings::linear(&layer.weight, layer.bias.as_ref())
});

impl Linear {
    /// From `weight`, `[out, in]`, and `bias`, `[out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Linear {
        Linear { weight, bias }
    }

    /// The weight, `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    /// [..., in] to [..., out].
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::linear(x, &self.weight, self.bias.as_ref())
    }
}

/// Parameters `weight`, `[out, in]`, and `bias`, `[out]`, uniform on ±1 / sqrt(in) as in PyTorch.
///
/// # Errors
///
/// Fails where the builder has parameters of other shapes.
pub fn linear(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    linear_b(inputs, outputs, true, vb)
}

/// [`linear`] without a bias.
///
/// # Errors
///
/// As [`linear`].
pub fn linear_no_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    linear_b(inputs, outputs, false, vb)
}

/// [`linear`], with a bias if `bias` says so.
///
/// # Errors
///
/// As [`linear`].
pub fn linear_b(inputs: usize, outputs: usize, bias: bool, vb: VarBuilder) -> Result<Linear> {
    let init = uniform(inputs);
    let weight = vb.get_with_hints((outputs, inputs), "weight", init)?;
    let bias = bias
        .then(|| vb.get_with_hints(outputs, "bias", init))
        .transpose()?;
    Ok(Linear::new(weight, bias))
}

/// PyTorch's default for weights and biases with this many inputs.
pub(super) fn uniform(inputs: usize) -> Init {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    Init::Uniform {
        lo: -bound,
        up: bound,
    }
}
