//! Types that can be a part of a checkpoint.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use candle_core::{Result, Tensor, Var, bail};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Network, OptimizerState, ParameterNames,
    kept::{Commit, Kept},
    network::state,
};

/// State of one part of a run: tensors by name, and values that are no tensors.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The tensors, on any device.
    pub tensors: BTreeMap<String, Tensor>,
    /// Other values, as CBOR; empty where there are none.
    values: Vec<u8>,
}

impl State {
    /// Makes a state of tensors alone.
    pub fn of_tensors(tensors: BTreeMap<String, Tensor>) -> State {
        State {
            tensors,
            values: Vec::new(),
        }
    }

    /// Adds a value that serde can write: numbers, texts, lists, structs. Every bit of a number is kept, NaN and infinities too.
    ///
    /// # Errors
    ///
    /// Fails where serde cannot write it.
    pub fn with_values(mut self, values: &impl Serialize) -> Result<State> {
        self.values.clear();
        ciborium::into_writer(values, &mut self.values).map_err(candle_core::Error::wrap)?;
        Ok(self)
    }

    /// Returns the value that [`State::with_values`] was given.
    ///
    /// # Errors
    ///
    /// Fails where there is none, or one of another type.
    pub fn values<T: DeserializeOwned>(&self) -> Result<T> {
        if self.values.is_empty() {
            bail!("no values were saved with it: it is the state of something else")
        }
        match ciborium::from_reader(self.values.as_slice()) {
            Ok(values) => Ok(values),
            Err(error) => bail!(
                "its values are not those of a {}: {error}",
                std::any::type_name::<T>()
            ),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.values
    }

    pub(super) fn from_parts(tensors: BTreeMap<String, Tensor>, values: Vec<u8>) -> State {
        State { tensors, values }
    }
}

/// A part of a [`Checkpoint`](super::Checkpoint): a network, an optimizer, averages, a slot, a loader, a counter.
///
/// Networks, `VarMap`s, the optimizers, [`Ema`](crate::Ema), [`Accumulator`](crate::Accumulator),
/// [`Plateau`](crate::Plateau), [`EarlyStopping`](crate::EarlyStopping) and slots are parts. A `Mutex` or a `RefCell` of any
/// value that serde can write is one, too: a history of metrics, for instance.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a part of a checkpoint",
    label = "a network, an optimizer, a slot or another part with a state is expected",
    note = "a value that serde can write becomes a part in a `std::sync::Mutex`: (\"history\", &Mutex::new(history))"
)]
pub trait Stateful {
    /// Returns the variables with their names within this part, for optimizers and averages, which keep what they keep by name.
    fn named_vars(&self) -> Vec<(String, Var)> {
        Vec::new()
    }

    /// Returns copies of all that changes in a run. `names` has the names of the variables of all parts.
    ///
    /// # Errors
    ///
    /// Fails where something has no name, or there is no memory for copies.
    fn state(&self, names: &ParameterNames) -> Result<State>;

    /// Checks that a state fits, without changing anything, and returns what puts it in place.
    ///
    /// # Errors
    ///
    /// Fails where it is the state of something else, naming what differs.
    fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>>;
}

impl<N: Network + ?Sized> Stateful for N {
    fn named_vars(&self) -> Vec<(String, Var)> {
        state::variables(self.parts())
    }

    fn state(&self, _: &ParameterNames) -> Result<State> {
        Ok(State::of_tensors(self.state_dict()?))
    }

    fn prepare(&self, state: State, _: &ParameterNames) -> Result<Commit<'_>> {
        state::check(&self.type_name(), self.parts(), &state.tensors)?;
        Ok(Box::new(move || self.load_state_dict(&state.tensors)))
    }
}

/// Returns copies of variables as a state.
///
/// # Errors
///
/// Fails where there is no memory for copies.
pub fn state_of_variables(variables: Vec<(String, Var)>) -> Result<State> {
    let copy = |(name, var): (String, Var)| Ok((name, var.as_detached_tensor().copy()?));
    let tensors = variables.into_iter().map(copy).collect::<Result<_>>()?;
    Ok(State::of_tensors(tensors))
}

/// Checks that tensors are those of the variables of `owner`, by name and shape, and returns what sets the variables.
///
/// # Errors
///
/// Fails where a name is missing or superfluous, or a shape differs.
pub fn prepare_variables<'a>(
    owner: &str,
    variables: Vec<(String, Var)>,
    mut tensors: BTreeMap<String, Tensor>,
) -> Result<Commit<'a>> {
    let mut problems = Vec::new();
    let mut pairs = Vec::with_capacity(variables.len());
    for (name, var) in variables {
        match tensors.remove(&name) {
            None => problems.push(format!("{name} is not in the file")),
            Some(tensor) if tensor.dims() != var.dims() => problems.push(format!(
                "{name} is {:?} in the file and {:?} in {owner}",
                tensor.dims(),
                var.dims()
            )),
            Some(tensor) => pairs.push((var, tensor)),
        }
    }
    let superfluous = tensors.keys();
    problems.extend(superfluous.map(|name| format!("{name} is in the file and not in {owner}")));
    if !problems.is_empty() {
        bail!("its tensors are others:\n{}", problems.join("\n"))
    }
    Ok(Box::new(move || {
        for (var, tensor) in pairs {
            var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
        }
        Ok(())
    }))
}

/// An optimizer as a part.
pub(super) struct OfOptimizer<'a>(pub &'a dyn OptimizerState);

impl Stateful for OfOptimizer<'_> {
    fn state(&self, names: &ParameterNames) -> Result<State> {
        Ok(State::of_tensors(self.0.named_state(names)?))
    }

    fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>> {
        self.0.prepare_named_state(&state.tensors, names)
    }
}

macro_rules! optimizers {
    ($([$($generic:tt)*] $optimizer:ty),* $(,)?) => {$(
        impl $($generic)* Stateful for $optimizer {
            fn state(&self, names: &ParameterNames) -> Result<State> {
                OfOptimizer(self).state(names)
            }

            fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>> {
                self.prepare_named_state(&state.tensors, names)
            }
        }
    )*};
}

optimizers!(
    [] crate::AdamW,
    [] crate::Adam,
    [] crate::SGD,
    [<O: OptimizerState>] crate::MixedPrecision<O>,
);

macro_rules! cells_of_values {
    ($($cell:ident: $set:expr, $read:expr);* $(;)?) => {$(
        /// A value that serde can write.
        impl<T: Serialize + DeserializeOwned> Stateful for $cell<T> {
            fn state(&self, _: &ParameterNames) -> Result<State> {
                let read: fn(&$cell<T>) -> Result<State> = $read;
                read(self)
            }

            fn prepare(&self, state: State, _: &ParameterNames) -> Result<Commit<'_>> {
                let value: T = state.values()?;
                Ok(Box::new(move || {
                    let set: fn(&$cell<T>, T) = $set;
                    set(self, value);
                    Ok(())
                }))
            }
        }
    )*};
}

cells_of_values!(
    Mutex:
        |cell, value| *cell.lock().unwrap_or_else(PoisonError::into_inner) = value,
        |cell| State::default().with_values(&*cell.lock().unwrap_or_else(PoisonError::into_inner));
    RefCell:
        |cell, value| *cell.borrow_mut() = value,
        |cell| State::default().with_values(&*cell.borrow());
    Kept:
        |cell, value| cell.set(value),
        |cell| State::default().with_values(&*cell.get());
);
