//! `torch.nn.Sequential`: candle's, with names, and printed as PyTorch prints it.

use std::borrow::Cow;

use candle_core::{Result, Tensor};
use candle_nn::{Module, ModuleT, func, func_t};

use crate::network::{Network, Part, TensorMap, show_as_network};

/// Layer of a [`Sequential`]: a network with `forward(&x)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a layer of `nn::seq()`",
    label = "a layer with `impl Module` that is a network is expected",
    note = "a struct becomes a network by `#[derive(nn::Network)]`, a closure a layer by `.add_fn(|x| ..)`; layers that differ in training, such as `nn::Dropout` and `nn::BatchNorm`, stand in `nn::seq_t()`"
)]
pub trait Layer: Module + Network {}

impl<L: Module + Network> Layer for L {}

/// Layer of a [`SequentialT`]: a network with `forward_t(&x, train)`, which every [`Layer`] has, too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a layer of `nn::seq_t()`",
    label = "a layer with `impl Module` or `impl ModuleT` that is a network is expected",
    note = "a struct becomes a network by `#[derive(nn::Network)]`, a closure a layer by `.add_fn(|x| ..)` or `.add_fn_t(|x, train| ..)`"
)]
pub trait LayerT: ModuleT + Network {}

impl<L: ModuleT + Network> LayerT for L {}

/// Layers one after another: torch's `Sequential`.
///
/// ```
/// # use patchbay::prelude::*;
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// let net = nn::seq().add_named("hidden", nn::linear(2, 3, vb.pp("hidden"))?).add(nn::Activation::Relu);
/// assert_eq!(net.len(), 2);
/// assert_eq!(net.named_parameters()[0].0, "hidden.weight");
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<(String, Box<dyn Layer>)>,
}

/// Begins a [`Sequential`].
///
/// ```
/// # use patchbay::prelude::*;
/// assert!(nn::seq().is_empty());
/// ```
pub fn seq() -> Sequential {
    Sequential::default()
}

/// Layers one after another of which some differ in training, such as [`Dropout`](crate::Dropout) and
/// [`BatchNorm`](crate::BatchNorm): torch's `Sequential`, called by `net.forward_t(&x, train)`.
///
/// ```
/// # use patchbay::prelude::*;
/// let vb = nn::builder(&VarMap::new(), DType::F32, &device());
/// let net = nn::seq_t().add_named("hidden", nn::linear(2, 3, vb.pp("hidden"))?).add(nn::Dropout::new(0.5));
/// assert_eq!(net.len(), 2);
/// assert_eq!(net.named_parameters()[0].0, "hidden.weight");
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Default)]
pub struct SequentialT {
    layers: Vec<(String, Box<dyn LayerT>)>,
}

/// Begins a [`SequentialT`].
///
/// ```
/// # use patchbay::prelude::*;
/// assert!(nn::seq_t().is_empty());
/// ```
pub fn seq_t() -> SequentialT {
    SequentialT::default()
}

/// Defines the methods that both sequences have.
macro_rules! sequence {
    ($sequence:ident, $layer:ident, ($($train:ident: $bool:ty)?), $forward:ident) => {
        impl $sequence {
            /// Returns the number of layers.
            pub fn len(&self) -> usize {
                self.layers.len()
            }

            /// Tells whether there is no layer.
            pub fn is_empty(&self) -> bool {
                self.layers.is_empty()
            }

            /// Appends a layer, under its index.
            #[allow(clippy::should_implement_trait)]
            pub fn add<L: $layer + 'static>(self, layer: L) -> $sequence {
                let index = self.len().to_string();
                self.add_named(index, layer)
            }

            /// Appends a layer under a name, which is that of its parameters, too. A name that is taken gets `_` behind it.
            pub fn add_named<L: $layer + 'static>(mut self, name: impl Into<String>, layer: L) -> $sequence {
                let mut name = name.into();
                while self.layers.iter().any(|(other, _)| *other == name) {
                    name.push('_');
                }
                self.layers.push((name, Box::new(layer)));
                self
            }

            /// Appends a closure.
            pub fn add_fn<F>(self, f: F) -> $sequence
            where
                F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
            {
                self.add(func(f))
            }

            /// Returns the result of each layer.
            ///
            /// # Errors
            ///
            /// Returns the error of a layer.
            pub fn forward_all(&self, x: &Tensor $(, $train: $bool)?) -> Result<Vec<Tensor>> {
                let mut results: Vec<Tensor> = Vec::with_capacity(self.len());
                for (_, layer) in &self.layers {
                    let result = layer.$forward(results.last().unwrap_or(x) $(, $train)?)?;
                    results.push(result);
                }
                Ok(results)
            }
        }

        impl Network for $sequence {
            fn type_name(&self) -> Cow<'_, str> {
                "Sequential".into()
            }

            fn parts(&self) -> Vec<Part<'_>> {
                let parts = self.layers.iter().map(|(name, layer)| Part::Network {
                    name: name.clone(),
                    network: &**layer,
                });
                parts.collect()
            }

            fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
                self.layers
                    .iter_mut()
                    .try_for_each(|(_, layer)| layer.map_tensors(map))
            }
        }

        show_as_network!($sequence);
    };
}

sequence!(Sequential, Layer, (), forward);
sequence!(SequentialT, LayerT, (train: bool), forward_t);

impl SequentialT {
    /// Appends a closure that is told whether the network is in training.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let net = nn::seq_t().add_fn_t(|x, train| if train { x + torch::randn(x.dims())? } else { Ok(x.clone()) });
    /// let x = torch::zeros(3)?;
    /// assert_eq!(net.forward_t(&x, false)?.tolist()?, [0.0; 3]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn add_fn_t<F>(self, f: F) -> SequentialT
    where
        F: Fn(&Tensor, bool) -> Result<Tensor> + Send + Sync + 'static,
    {
        self.add(func_t(f))
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (_, layer) in &self.layers {
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}

impl ModuleT for SequentialT {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (_, layer) in &self.layers {
            x = layer.forward_t(&x, train)?;
        }
        Ok(x)
    }
}
