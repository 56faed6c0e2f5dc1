//! candle's own layers as parts of networks.

use std::{borrow::Cow, collections::BTreeMap, sync::PoisonError};

use candle_core::{Result, Tensor, Var};
use candle_nn::VarMap;

use super::{
    Network, Part, TensorMap,
    settings::{self, Convolution},
};

/// Implements [`Network`] by a layer's getters and its constructor.
macro_rules! foreign {
    ($layer:ty, $type_name:literal, |$this:ident| $settings:expr, { $($name:literal: $part:expr),* }, |$map:ident| $rebuilt:expr) => {
        impl Network for $layer {
            fn type_name(&self) -> Cow<'_, str> {
                $type_name.into()
            }

            fn settings(&self) -> String {
                let $this = self;
                $settings
            }

            #[allow(unused_mut)]
            fn parts(&self) -> Vec<Part<'_>> {
                let $this = self;
                let mut parts = Vec::new();
                $(push($name, $part, &mut parts);)*
                parts
            }

            fn map_tensors(&mut self, $map: &mut TensorMap<'_>) -> Result<()> {
                let $this = &*self;
                *self = $rebuilt;
                Ok(())
            }
        }
    };
}

/// Adds a parameter, if there is one.
fn push<'a>(name: &str, tensor: Option<&Tensor>, parts: &mut Vec<Part<'a>>) {
    parts.extend(tensor.map(|tensor| Part::Tensor {
        name: name.to_owned(),
        tensor: tensor.clone(),
        is_parameter: true,
    }));
}

/// The bias that a convolution has.
fn mapped(tensor: Option<&Tensor>, map: &mut TensorMap<'_>) -> Result<Option<Tensor>> {
    tensor.map(map).transpose()
}

foreign!(
    candle_nn::Linear, "Linear",
    |layer| settings::linear(layer.weight(), layer.bias()),
    { "weight": Some(layer.weight()), "bias": layer.bias() },
    |map| candle_nn::Linear::new(map(layer.weight())?, mapped(layer.bias(), map)?)
);
foreign!(
    candle_nn::Embedding, "Embedding",
    |layer| settings::embedding(layer.embeddings()),
    { "weight": Some(layer.embeddings()) },
    |map| candle_nn::Embedding::new(map(layer.embeddings())?, layer.hidden_size())
);
foreign!(
    candle_nn::RmsNorm, "RMSNorm",
    |layer| settings::norm(layer.weight(), layer.eps()),
    { "weight": Some(layer.weight()) },
    |map| candle_nn::RmsNorm::new(map(layer.weight())?, layer.eps())
);
foreign!(
    candle_nn::LayerNorm, "LayerNorm",
    |layer| settings::norm(layer.weight(), layer.eps()),
    { "weight": Some(layer.weight()), "bias": layer.bias() },
    |map| {
        let weight = map(layer.weight())?;
        match layer.bias() {
            Some(bias) => candle_nn::LayerNorm::new(weight, map(bias)?, layer.eps()),
            None if layer.remove_mean() => candle_nn::LayerNorm::new_no_bias(weight, layer.eps()),
            None => candle_nn::LayerNorm::rms_norm(weight, layer.eps()),
        }
    }
);
foreign!(
    candle_nn::PReLU, "PReLU",
    |layer| settings::prelu(layer.weight()),
    { "weight": Some(layer.weight()) },
    |map| candle_nn::PReLU::new(map(layer.weight())?, layer.is_scalar())
);

macro_rules! convolutions {
    ($($layer:ident, $type_name:literal, $transposed:literal, $output_padding:expr, $groups:expr;)*) => {$(
        foreign!(
            candle_nn::$layer, $type_name,
            |layer| settings::convolution(layer.weight(), layer.bias(), &Convolution {
                is_transposed: $transposed,
                stride: layer.config().stride,
                padding: layer.config().padding,
                output_padding: $output_padding(layer.config()),
                dilation: layer.config().dilation,
                groups: $groups(layer.config()),
            }),
            { "weight": Some(layer.weight()), "bias": layer.bias() },
            |map| candle_nn::$layer::new(map(layer.weight())?, mapped(layer.bias(), map)?, *layer.config())
        );
    )*};
}

