//! Methods that every component has beside those of its kind.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, bail};
use serde_json::{Map, Value};

/// Methods that every component has beside those of its kind.
///
/// Methods take `&self` because a loop may call a component while another thread swaps it; a
/// component that changes in use keeps what changes in a `Mutex` or in a [`candle_core::Var`].
pub trait Component: Send + Sync + 'static {
    /// State that is no tensor, for the component's successor in the slot: counters, histories.
    /// Tensors made through the [`Context`](crate::Context) are carried without this.
    fn state(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Takes over what makes sense here of a predecessor's state, and says which keys it took.
    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let _ = state;
        Vec::new()
    }

    /// Tensors that change in use and were not made through the [`Context`](crate::Context): averages of gradients, for
    /// instance, whose shapes are known with the first step. Checkpoints keep them; a swap does not carry them.
    fn tensors(&self) -> BTreeMap<String, Tensor> {
        BTreeMap::new()
    }

    /// Takes back what [`Component::tensors`] has returned, after [`Component::restore`].
    ///
    /// # Errors
    ///
    /// Fails where they are those of something else.
    fn restore_tensors(&self, tensors: BTreeMap<String, Tensor>) -> Result<()> {
        match tensors.first_key_value() {
            Some((name, _)) => bail!("there is no tensor {name} to be put back"),
            None => Ok(()),
        }
    }

    /// Called by training loops when an epoch begins, counted from 0: for schedules.
    fn begin_epoch(&self, epoch: usize) {
        let _ = epoch;
    }
}
