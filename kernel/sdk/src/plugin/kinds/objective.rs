//! Training objectives: a whole step's losses from a batch, with the networks inside.

use std::collections::BTreeMap;

use candle_core::{Tensor, bail};

use super::{Component, Kind, slot_is_component};
use crate::{Result, plugin::Slot};

/// A batch: tensors by name (`image`, `text`, `text_mask`), the first axis being the batch's.
pub type Batch = BTreeMap<String, Tensor>;

/// A training objective, ALBEF's pre-training for instance. It makes its networks, momentum copies
/// and queues through its `Context`, so that they are carried when it is swapped.
pub trait Objective: Component {
    /// The losses of a batch, scalars `[]` by name, always in the same order, for a balancer or a
    /// weighted sum. `progress` runs from 0 to 1 over the whole training.
    ///
    /// # Errors
    ///
    /// Fails where the batch lacks a tensor or a shape does not fit, naming it.
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>>;

    /// To be called after each step of the optimiser: momentum copies and queues move on.
    ///
    /// # Errors
    ///
    /// Fails where a tensor cannot be written.
    fn after_step(&self) -> Result<()> {
        Ok(())
    }

    /// Features of a batch for evaluation, by name (`image`, `text`), each `[batch, width]`.
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`].
    fn features(&self, batch: &Batch) -> Result<Batch> {
        let _ = batch;
        Ok(Batch::new())
    }
}

impl Kind for dyn Objective {
    const NAME: &'static str = "objective";

    fn as_component(&self) -> &dyn Component {
        self
    }
}

slot_is_component!(dyn Objective);

impl Objective for Slot<dyn Objective> {
    /// As the component's own, and checked: the losses are scalars.
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>> {
        self.call(|objective| {
            let losses = objective.losses(batch, progress)?;
            if let Some((name, loss)) = losses.iter().find(|(_, loss)| loss.rank() != 0) {
                bail!(
                    "the loss {name} must be a scalar []; it has shape {:?}",
                    loss.dims()
                );
            }
            Ok(losses)
        })
    }

    fn after_step(&self) -> Result<()> {
        self.call(|objective| objective.after_step())
    }

    fn features(&self, batch: &Batch) -> Result<Batch> {
        self.call(|objective| objective.features(batch))
    }
}
