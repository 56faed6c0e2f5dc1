//! What every component has beside the methods of its kind.

use serde_json::{Map, Value};

/// What every component has beside the methods of its kind.
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

    /// Called by training loops when an epoch begins, counted from 0: for schedules.
    fn begin_epoch(&self, epoch: usize) {
        let _ = epoch;
    }
}
