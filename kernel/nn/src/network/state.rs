//! The tensors of a network by their names.
//!
//! All that is here takes parts and no network, so that it is compiled once and not for each network of a cell.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
};

use candle_core::{Result, Tensor, TensorId, Var, bail};
use patchbay_tensor::Destination;

use super::Part;

/// A tensor within a network.
struct Named {
    /// `encoder.0.weight`.
    name: String,
    tensor: Tensor,
    is_parameter: bool,
}

/// All tensors of the parts and of their parts, with their full names.
fn tensors_of(parts: Vec<Part<'_>>) -> Vec<Named> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Tensor {
                name,
                tensor,
                is_parameter,
            } => all.push(Named {
                name,
                tensor,
                is_parameter,
            }),
            Part::Network { name, network } => {
                all.extend(tensors_of(network.parts()).into_iter().map(|inner| Named {
                    name: format!("{name}.{}", inner.name),
                    ..inner
                }));
            }
        }
    }
    all
}

/// The parameters that are variables, each once.
pub(super) fn parameters(parts: Vec<Part<'_>>) -> Vec<(String, Var)> {
    variables_that(parts, |named| named.is_parameter)
}

/// All variables, buffers included, each once.
pub(crate) fn variables(parts: Vec<Part<'_>>) -> Vec<(String, Var)> {
    variables_that(parts, |_| true)
}

fn variables_that(parts: Vec<Part<'_>>, is_meant: fn(&Named) -> bool) -> Vec<(String, Var)> {
    let mut seen = HashSet::new();
    let variables = tensors_of(parts).into_iter().filter_map(|named| {
        let is_new =
            is_meant(&named) && named.tensor.is_variable() && seen.insert(named.tensor.id());
        // A variable is returned as it is.
        let var = is_new.then(|| Var::from_tensor(&named.tensor).ok())??;
        Some((named.name, var))
    });
    variables.collect()
}

/// The number of values in the parameters.
pub(super) fn count(parts: Vec<Part<'_>>) -> usize {
    let mut seen = HashSet::new();
    let tensors = tensors_of(parts).into_iter();
    tensors
        .filter(|named| named.is_parameter && seen.insert(named.tensor.id()))
        .map(|named| named.tensor.elem_count())
        .sum()
}

/// A copy of each tensor.
pub(super) fn copies(parts: Vec<Part<'_>>) -> Result<BTreeMap<String, Tensor>> {
    let tensors = tensors_of(parts).into_iter();
    tensors
        .map(|named| Ok((named.name, named.tensor.detach().copy()?)))
        .collect()
}

/// A tensor in another dtype or on another device; the same one again where it is met again.
pub(super) fn moved(
    tensor: &Tensor,
    to: &dyn Destination,
    moved: &mut HashMap<TensorId, Tensor>,
) -> Result<Tensor> {
    if let Some(tensor) = moved.get(&tensor.id()) {
        return Ok(tensor.clone());
    }
    let mut result = to.of(&tensor.detach())?;
    if tensor.dtype().is_int() {
        result = result.to_dtype(tensor.dtype())?;
    }
    let is_same = result.dtype() == tensor.dtype() && result.device().same_device(tensor.device());
    let result = if is_same {
        tensor.clone()
    } else if tensor.is_variable() {
        Var::from_tensor(&result)?.as_tensor().clone()
    } else {
        result
    };
    moved.insert(tensor.id(), result.clone());
    Ok(result)
}

/// Checks that a state has the names and shapes of the parts.
pub(crate) fn check(
    network: &str,
    parts: Vec<Part<'_>>,
    state: &BTreeMap<String, Tensor>,
) -> Result<()> {
    check_tensors(network, &tensors_of(parts), state)
}

/// Sets the variables, if all fit.
pub(super) fn load(
    network: &str,
    parts: Vec<Part<'_>>,
    state: &BTreeMap<String, Tensor>,
) -> Result<()> {
    let tensors = tensors_of(parts);
    check_tensors(network, &tensors, state)?;
    for own in tensors {
        let Some(given) = state.get(&own.name) else {
            continue;
        };
        let given = given
            .detach()
            .to_device(own.tensor.device())?
            .to_dtype(own.tensor.dtype())?;
        // A variable is taken as it is.
        Var::from_tensor(&own.tensor)?.set(&given)?;
    }
    Ok(())
}

fn check_tensors(network: &str, tensors: &[Named], state: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut wrong = String::new();
    let mut say = |text: std::fmt::Arguments<'_>| {
        // Text is written to a string, which never fails.
        let _ = writeln!(wrong, "  {text}");
    };
    for own in tensors {
        match state.get(&own.name) {
            None => say(format_args!("{} is missing", own.name)),
            Some(given) if given.dims() != own.tensor.dims() => say(format_args!(
                "{} is {:?}: must be {:?}",
                own.name,
                given.dims(),
                own.tensor.dims()
            )),
            Some(_) if !own.tensor.is_variable() => say(format_args!(
                "{} is no variable and cannot be set: make the network with nn::builder(&varmap, ..)",
                own.name
            )),
            Some(_) => {}
        }
    }
    for name in state.keys() {
        if !tensors.iter().any(|own| own.name == *name) {
            say(format_args!("{name} is none of the network's names"));
        }
    }
    if !wrong.is_empty() {
        bail!(
            "load_state_dict: the tensors do not fit into {network}:\n{wrong}  `weights::load_tensors` takes other names and parts"
        )
    }
    Ok(())
}
