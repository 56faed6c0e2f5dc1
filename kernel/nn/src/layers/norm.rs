//! `torch.nn.LayerNorm` and `torch.nn.RMSNorm`.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNormConfig, Module, VarBuilder, init};

use crate::network::{layer_network, settings};
use patchbay_ops as ops;

/// Layer normalization over the last dimensions; candle's own has no gradient.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f64,
    remove_mean: bool,
}

layer_network!(LayerNorm, "LayerNorm", { "weight": weight, "bias": bias }, |norm| {
    settings::norm(&norm.weight, norm.eps)
});

impl LayerNorm {
    /// Makes a layer norm of a scale and an offset, `[features]` each.
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> LayerNorm {
        LayerNorm {
            weight,
            bias: Some(bias),
            eps,
            remove_mean: true,
        }
    }

    /// Makes a layer norm without an offset.
    pub fn new_no_bias(weight: Tensor, eps: f64) -> LayerNorm {
        LayerNorm {
            weight,
            bias: None,
            eps,
            remove_mean: true,
        }
    }

    /// Without taking the mean away: the same as [`RmsNorm`].
    pub fn rms_norm(weight: Tensor, eps: f64) -> LayerNorm {
        LayerNorm {
            weight,
            bias: None,
            eps,
            remove_mean: false,
        }
    }

    /// The scale.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The offset.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The number that is added to the variance.
    pub fn eps(&self) -> f64 {
        self.eps
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.remove_mean {
            return ops::layer_norm(x, Some(&self.weight), self.bias.as_ref(), self.eps);
        }
        let y = ops::rms_norm(x, Some(&self.weight), self.eps)?;
        match &self.bias {
            Some(bias) => ops::broadcast_add(&y, bias),
            None => Ok(y),
        }
    }
}

/// Root-mean-square normalization over the last dimension.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

layer_network!(RmsNorm, "RMSNorm", { "weight": weight }, |norm| {
    settings::norm(&norm.weight, norm.eps)
});

impl RmsNorm {
    /// Makes an RMS norm of a scale, `[features]`.
    pub fn new(weight: Tensor, eps: f64) -> RmsNorm {
        RmsNorm { weight, eps }
    }

    /// The scale.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The number that is added to the mean square.
    pub fn eps(&self) -> f64 {
        self.eps
    }
}

impl Module for RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::rms_norm(x, Some(&self.weight), self.eps)
    }
}

/// Parameters `weight` (ones) and `bias` (zeros). A plain number as `config` is the eps; torch's is 1e-5.
///
/// # Errors
///
/// Fails where the builder has parameters of other shapes.
pub fn layer_norm(
    size: usize,
    config: impl Into<LayerNormConfig>,
    vb: VarBuilder,
) -> Result<LayerNorm> {
    let config = config.into();
    Ok(LayerNorm {
        weight: vb.get_with_hints(size, "weight", init::ONE)?,
        bias: config
            .affine
            .then(|| vb.get_with_hints(size, "bias", init::ZERO))
            .transpose()?,
        eps: config.eps,
        remove_mean: config.remove_mean,
    })
}

/// [`layer_norm`] without a bias.
///
/// # Errors
///
/// As [`layer_norm`].
pub fn layer_norm_no_bias(size: usize, eps: f64, vb: VarBuilder) -> Result<LayerNorm> {
    Ok(LayerNorm::new_no_bias(
        vb.get_with_hints(size, "weight", init::ONE)?,
        eps,
    ))
}

/// Parameter `weight` (ones).
///
/// # Errors
///
/// Fails where the builder has a parameter of another shape.
pub fn rms_norm(size: usize, eps: f64, vb: VarBuilder) -> Result<RmsNorm> {
    Ok(RmsNorm::new(
        vb.get_with_hints(size, "weight", init::ONE)?,
        eps,
    ))
}
