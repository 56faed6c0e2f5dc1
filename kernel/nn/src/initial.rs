//! First values of parameters, reproducible on every device.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder, VarMap, init::NormalOrUniform, var_builder::SimpleBackend};

use patchbay_ops::Stream;

/// A builder that makes variables in `variables`, with first values that follow [`super::seed_all`].
///
/// It does what `VarBuilder::from_varmap` does, with the same first values on all devices and on every number of threads, and
/// says which variable is asked for in two shapes.
pub fn builder(variables: &VarMap, dtype: DType, device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Seeded(variables.clone())), dtype, device.clone())
}

/// Random numbers are made on the CPU, so that all devices begin with the same ones.
pub fn initial(init: Init, shape: &Shape, dtype: DType, device: &Device) -> Result<Var> {
    let count = shape.elem_count();
    let uniform = |low: f64, high: f64| -> Vec<f64> {
        Stream::next()
            .uniform(count)
            .into_iter()
            .map(|u| low + (high - low) * u)
            .collect()
    };
    let normal = |mean: f64, deviation: f64| -> Vec<f64> {
        Stream::next()
            .normal(count)
            .into_iter()
            .map(|z| mean + deviation * z)
            .collect()
    };
    let values = match init {
        Init::Const(_) => return init.var(shape, dtype, device),
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Randn { mean, stdev } => normal(mean, stdev),
        Init::Kaiming {
            dist,
            fan,
            non_linearity,
        } => {
            let deviation = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Uniform => {
                    let bound = 3f64.sqrt() * deviation;
                    uniform(-bound, bound)
                }
                NormalOrUniform::Normal => normal(0.0, deviation),
            }
        }
    };
    Var::from_tensor(
        &Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)?,
    )
}

struct Seeded(VarMap);

impl Seeded {
    fn variables(&self) -> std::sync::MutexGuard<'_, HashMap<String, Var>> {
        self.0
            .data()
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl SimpleBackend for Seeded {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let mut variables = self.variables();
        if let Some(var) = variables.get(name) {
            if var.shape() != &shape {
                candle_core::bail!(
                    "the variable {name} is {:?} and is asked for as {:?}: give the layer another name with `vb.pp`",
                    var.dims(),
                    shape.dims()
                )
            }
            return Ok(var.as_tensor().clone());
        }
        let var = initial(init, &shape, dtype, device)?;
        variables.insert(name.to_owned(), var.clone());
        Ok(var.as_tensor().clone())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.variables().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => candle_core::bail!(
                "there is no variable {name} yet: ask for it with a shape, as `vb.get(shape, name)`"
            ),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.variables().contains_key(name)
    }
}
