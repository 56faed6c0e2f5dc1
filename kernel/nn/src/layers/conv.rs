//! `torch.nn.Conv1d`, `Conv2d`, `ConvTranspose1d` and `ConvTranspose2d`.
//!
//! candle's own fail in the backward pass at a stride of 2 on most rectangles, have none for transposed convolutions of
//! sequences, and begin with other values than PyTorch's.

use candle_core::{Result, Tensor};
pub use candle_nn::{Conv1dConfig, Conv2dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig};
use candle_nn::{Init, Module, VarBuilder};

use super::{batch_norm::BatchNorm, linear::uniform};
use crate::network::{layer_network, settings};
use patchbay_ops as ops;

macro_rules! convolution {
    ($layer:ident, $config:ty, $op:ident, $settings:ident, $transposed:literal, $name:literal, $docs:literal, $forward:literal) => {
        #[doc = $docs]
        #[derive(Clone, Debug)]
        pub struct $layer {
            weight: Tensor,
            bias: Option<Tensor>,
            config: $config,
        }

        layer_network!($layer, $name, { "weight": weight, "bias": bias }, |layer| {
            settings::convolution(&layer.weight, layer.bias.as_ref(), &described(&layer.config, $transposed))
        });

        impl $layer {
            /// From parameters of PyTorch's shapes.
            pub fn new(weight: Tensor, bias: Option<Tensor>, config: $config) -> $layer {
                $layer {
                    weight,
                    bias,
                    config,
                }
            }

            /// The settings.
            pub fn config(&self) -> &$config {
                &self.config
            }

            /// The weight.
            pub fn weight(&self) -> &Tensor {
                &self.weight
            }

            /// The bias, one value a channel of the result.
            pub fn bias(&self) -> Option<&Tensor> {
                self.bias.as_ref()
            }
        }

        impl Module for $layer {
            #[doc = $forward]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                ops::$op(x, &self.weight, self.bias.as_ref(), $settings(&self.config))
            }
        }
    };
}

convolution!(
    Conv1d,
    Conv1dConfig,
    conv1d,
    of_conv1d,
    false,
    "Conv1d",
    "Convolution of sequences; see [`ops::conv1d`].",
    "[batch, in, length] to [batch, out, length]."
);
convolution!(
    Conv2d,
    Conv2dConfig,
    conv2d,
    of_conv2d,
    false,
    "Conv2d",
    "Convolution of images; see [`ops::conv2d`]. `cudnn_fwd_algo` has no effect.",
    "[batch, in, height, width] to [batch, out, height, width]."
);
convolution!(
    ConvTranspose1d,
    ConvTranspose1dConfig,
    conv_transpose1d,
    of_conv_transpose1d,
    true,
    "ConvTranspose1d",
    "Transposed convolution of sequences; see [`ops::conv_transpose1d`].",
    "[batch, in, length] to [batch, out, length]."
);
convolution!(
    ConvTranspose2d,
    ConvTranspose2dConfig,
    conv_transpose2d,
    of_conv_transpose2d,
    true,
    "ConvTranspose2d",
    "Transposed convolution of images; see [`ops::conv_transpose2d`].",
    "[batch, in, height, width] to [batch, out, height, width]."
);

/// The settings that all convolutions print.
fn described(config: &impl Geometry, is_transposed: bool) -> settings::Convolution {
    let [stride, padding, output_padding, dilation, groups] = config.sizes();
    settings::Convolution {
        is_transposed,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
    }
}

trait Geometry {
    /// Stride, padding, output padding, dilation and groups.
    fn sizes(&self) -> [usize; 5];
}

impl Geometry for Conv1dConfig {
    fn sizes(&self) -> [usize; 5] {
        [self.stride, self.padding, 0, self.dilation, self.groups]
    }
}

impl Geometry for Conv2dConfig {
    fn sizes(&self) -> [usize; 5] {
        [self.stride, self.padding, 0, self.dilation, self.groups]
    }
}

impl Geometry for ConvTranspose1dConfig {
    fn sizes(&self) -> [usize; 5] {
        [
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            self.groups,
        ]
    }
}

impl Geometry for ConvTranspose2dConfig {
    fn sizes(&self) -> [usize; 5] {
        [
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            1,
        ]
    }
}

fn of_conv1d(config: &Conv1dConfig) -> ops::Conv1d {
    ops::Conv1d {
        stride: config.stride,
        padding: config.padding,
        dilation: config.dilation,
        groups: config.groups,
    }
}

fn of_conv2d(config: &Conv2dConfig) -> ops::Conv2d {
    let both = |size| (size, size);
    ops::Conv2d {
        stride: both(config.stride),
        padding: both(config.padding),
        dilation: both(config.dilation),
        groups: config.groups,
    }
}

fn of_conv_transpose1d(config: &ConvTranspose1dConfig) -> ops::ConvTranspose1d {
    ops::ConvTranspose1d {
        stride: config.stride,
        padding: config.padding,
        output_padding: config.output_padding,
        dilation: config.dilation,
        groups: config.groups,
    }
}

fn of_conv_transpose2d(config: &ConvTranspose2dConfig) -> ops::ConvTranspose2d {
    let both = |size| (size, size);
    ops::ConvTranspose2d {
        stride: both(config.stride),
        padding: both(config.padding),
        output_padding: both(config.output_padding),
        dilation: both(config.dilation),
        groups: 1,
    }
}

