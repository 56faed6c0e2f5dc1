//! A run that is saved, and goes on in another slot.

use std::path::PathBuf;

use candle_core::DType;
use patchbay_nn::Checkpoint;

use super::{
    case::{ATTEMPTS, Trial, numbers},
    gradient::weighted,
};
use crate::{Inputs, Outputs, Slot, Tried, error::candle_text};

const STEPS: usize = 6;

/// How far a step goes against the gradient.
const RATE: f64 = 0.01;

/// A run that is saved after any number of steps and goes on in a new slot gives the bits of one that was never stopped.
pub(super) fn check<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = trial.dtype();
    let inputs = trial.inputs(dtype)?;
    let name = format!(
        "patchbay-resumed-{}-{}.safetensors",
        std::process::id(),
        trial.spec.id.replace('/', "-")
    );
    let path = std::env::temp_dir().join(name);
    let mut found = Ok(());
    for _ in 0..ATTEMPTS {
        found = compare::<K>(trial, dtype, &inputs, &path);
        if found.is_ok() {
            break;
        }
    }
    // What is left over is the system's to clear.
    let _ = std::fs::remove_file(&path);
    found
}

fn compare<K: ?Sized + Tried>(
    trial: &Trial<'_>,
    dtype: DType,
    inputs: &Inputs,
    path: &PathBuf,
) -> Result<(), String> {
    let text = |error: candle_core::Error| candle_text(&error);
    let whole = trial.make::<K>(dtype)?;
    let all = steps(&whole, inputs, 0..STEPS)?;
    let last = values(&whole)?;
    for saved_after in [0, 1, STEPS / 2] {
        let first = trial.make::<K>(dtype)?;
        steps(&first, inputs, 0..saved_after)?;
        let parts: [(&str, &dyn patchbay_nn::Stateful); 1] = [("slot", &first)];
        Checkpoint::of(&parts)
            .step(saved_after)
            .save(path)
            .map_err(text)?;
        // Other first values, and another place in the generator's stream.
        let second = trial.make::<K>(dtype)?;
        patchbay_nn::seed_all(77).map_err(text)?;
        for named in second.variables() {
            let other = named.var.as_detached_tensor().zeros_like();
            other
                .and_then(|other| named.var.set(&other))
                .map_err(text)?;
        }
        let parts: [(&str, &dyn patchbay_nn::Stateful); 1] = [("slot", &second)];
        Checkpoint::of(&parts).load(path).map_err(text)?;
        let rest = steps(&second, inputs, saved_after..STEPS)?;
        if rest != all[saved_after..] {
            let step = rest
                .iter()
                .zip(&all[saved_after..])
                .position(|(a, b)| a != b);
            return Err(format!(
                "saved after {saved_after} steps and loaded into a new slot, it gives other numbers {} steps later: what changes \
                 in use is kept in tensors of the context or in `state`, and `restore` takes all of it back",
                step.unwrap_or_default() + 1
            ));
        }
        let end = values(&second)?;
        if let Some(((name, _), _)) = end.iter().zip(&last).find(|(a, b)| a != b) {
            return Err(format!(
                "saved after {saved_after} steps and loaded into a new slot, its tensor {name} ends with other values"
            ));
        }
    }
    Ok(())
}

/// The bits of the outputs of each step.
fn steps<K: ?Sized + Tried>(
    slot: &Slot<K>,
    inputs: &Inputs,
    steps: std::ops::Range<usize>,
) -> Result<Vec<Vec<u64>>, String> {
    let text = |error: candle_core::Error| candle_text(&error);
    let mut all = Vec::new();
    for step in steps {
        let mut present = inputs.clone();
        for (_, tensor) in &mut present.0 {
            if tensor.dtype().is_float() {
                *tensor = tensor.affine(1.0 - 0.02 * step as f64, 0.0).map_err(text)?;
            }
        }
        // Where the values must be what they are, the parameters alone change.
        let outputs = match K::try_out(slot, &present) {
            Ok(outputs) => outputs,
            Err(_) => K::try_out(slot, inputs).map_err(text)?,
        };
        descend(slot, &outputs)?;
        let mut bits = Vec::new();
        for (_, tensor) in &outputs {
            bits.extend(numbers(tensor)?.into_iter().map(f64::to_bits));
        }
        all.push(bits);
    }
    Ok(all)
}

/// A small step of all parameters.
fn descend<K: ?Sized + Tried>(slot: &Slot<K>, outputs: &Outputs) -> Result<(), String> {
    let text = |error: candle_core::Error| candle_text(&error);
    let gradients = match weighted(outputs)? {
        Some(total) => Some(total.backward().map_err(text)?),
        None => None,
    };
    for named in slot.variables().into_iter().filter(|named| named.trainable) {
        let told = format!("gradient of {}", named.name);
        let told = outputs.iter().find(|(name, _)| *name == told);
        let gradient = match (&gradients, told) {
            (_, Some((_, gradient))) => gradient.clone(),
            (Some(gradients), None) => match gradients.get(&named.var) {
                Some(gradient) => gradient.clone(),
                None => continue,
            },
            (None, None) => continue,
        };
        let moved = || {
            named
                .var
                .set(&(named.var.as_detached_tensor() - (gradient * RATE)?)?)
        };
        moved().map_err(text)?;
    }
    Ok(())
}

fn values<K: ?Sized + Tried>(slot: &Slot<K>) -> Result<Vec<(String, Vec<u64>)>, String> {
    let variables = slot.variables().into_iter();
    variables
        .map(|named| {
            let bits = numbers(named.var.as_tensor())?;
            Ok((named.name, bits.into_iter().map(f64::to_bits).collect()))
        })
        .collect()
}