convolutions! {
    Conv1d, "Conv1d", false, |_: &candle_nn::Conv1dConfig| 0, |of: &candle_nn::Conv1dConfig| of.groups;
    Conv2d, "Conv2d", false, |_: &candle_nn::Conv2dConfig| 0, |of: &candle_nn::Conv2dConfig| of.groups;
    ConvTranspose1d, "ConvTranspose1d", true,
        |of: &candle_nn::ConvTranspose1dConfig| of.output_padding, |of: &candle_nn::ConvTranspose1dConfig| of.groups;
    ConvTranspose2d, "ConvTranspose2d", true, |of: &candle_nn::ConvTranspose2dConfig| of.output_padding, |_: &candle_nn::ConvTranspose2dConfig| 1;
}

/// The running statistics are variables without a gradient, and buffers as in PyTorch.
impl Network for candle_nn::BatchNorm {
    fn type_name(&self) -> Cow<'_, str> {
        "BatchNorm".into()
    }

    fn settings(&self) -> String {
        settings::batch_norm(self)
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        if let Some((weight, bias)) = self.weight_and_bias() {
            push("weight", Some(weight), &mut parts);
            push("bias", Some(bias), &mut parts);
        }
        for (name, tensor) in [
            ("running_mean", self.running_mean()),
            ("running_var", self.running_var()),
        ] {
            parts.push(Part::Tensor {
                name: name.to_owned(),
                tensor: tensor.clone(),
                is_parameter: false,
            });
        }
        parts
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        let (mean, var) = (self.running_mean(), self.running_var());
        let features = mean.elem_count();
        *self = match self.weight_and_bias() {
            Some((weight, bias)) => {
                let (weight, bias) = (map(weight)?, map(bias)?);
                candle_nn::BatchNorm::new_with_momentum(
                    features,
                    map(mean)?,
                    map(var)?,
                    weight,
                    bias,
                    self.eps(),
                    self.momentum(),
                )?
            }
            None => candle_nn::BatchNorm::new_no_bias_with_momentum(
                features,
                map(mean)?,
                map(var)?,
                self.eps(),
                self.momentum(),
            )?,
        };
        Ok(())
    }
}

/// All variables of the map, in the order of their names.
impl Network for VarMap {
    fn type_name(&self) -> Cow<'_, str> {
        "VarMap".into()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let variables = self.data().lock().unwrap_or_else(PoisonError::into_inner);
        let sorted: BTreeMap<&String, &Var> = variables.iter().collect();
        let parts = sorted.into_iter().map(|(name, var)| Part::Tensor {
            name: name.clone(),
            tensor: var.as_tensor().clone(),
            is_parameter: true,
        });
        parts.collect()
    }

    /// Fails: the layers that were made from the map would keep its former variables.
    fn map_tensors(&mut self, _: &mut TensorMap<'_>) -> Result<()> {
        candle_core::bail!(
            "a VarMap's variables are in layers, which would keep the former ones: the network is brought to another dtype or \
             device, net.to(DType::BF16)?, or made by nn::builder(&varmap, dtype, &device)"
        )
    }
}

/// Implements networks for layers without parameters.
macro_rules! without_parameters {
    ($($layer:ty: $type_name:expr;)*) => {$(
        impl Network for $layer {
            fn type_name(&self) -> Cow<'_, str> {
                $type_name(self)
            }

            fn parts(&self) -> Vec<Part<'_>> {
                Vec::new()
            }

            fn map_tensors(&mut self, _: &mut TensorMap<'_>) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

without_parameters! {
    candle_nn::Func<'_>: |_: &candle_nn::Func<'_>| Cow::Borrowed("Func");
    candle_nn::FuncT<'_>: |_: &candle_nn::FuncT<'_>| Cow::Borrowed("FuncT");
    candle_nn::ops::Identity: |_: &candle_nn::ops::Identity| Cow::Borrowed("Identity");
    candle_nn::Activation: |of: &candle_nn::Activation| Cow::Owned(format!("{of:?}"));
}
