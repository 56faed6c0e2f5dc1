//! The named tensors of one component.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::{Init, var_builder::SimpleBackend};
use patchbay_cell::lock::lock;
use patchbay_nn::Commit;

use super::record::Record;

/// A tensor of a component, by the name under which it was made.
#[derive(Clone, Debug)]
pub struct NamedVar {
    /// Path with dots, `encoder.layers.0.weight` for instance.
    pub name: String,
    /// The variable.
    pub var: Var,
    /// `false` for buffers: momentum copies, queues, running statistics.
    pub trainable: bool,
}

/// Beginning of a tensor that no predecessor had.
pub(crate) enum First<'a> {
    Init(Init),
    Values(&'a Tensor),
}

/// Something inside a component that has tensors of its own.
pub(crate) trait Part: Send + Sync {
    fn variables(&self) -> Vec<NamedVar>;

    /// Returns what a checkpoint keeps of it beside the variables.
    fn record(&self) -> Result<Record>;

    /// Checks what a checkpoint has kept, and returns what puts it back.
    fn prepare(self: Arc<Self>, record: Record) -> Result<Commit<'static>>;
}

/// Makes the tensors of a component, taking over a predecessor's where name, shape, type and
/// device are equal. The variable itself is taken over, so an optimizer that holds it goes on with
/// its state; its values are not touched, so a construction that fails has changed nothing.
#[derive(Default)]
pub(crate) struct Store {
    previous: BTreeMap<String, NamedVar>,
    /// Whether all tensors are buffers.
    frozen: bool,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    variables: BTreeMap<String, NamedVar>,
    parts: Vec<(String, Arc<dyn Part>)>,
}

impl Store {
    pub(crate) fn new(previous: Vec<NamedVar>, frozen: bool) -> Self {
        let previous = previous
            .into_iter()
            .map(|named| (named.name.clone(), named))
            .collect();
        Store {
            previous,
            frozen,
            made: Mutex::default(),
        }
    }

    /// The predecessor's tensors below `name.`, with that prefix taken off.
    pub(crate) fn previous_of_part(&self, name: &str) -> Vec<NamedVar> {
        let below = |full: &str| {
            full.strip_prefix(name)?
                .strip_prefix('.')
                .map(str::to_owned)
        };
        self.previous
            .values()
            .filter_map(|named| {
                Some(NamedVar {
                    name: below(&named.name)?,
                    ..named.clone()
                })
            })
            .collect()
    }

    pub(crate) fn carries(&self, name: &str) -> bool {
        self.previous.contains_key(name)
    }

    pub(crate) fn add_part(&self, name: &str, part: Arc<dyn Part>) {
        self.lock().parts.push((name.to_owned(), part));
    }

    /// Returns the parts with tensors of their own inside of the component, by name.
    pub(crate) fn parts(&self) -> Vec<(String, Arc<dyn Part>)> {
        self.lock().parts.clone()
    }

    /// All tensors, those of parts with the part's name in front.
    pub(crate) fn variables(&self) -> Vec<NamedVar> {
        let made = self.lock();
        let mut variables: Vec<NamedVar> = made.variables.values().cloned().collect();
        for (prefix, part) in &made.parts {
            variables.extend(part.variables().into_iter().map(|named| NamedVar {
                name: format!("{prefix}.{}", named.name),
                ..named
            }));
        }
        variables
    }

    pub(crate) fn make(
        &self,
        name: &str,
        shape: Shape,
        first: First<'_>,
        dtype: DType,
        device: &Device,
        trainable: bool,
    ) -> Result<Var> {
        let fits = |var: &Var| {
            *var.shape() == shape && var.dtype() == dtype && var.device().same_device(device)
        };
        let mut made = self.lock();
        if let Some(named) = made.variables.get(name) {
            if fits(&named.var) {
                return Ok(named.var.clone());
            }
            bail!(
                "the tensor {name} was made with shape {:?} and is asked for with {shape:?}",
                named.var.shape()
            );
        }
        let var = match self.previous.get(name).filter(|named| fits(&named.var)) {
            Some(named) => named.var.clone(),
            None => match first {
                First::Init(init) => patchbay_nn::initial::initial(init, &shape, dtype, device)?,
                First::Values(values) => Var::from_tensor(values)?,
            },
        };
        let named = NamedVar {
            name: name.to_owned(),
            var: var.clone(),
            trainable: trainable && !self.frozen,
        };
        made.variables.insert(name.to_owned(), named);
        Ok(var)
    }

    /// A panic of a plugin cannot leave the maps half-written: each change is one insertion.
    fn lock(&self) -> MutexGuard<'_, Made> {
        lock(&self.made)
    }
}

/// Gives a `VarBuilder` access to a store.
pub(crate) struct Parameters(pub(crate) Arc<Store>);

impl SimpleBackend for Parameters {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let var = self
            .0
            .make(name, shape, First::Init(init), dtype, device, true)?;
        Ok(if self.0.frozen {
            // The same memory, without a graph through it.
            var.as_detached_tensor()
        } else {
            var.as_tensor().clone()
        })
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        match self.0.lock().variables.get(name) {
            Some(named) => Ok(named.var.as_tensor().clone()),
            None => bail!(
                "there is no tensor {name} yet; ask for it with a shape, as `vb.get(shape, name)`"
            ),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.lock().variables.contains_key(name)
    }
}
