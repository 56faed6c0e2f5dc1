//! One optimizer step from the gradients of several batches.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var, backprop::GradStore, bail};

use super::{
    ParameterNames,
    checkpoint::{State, Stateful},
    each_once,
    kept::{Commit, Kept},
};

/// Sums gradients of parts of a batch, for batches that do not fit into memory at once.
///
/// ```no_run
/// # use patchbay::{Result, candle::{Tensor, Var}, nn::{Accumulator, AdamW, Optimizer}};
/// # fn run(vars: Vec<Var>, parts: Vec<Tensor>, loss: fn(&Tensor) -> Result<Tensor>) -> Result<()> {
/// let mut optimizer = AdamW::new_lr(vars.clone(), 1e-3)?;
/// let mut accumulator = Accumulator::new(vars, 4);
/// for part in parts {
///     if let Some(grads) = accumulator.add(&loss(&part)?)? {
///         optimizer.step(&grads)?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Accumulator {
    vars: Vec<Var>,
    every: usize,
    sums: Kept<Sums>,
}

/// The gradients since the last mean.
#[derive(Debug, Default)]
struct Sums {
    seen: usize,
    gradients: GradStore,
}

impl Accumulator {
    /// Gives the mean gradient of `every` losses at a time; the mean of a batch's parts, if these are equally large.
    pub fn new(vars: Vec<Var>, every: usize) -> Accumulator {
        Accumulator {
            vars,
            every: every.max(1),
            sums: Kept::default(),
        }
    }

    /// Adds the gradients of a loss, a scalar; returns their mean after each `every` losses.
    ///
    /// # Errors
    ///
    /// Fails where the backward pass does, and where a variable was given twice.
    pub fn add(&mut self, loss: &Tensor) -> Result<Option<GradStore>> {
        each_once("the variables whose gradients are summed", &self.vars)?;
        let mut grads = (loss / self.every as f64)?.backward()?;
        let sums = self.sums.get_mut();
        for var in &self.vars {
            let Some(grad) = grads.remove(var) else {
                continue;
            };
            let sum = match sums.gradients.remove(var) {
                Some(sum) => (sum + grad)?,
                None => grad,
            };
            sums.gradients.insert(var, sum.detach());
        }
        sums.seen += 1;
        if sums.seen < self.every {
            return Ok(None);
        }
        Ok(Some(std::mem::take(sums).gradients))
    }

    /// The variables with their names.
    fn named(&self, names: &ParameterNames) -> Result<Vec<(String, &Var)>> {
        let named = |var| match names.get(var) {
            Some(name) => Ok((name.to_owned(), var)),
            None => bail!(
                "a variable of shape {:?} whose gradients are summed is in no part of the checkpoint, so it has no name: make \
                 the network or the VarMap that has it a part, too",
                var.dims()
            ),
        };
        self.vars.iter().map(named).collect()
    }
}

/// The sums of the losses since the last step, and how many there were.
impl Stateful for Accumulator {
    fn state(&self, names: &ParameterNames) -> Result<State> {
        let sums = self.sums.get();
        let mut tensors = BTreeMap::new();
        for (name, var) in self.named(names)? {
            if let Some(sum) = sums.gradients.get(var) {
                tensors.insert(name, sum.copy()?);
            }
        }
        State::of_tensors(tensors).with_values(&(sums.seen, self.every))
    }

    fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>> {
        let (seen, every): (usize, usize) = state.values()?;
        if every != self.every {
            bail!(
                "it sums the gradients of {every} losses in the file and of {} here",
                self.every
            )
        }
        let mut tensors = state.tensors;
        let mut gradients = GradStore::default();
        for (name, var) in self.named(names)? {
            match tensors.remove(&name) {
                Some(sum) if sum.dims() == var.dims() => {
                    gradients.insert(var, sum.to_dtype(var.dtype())?.to_device(var.device())?);
                }
                Some(sum) => bail!(
                    "the sum of {name} is {:?} in the file, and the variable {:?}",
                    sum.dims(),
                    var.dims()
                ),
                None => {}
            }
        }
        if let Some(name) = tensors.keys().next() {
            bail!("{name} is in the file, and its gradients are not summed here")
        }
        Ok(Box::new(move || {
            self.sums.set(Sums { seen, gradients });
            Ok(())
        }))
    }
}
