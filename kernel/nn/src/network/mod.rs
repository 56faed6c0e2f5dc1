//! Networks as what they are made of: names, parameters, and how they are printed.

mod containers;
mod field;
mod foreign;
pub(crate) mod settings;
pub(crate) mod state;
mod summary;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use candle_core::{Result, Tensor, Var};
use patchbay_tensor::Destination;

pub use field::Field;
pub(crate) use field::plain;
pub use patchbay_derive::Network;
pub use summary::show_network;

/// Function that [`Network::map_tensors`] applies to each tensor.
pub type TensorMap<'m> = dyn FnMut(&Tensor) -> Result<Tensor> + 'm;

/// A part of a network, with the name that it has there.
pub enum Part<'a> {
    /// A tensor of the network's own.
    Tensor {
        /// The name, `weight` for instance.
        name: String,
        /// The tensor.
        tensor: Tensor,
        /// False for what is kept beside the parameters and not trained, such as the statistics of a batch norm.
        is_parameter: bool,
    },
    /// A layer or a network within this one.
    Network {
        /// The name, that of the field or the index in a list.
        name: String,
        /// The network.
        network: &'a dyn Network,
    },
}

/// A layer or a network: what `torch.nn.Module` knows of its parts. Derive it for a struct of layers.
///
/// ```
/// # use patchbay::prelude::*;
/// #[derive(nn::Network)]
/// struct Net {
///     encoder: Vec<nn::Linear>,
///     head: nn::Linear,
///     rate: f64,
/// }
///
/// impl Module for Net {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         let mut x = x.clone();
///         for layer in &self.encoder {
///             x = layer.forward(&x)?.relu()?;
///         }
///         self.head.forward(&x)
///     }
/// }
///
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// let net = Net {
///     encoder: vec![nn::linear(2, 3, vb.pp("0"))?, nn::linear(3, 3, vb.pp("1"))?],
///     head: nn::linear(3, 1, vb.pp("head"))?,
///     rate: 0.1,
/// };
/// assert_eq!(net.num_parameters(), 9 + 12 + 4);
/// assert_eq!(net.named_parameters()[0].0, "encoder.0.weight");
/// let optimizer = nn::AdamW::new(net.parameters(), 1e-3)?;
/// # Ok::<(), candle::Error>(())
/// ```
///
/// As the last expression of a cell it is printed as PyTorch prints it, with the number of parameters of each layer. Each field
/// is a [`Field`]: a layer, a network, a tensor, a `Vec`, an array, an `Option`, a tuple or a map of these, or a plain value
/// such as a number, which is no part. What is none of these is left out by `#[network(skip)]`, so that no layer is by mistake.
/// `#[network(rename = "0")]` gives a field another name, and `#[network(no_show)]` before the type leaves
/// [`Show`](patchbay_show::Show) to be written by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no network",
    label = "a layer or a network is expected",
    note = "a struct of layers becomes one by `#[derive(nn::Network)]`"
)]
pub trait Network {
    /// Returns the name of the type, as it is printed.
    fn type_name(&self) -> Cow<'_, str>;

    /// Returns the settings, as they are printed in parentheses: `in_features=3, out_features=4, bias=true`.
    fn settings(&self) -> String {
        String::new()
    }

    /// Returns the parts, in the order in which they are printed.
    fn parts(&self) -> Vec<Part<'_>>;

    /// Replaces each tensor, those of the parts' parts among them.
    ///
    /// # Errors
    ///
    /// Returns the error of `map`; tensors before it are replaced then.
    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()>;

    /// Whether the type is a list that may hold plain values.
    #[doc(hidden)]
    fn is_list(&self) -> bool {
        false
    }

    /// Returns the layers and networks that this one is made of, with their names: torch's `named_children`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let net = nn::seq().add(nn::Activation::Relu).add(nn::Activation::Silu);
    /// assert_eq!(net.named_children().len(), 2);
    /// ```
    fn named_children(&self) -> Vec<(String, &dyn Network)> {
        let networks = self.parts().into_iter().filter_map(|part| match part {
            Part::Network { name, network } => Some((name, network)),
            Part::Tensor { .. } => None,
        });
        networks.collect()
    }

