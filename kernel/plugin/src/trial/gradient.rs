//! Gradients against differences of values.

use candle_core::{DType, Tensor, Var};

use super::case::{Trial, numbers, run};
use crate::{Inputs, Outputs, Slot, Tried, error::candle_text};

/// In how many directions the values of one tensor are moved before its gradient is held for wrong: a value may have a kink in
/// one of them.
const DIRECTIONS: usize = 3;

/// Tensor with respect to which is differentiated: an input, or a parameter by its name.
struct Of {
    name: String,
    var: Var,
    input: Option<usize>,
}

/// Gradients of inputs and parameters are finite, and those of differences.
pub(super) fn check<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = match trial.sample.dtypes.contains(&DType::F64) {
        true => DType::F64,
        false => trial.dtype(),
    };
    let slot = trial.make::<K>(dtype)?;
    let mut inputs = trial.inputs(dtype)?;
    let mut all = Vec::new();
    for (index, (name, tensor)) in inputs.0.iter_mut().enumerate() {
        if tensor.dtype().is_float() {
            let var = Var::from_tensor(tensor).map_err(|error| candle_text(&error))?;
            *tensor = var.as_tensor().clone();
            let (name, input) = (format!("input {name}"), Some(index));
            all.push(Of { name, var, input });
        }
    }
    // Taken before the call: a component may take another tensor's place among its parts.
    let trainable = slot.variables().into_iter().filter(|named| named.trainable);
    all.extend(trainable.map(|named| Of {
        name: named.name,
        var: named.var,
        input: None,
    }));
    let outputs = run(&slot, &inputs)?;
    let Some(total) = weighted(&outputs)? else {
        return match trial.spec.details.trainable && K::NAME != "balancer" {
            true => Err(
                "it is described as trained, and nothing that it returns leads back to a variable"
                    .to_owned(),
            ),
            false => Ok(()),
        };
    };
    let gradients = total.backward().map_err(|error| candle_text(&error))?;
    // What is said to differ, and has not been found to.
    let mut said = trial.sample.other_gradient.clone();
    for of in &all {
        let untrained = trial
            .sample
            .untrained
            .iter()
            .any(|name| of.name.starts_with(name));
        let gradient = match gradients.get(&of.var) {
            Some(gradient) => numbers(gradient)?,
            None if of.input.is_some() || untrained => continue,
            None => {
                return Err(format!(
                    "the parameter {} gets no gradient; where that is right on this sample, say so: Sample::untrained",
                    of.name
                ));
            }
        };
        if gradient.iter().any(|number| !number.is_finite()) {
            return Err(format!("the gradient of {} is not finite", of.name));
        }
        if of.input.is_none() && !untrained && gradient.iter().all(|number| *number == 0.0) {
            return Err(format!(
                "the parameter {} gets a gradient of zeros only; where that is right on this sample, say so: Sample::untrained",
                of.name
            ));
        }
        let wrong = differs::<K>(trial, dtype, of, &gradient)?;
        let is_said = |(name, _): &(&str, &str)| of.name.starts_with(name);
        match wrong {
            Some(_) if trial.sample.other_gradient.iter().any(is_said) => {
                said.retain(|pair| !is_said(pair))
            }
            Some(text) => return Err(text),
            None => {}
        }
    }
    match said.first() {
        Some((name, reason)) => Err(format!(
            "the sample says that the gradient of {name} is not that of differences, because {reason}; it is"
        )),
        None => Ok(()),
    }
}

/// One number of all outputs that lead to variables: a sum in which each element has a factor of its own.
pub(super) fn weighted(outputs: &Outputs) -> Result<Option<Tensor>, String> {
    let sum = || {
        let mut total: Option<Tensor> = None;
        for (index, (_, output)) in outputs.iter().enumerate() {
            if !output.dtype().is_float() || !output.track_op() || output.elem_count() == 0 {
                continue;
            }
            let factors = pattern(output.elem_count(), index + 1, 0.5);
            let factors = Tensor::from_vec(factors, output.shape(), output.device())?;
            let product = (output.to_dtype(DType::F64)? * factors)?;
            let part = patchbay_ops::sum_all(&product)?;
            total = Some(match total {
                Some(total) => (total + part)?,
                None => part,
            });
        }
        patchbay_show::Result::Ok(total)
    };
    sum().map_err(|error| candle_text(&error))
}

/// Numbers between `least` and `least + 1` that are the same in each run.
fn pattern(count: usize, seed: usize, least: f64) -> Vec<f64> {
    (0..count)
        .map(|index| {
            let mixed = (index + 1) as f64 * 0.618_033_988_75 + seed as f64 * 0.414_213_562_37;
            least + mixed.fract()
        })
        .collect()
}

/// Tells what is wrong with a gradient, if anything is.
fn differs<K: ?Sized + Tried>(
    trial: &Trial<'_>,
    dtype: DType,
    of: &Of,
    gradient: &[f64],
) -> Result<Option<String>, String> {
    let start = numbers(of.var.as_tensor())?;
    let size = start.iter().fold(0.1, |size: f64, x| size.max(x.abs()));
    let (step, bound) = match dtype {
        DType::F64 => (1e-5 * size, 1e-4),
        _ => (1e-2 * size, 3e-2),
    };
    let mut last = String::new();
    for seed in 0..DIRECTIONS {
        let direction = pattern(start.len(), seed + 7, -0.5);
        let value = |step: f64| -> Result<f64, String> {
            let moved: Vec<f64> = start
                .iter()
                .zip(&direction)
                .map(|(x, d)| x + step * d)
                .collect();
            let moved = Tensor::from_vec(moved, of.var.shape(), of.var.device())
                .and_then(|moved| moved.to_dtype(of.var.dtype()))
                .map_err(|error| candle_text(&error))?;
            let slot: Slot<K> = trial.make(dtype)?;
            let mut inputs: Inputs = trial.inputs(dtype)?;
            match of.input {
                Some(index) => inputs.0[index].1 = moved,
                None => {
                    let variables = slot.variables();
                    let Some(named) = variables.iter().find(|named| named.name == of.name) else {
                        return Err(format!("a second time it has no parameter {}", of.name));
                    };
                    named.var.set(&moved).map_err(|error| candle_text(&error))?;
                }
            }
            // Inputs are tracked, so that the same outputs count.
            for (_, tensor) in inputs
                .0
                .iter_mut()
                .filter(|(_, tensor)| tensor.dtype().is_float())
            {
                let var = Var::from_tensor(tensor).map_err(|error| candle_text(&error))?;
                *tensor = var.as_tensor().clone();
            }
            let total = weighted(&run(&slot, &inputs)?)?;
            Ok(total.map_or(Ok(vec![0.0]), |total| numbers(&total))?[0])
        };
        let slope = (value(step)? - value(-step)?) / (2.0 * step);
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let length: f64 = gradient.iter().map(|g| g.abs() * 0.25).sum();
        let near = (slope - expected).abs() <= bound * (length + slope.abs()) + bound * 1e-2;
        if near {
            return Ok(None);
        }
        last = format!(
            "the gradient of {} is {expected:.6e} in a direction in which differences say {slope:.6e}; where that is meant, say why: \
             Sample::other_gradient",
            of.name
        );
    }
    Ok(Some(last))
}