impl Conv2d {
    /// The layer that gives what this one and a batch norm in evaluation behind it give.
    ///
    /// # Errors
    ///
    /// Fails where the norm has no weight and bias, or another number of channels.
    pub fn absorb_bn(&self, norm: &BatchNorm) -> Result<Conv2d> {
        let Some((scale, shift)) = norm.weight_and_bias() else {
            candle_core::bail!("the batch norm has no weight and bias to be absorbed")
        };
        let scale = scale.div(&(norm.running_var() + norm.eps())?.sqrt()?)?;
        let mean = match &self.bias {
            Some(bias) => bias.sub(norm.running_mean())?,
            None => norm.running_mean().neg()?,
        };
        Ok(Conv2d {
            weight: self.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?,
            bias: Some((shift + (scale * mean)?)?),
            config: self.config,
        })
    }
}

/// The parameters of a convolution: `weight` of this shape, uniform on ±1 / sqrt(inputs of one output), Kaiming's with
/// a = sqrt 5, and `bias` likewise.
fn parameters(
    shape: &[usize],
    outputs: usize,
    bias: bool,
    vb: &VarBuilder,
) -> Result<(Tensor, Option<Tensor>)> {
    let init: Init = uniform(shape[1..].iter().product());
    let weight = vb.get_with_hints(shape, "weight", init)?;
    let bias = bias.then(|| vb.get_with_hints(outputs, "bias", init));
    Ok((weight, bias.transpose()?))
}

/// A number of channels that groups divide.
fn part(what: &str, channels: usize, groups: usize) -> Result<usize> {
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} {what} channels cannot be divided into {groups} groups")
    }
    Ok(channels / groups)
}

macro_rules! builders {
    ($with:ident, $without:ident, $build:ident, $layer:ident, $config:ty, $shape:literal) => {
        #[doc = concat!("Parameters `weight`, ", $shape, ", and `bias`, `[out]`, initialized as in PyTorch.")]
        ///
        /// # Errors
        ///
        /// Fails where groups do not divide the channels, and where the builder has parameters of other shapes.
        pub fn $with(
            in_channels: usize,
            out_channels: usize,
            kernel_size: usize,
            config: $config,
            vb: VarBuilder,
        ) -> Result<$layer> {
            $build(in_channels, out_channels, kernel_size, config, true, vb)
        }

        #[doc = concat!("[`", stringify!($with), "`] without a bias.")]
        ///
        /// # Errors
        ///
        /// As there.
        pub fn $without(
            in_channels: usize,
            out_channels: usize,
            kernel_size: usize,
            config: $config,
            vb: VarBuilder,
        ) -> Result<$layer> {
            $build(in_channels, out_channels, kernel_size, config, false, vb)
        }
    };
}

builders!(
    conv1d,
    conv1d_no_bias,
    build_conv1d,
    Conv1d,
    Conv1dConfig,
    "[out, in / groups, size]"
);
builders!(
    conv2d,
    conv2d_no_bias,
    build_conv2d,
    Conv2d,
    Conv2dConfig,
    "[out, in / groups, size, size]"
);
builders!(
    conv_transpose1d,
    conv_transpose1d_no_bias,
    build_conv_transpose1d,
    ConvTranspose1d,
    ConvTranspose1dConfig,
    "[in, out / groups, size]"
);
builders!(
    conv_transpose2d,
    conv_transpose2d_no_bias,
    build_conv_transpose2d,
    ConvTranspose2d,
    ConvTranspose2dConfig,
    "[in, out, size, size]"
);

fn build_conv1d(
    inputs: usize,
    outputs: usize,
    size: usize,
    config: Conv1dConfig,
    bias: bool,
    vb: VarBuilder,
) -> Result<Conv1d> {
    part("output", outputs, config.groups)?;
    let shape = [outputs, part("input", inputs, config.groups)?, size];
    let (weight, bias) = parameters(&shape, outputs, bias, &vb)?;
    Ok(Conv1d::new(weight, bias, config))
}

fn build_conv2d(
    inputs: usize,
    outputs: usize,
    size: usize,
    config: Conv2dConfig,
    bias: bool,
    vb: VarBuilder,
) -> Result<Conv2d> {
    part("output", outputs, config.groups)?;
    let shape = [outputs, part("input", inputs, config.groups)?, size, size];
    let (weight, bias) = parameters(&shape, outputs, bias, &vb)?;
    Ok(Conv2d::new(weight, bias, config))
}

fn build_conv_transpose1d(
    inputs: usize,
    outputs: usize,
    size: usize,
    config: ConvTranspose1dConfig,
    bias: bool,
    vb: VarBuilder,
) -> Result<ConvTranspose1d> {
    part("input", inputs, config.groups)?;
    let shape = [inputs, part("output", outputs, config.groups)?, size];
    let (weight, bias) = parameters(&shape, outputs, bias, &vb)?;
    Ok(ConvTranspose1d::new(weight, bias, config))
}

fn build_conv_transpose2d(
    inputs: usize,
    outputs: usize,
    size: usize,
    config: ConvTranspose2dConfig,
    bias: bool,
    vb: VarBuilder,
) -> Result<ConvTranspose2d> {
    let (weight, bias) = parameters(&[inputs, outputs, size, size], outputs, bias, &vb)?;
    Ok(ConvTranspose2d::new(weight, bias, config))
}