    /// Returns the variables that are trained, with their names, each once: torch's `named_parameters`.
    ///
    /// Weights that are no variables, such as those of `VarBuilder::from_tensors`, are not among them.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// let net = nn::seq().add(nn::linear(2, 3, vb)?);
    /// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["0.weight", "0.bias"]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn named_parameters(&self) -> Vec<(String, Var)> {
        state::parameters(self.parts())
    }

    /// Returns the variables that are trained, each once, as optimizers take them: torch's `parameters`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// let layer = nn::linear(2, 3, vb)?;
    /// let optimizer = nn::AdamW::new(layer.parameters(), 1e-3)?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn parameters(&self) -> Vec<Var> {
        let named = self.named_parameters().into_iter();
        named.map(|(_, var)| var).collect()
    }

    /// Returns the number of values in the parameters, those that are not trained included: `sum(p.numel() for p in parameters())`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// assert_eq!(nn::linear(2, 3, vb)?.num_parameters(), 9);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn num_parameters(&self) -> usize {
        state::count(self.parts())
    }

    /// Returns a copy of each tensor, by its name: torch's `state_dict`. `torch::save` writes it.
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// let layer = nn::linear(2, 3, vb)?;
    /// let state = layer.state_dict()?;
    /// layer.load_state_dict(&state)?;
    /// assert_eq!(state["weight"].dims(), [3, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn state_dict(&self) -> Result<BTreeMap<String, Tensor>> {
        state::copies(self.parts())
    }

    /// Sets each variable to the tensor of its name, in its dtype and on its device: torch's `load_state_dict`.
    ///
    /// # Errors
    ///
    /// Fails where a name is missing or superfluous, a shape differs, or a weight is no variable; nothing is set then.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// let layer = nn::linear(2, 3, vb)?;
    /// layer.load_state_dict(&[("weight".into(), torch::ones((3, 2))?), ("bias".into(), torch::ones(3)?)].into())?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn load_state_dict(&self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        state::load(&self.type_name(), self.parts(), state)
    }

    /// Converts to a dtype or moves to a device, in place: torch's `to`. Tensors of integers keep their dtype.
    ///
    /// Where something changes the parameters are new variables: an optimizer is made afterwards, with
    /// [`parameters`](Network::parameters), and a `VarMap` has the former ones.
    ///
    /// # Errors
    ///
    /// Fails where there is no such device; a part may have been moved then.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
    /// let mut layer = nn::linear(2, 3, vb)?;
    /// layer.to(DType::F64)?;
    /// assert_eq!(layer.weight().dtype(), DType::F64);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn to<D: Destination>(&mut self, to: D) -> Result<()>
    where
        Self: Sized,
    {
        // A tensor that stands in two layers stays one.
        let mut moved = HashMap::new();
        self.map_tensors(&mut |tensor| state::moved(tensor, &to, &mut moved))
    }
}

/// Implements [`Network`] and `Show` for a layer: its fields that are parts, with their names in PyTorch, and its settings.
macro_rules! layer_network {
    ($layer:ty, $type_name:literal, { $($name:literal: $field:ident),* }, |$this:ident| $settings:expr) => {
        impl $crate::Network for $layer {
            fn type_name(&self) -> std::borrow::Cow<'_, str> {
                $type_name.into()
            }

            fn settings(&self) -> String {
                let $this = self;
                $settings
            }

            #[allow(unused_mut)]
            fn parts(&self) -> Vec<$crate::Part<'_>> {
                let mut parts = Vec::new();
                $($crate::Field::add_to(&self.$field, $name, &mut parts);)*
                parts
            }

            fn map_tensors(&mut self, _map: &mut $crate::TensorMap<'_>) -> candle_core::Result<()> {
                $($crate::Field::map_tensors(&mut self.$field, _map)?;)*
                Ok(())
            }
        }

        $crate::network::show_as_network!($layer);
    };
}
pub(crate) use layer_network;

/// Implements `Show` for what is a [`Network`].
macro_rules! show_as_network {
    ($layer:ty) => {
        impl patchbay_show::Show for $layer {
            fn show(&self) -> patchbay_show::MimeBundle {
                $crate::show_network(self)
            }
        }
    };
}
pub(crate) use show_as_network;
