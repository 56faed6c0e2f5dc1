//! Context that a component is given when it is made.

use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use super::store::{First, NamedVar, Parameters, Store};

/// Where and in which type a component makes its tensors.
#[derive(Clone, Debug)]
pub struct Options {
    /// The type of its tensors.
    pub dtype: DType,
    /// The device of its tensors.
    pub device: Device,
    /// Whether no tensor is trained: all are buffers, and no graph is built through them. For teachers, and for
    /// encoders that stay as they were loaded.
    pub frozen: bool,
}

impl Default for Options {
    /// `f32` on [`patchbay_show::device()`].
    fn default() -> Self {
        Options {
            dtype: DType::F32,
            device: patchbay_show::device(),
            frozen: false,
        }
    }
}

/// Makes the tensors and the parts of a component.
pub struct Context {
    pub(crate) options: Options,
    pub(crate) store: Arc<Store>,
}

impl Context {
    pub(crate) fn new(options: Options, previous: Vec<NamedVar>) -> Self {
        Context {
            store: Arc::new(Store::new(previous, options.frozen)),
            options,
        }
    }

    pub(crate) fn into_store(self) -> Arc<Store> {
        self.store
    }

    /// The device on which the component's tensors are.
    pub fn device(&self) -> &Device {
        &self.options.device
    }

    /// The type that the component's tensors have.
    pub fn dtype(&self) -> DType {
        self.options.dtype
    }

    /// The builder of the component's trained parameters. On a swap, a parameter whose name, shape
    /// and type the predecessor had, too, comes back with the values that it has.
    pub fn vb(&self) -> VarBuilder<'static> {
        let backend = Box::new(Parameters(self.store.clone()));
        VarBuilder::from_backend(backend, self.options.dtype, self.options.device.clone())
    }

    /// A trained parameter that begins with these values, those of a file for instance. On a swap it
    /// is taken over as those of [`Context::vb`] are.
    ///
    /// # Errors
    ///
    /// Fails where the name is taken by a tensor of another shape.
    pub fn parameter(&self, name: &str, values: &Tensor) -> candle_core::Result<Var> {
        let values = values
            .to_dtype(self.options.dtype)?
            .to_device(&self.options.device)?;
        let first = First::Values(&values);
        self.store.make(
            name,
            values.shape().clone(),
            first,
            values.dtype(),
            &self.options.device,
            true,
        )
    }

    /// A trained parameter as a variable, for components that update copies of it themselves. Taken over on a swap as
    /// those of [`Context::vb`] are.
    ///
    /// # Errors
    ///
    /// Fails where the name is taken by a tensor of another shape.
    pub fn variable(
        &self,
        name: &str,
        shape: impl Into<Shape>,
        init: Init,
    ) -> candle_core::Result<Var> {
        self.store.make(
            name,
            shape.into(),
            First::Init(init),
            self.options.dtype,
            &self.options.device,
            true,
        )
    }

    /// Whether the predecessor in the slot had a tensor of this name.
    pub fn carries(&self, name: &str) -> bool {
        self.store.carries(name)
    }

    /// A tensor that is carried over swaps but not trained: a momentum copy, a queue, a counter.
    ///
    /// # Errors
    ///
    /// Fails where the name is taken by a tensor of another shape.
    pub fn buffer(
        &self,
        name: &str,
        shape: impl Into<Shape>,
        dtype: DType,
        init: Init,
    ) -> candle_core::Result<Var> {
        self.store.make(
            name,
            shape.into(),
            First::Init(init),
            dtype,
            &self.options.device,
            false,
        )
    }
}
