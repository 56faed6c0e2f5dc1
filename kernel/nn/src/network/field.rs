//! Types that a field of a network may have.

use std::{marker::PhantomData, path::PathBuf};

use candle_core::{DType, Device, Result, Tensor, Var};

use super::{Network, Part, TensorMap};

/// A field of a [`Network`]: a network, a tensor, several of these, or a plain value, which is no part.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no part of a network",
    label = "a layer, a network, a tensor or a plain value is expected",
    note = "a struct of layers becomes a network by `#[derive(nn::Network)]`; what has no parameters is left out by `#[network(skip)]` before the field"
)]
pub trait Field {
    /// Adds what the field is to the parts of a network.
    fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>);

    /// Replaces each tensor.
    ///
    /// # Errors
    ///
    /// Returns the error of `map`.
    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()>;
}

/// A part of the name of its field.
impl<N: Network> Field for N {
    fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>) {
        if self.is_list() && self.parts().is_empty() {
            return;
        }
        parts.push(Part::Network {
            name: name.to_owned(),
            network: self,
        });
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        Network::map_tensors(self, map)
    }
}

/// A parameter.
impl Field for Var {
    fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>) {
        self.as_tensor().add_to(name, parts);
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        *self = Var::from_tensor(&map(self.as_tensor())?)?;
        Ok(())
    }
}

/// A parameter.
impl Field for Tensor {
    fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>) {
        parts.push(Part::Tensor {
            name: name.to_owned(),
            tensor: self.clone(),
            is_parameter: true,
        });
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        *self = map(self)?;
        Ok(())
    }
}

/// A part where there is a value.
impl<F: Field> Field for Option<F> {
    fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>) {
        if let Some(field) = self {
            field.add_to(name, parts);
        }
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |field| field.map_tensors(map))
    }
}

macro_rules! tuples {
    ($($($part:ident $index:tt)+;)*) => {$(
        /// Parts with the indices behind the name.
        impl<$($part: Field),+> Field for ($($part,)+) {
            fn add_to<'a>(&'a self, name: &str, parts: &mut Vec<Part<'a>>) {
                $(self.$index.add_to(&format!("{name}.{}", $index), parts);)+
            }

            fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
                $(self.$index.map_tensors(map)?;)+
                Ok(())
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 E 3;
}

/// Types that are no parts.
macro_rules! plain {
    ($([$($generic:tt)*] $value:ty),* $(,)?) => {$(
        /// No part.
        impl<$($generic)*> $crate::Field for $value {
            fn add_to<'a>(&'a self, _: &str, _: &mut Vec<$crate::Part<'a>>) {}

            fn map_tensors(&mut self, _: &mut $crate::TensorMap<'_>) -> candle_core::Result<()> {
                Ok(())
            }
        }
    )*};
}
pub(crate) use plain;

plain! {
    [] bool, [] char, [] f32, [] f64, [] i8, [] i16, [] i32, [] i64, [] isize, [] u8, [] u16, [] u32, [] u64, [] usize, [] (),
    [] String, [] &'static str, [] PathBuf, [] DType, [] Device, [T: ?Sized] PhantomData<T>, [] fn(&Tensor) -> Result<Tensor>,
    [] candle_nn::Conv1dConfig, [] candle_nn::Conv2dConfig, [] candle_nn::ConvTranspose1dConfig,
    [] candle_nn::ConvTranspose2dConfig, [] candle_nn::LayerNormConfig, [] candle_nn::BatchNormConfig,
}
