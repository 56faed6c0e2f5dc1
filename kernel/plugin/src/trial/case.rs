//! One component that is tried, its sample, and how it is called.

use candle_core::{DType, Device, Tensor};

use crate::{Inputs, Options, Outputs, Sample, Slot, Spec, Tried, create_with, error::candle_text};

/// Seeds of first values and of what is drawn in a call.
pub(super) const SEEDS: [u64; 2] = [1, 2];

/// How often runs with equal seeds may differ: another test of the process may draw in between.
pub(super) const ATTEMPTS: usize = 5;

/// One component and its sample.
pub(super) struct Trial<'a> {
    pub(super) spec: &'a Spec,
    pub(super) sample: &'a Sample,
    pub(super) broken: &'a mut Vec<String>,
}

impl Trial<'_> {
    /// The component with its sample's settings, the same values each time.
    pub(super) fn make<K: ?Sized + Tried>(&self, dtype: DType) -> Result<Slot<K>, String> {
        patchbay_nn::seed_all(SEEDS[0]).map_err(|error| candle_text(&error))?;
        let options = Options {
            dtype,
            device: Device::Cpu,
            frozen: false,
        };
        create_with(&self.spec.id, self.sample.settings.clone(), options)
            .map_err(|error| error.to_string())
    }

    /// The sample's inputs, floats in this type.
    pub(super) fn inputs(&self, dtype: DType) -> Result<Inputs, String> {
        let inputs = self.sample.inputs.0.iter().map(|(name, tensor)| {
            let tensor = match tensor.dtype().is_float() {
                true => tensor.to_dtype(dtype)?,
                false => tensor.clone(),
            };
            Ok((name.clone(), tensor))
        });
        let inputs: patchbay_show::Result<Vec<_>> = inputs.collect();
        Ok(Inputs(inputs.map_err(|error| candle_text(&error))?))
    }

    /// The type that the component is tried in where one is enough.
    pub(super) fn dtype(&self) -> DType {
        match self.sample.dtypes.contains(&DType::F32) {
            true => DType::F32,
            false => self.sample.dtypes.first().copied().unwrap_or(DType::F32),
        }
    }

    pub(super) fn run<K: ?Sized + Tried>(
        &self,
        slot: &Slot<K>,
        dtype: DType,
    ) -> Result<Outputs, String> {
        run(slot, &self.inputs(dtype)?)
    }
}

/// Calls a component; what it draws is the same each time.
pub(super) fn run<K: ?Sized + Tried>(slot: &Slot<K>, inputs: &Inputs) -> Result<Outputs, String> {
    patchbay_nn::seed_all(SEEDS[1]).map_err(|error| candle_text(&error))?;
    K::try_out(slot, inputs).map_err(|error| candle_text(&error))
}

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>, String> {
    let read = || tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
    read().map_err(|error| candle_text(&error))
}
