//! Lists of parameters in which none may stand twice.

use std::collections::{HashMap, hash_map::Entry};

use candle_core::{Result, TensorId, Var, bail};

/// Checks that no variable is in a list twice: it would be stepped, averaged or counted twice, without a word.
///
/// # Errors
///
/// Fails with the places and the shape of the first one that is.
pub fn each_once(list: &str, vars: &[Var]) -> Result<()> {
    let mut places: HashMap<TensorId, usize> = HashMap::with_capacity(vars.len());
    for (index, var) in vars.iter().enumerate() {
        match places.entry(var.id()) {
            Entry::Vacant(place) => {
                place.insert(index);
            }
            Entry::Occupied(first) => bail!(
                "{list} have one variable twice: number {index} of {}, of shape {:?}, is number {} again (counted from 0). It \
                 would count twice: leave one of them out",
                vars.len(),
                var.dims(),
                first.get()
            ),
        }
    }
    Ok(())
}
