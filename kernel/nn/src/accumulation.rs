//! One optimizer step from the gradients of several batches.

use candle_core::{Result, Tensor, Var, backprop::GradStore};

use super::each_once;

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
    seen: usize,
    sum: GradStore,
}

impl Accumulator {
    /// Gives the mean gradient of `every` losses at a time; the mean of a batch's parts, if these are equally large.
    pub fn new(vars: Vec<Var>, every: usize) -> Accumulator {
        Accumulator {
            vars,
            every: every.max(1),
            seen: 0,
            sum: GradStore::default(),
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
        for var in &self.vars {
            let Some(grad) = grads.remove(var) else {
                continue;
            };
            let sum = match self.sum.remove(var) {
                Some(sum) => (sum + grad)?,
                None => grad,
            };
            self.sum.insert(var, sum.detach());
        }
        self.seen += 1;
        if self.seen < self.every {
            return Ok(None);
        }
        self.seen = 0;
        Ok(Some(std::mem::take(&mut self.sum)))
    }
}
