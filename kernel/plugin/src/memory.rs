//! What a slot remembers beside its component.

use serde_json::Value;

/// What a slot of a kind remembers across swaps: whether a loss ever had a gradient, for instance.
pub trait Memory: Default + Send + Sync {
    /// Returns what a checkpoint keeps of it; null where nothing.
    fn record(&self) -> Value {
        Value::Null
    }

    /// Takes back what [`Memory::record`] has returned.
    fn restore(&self, record: &Value) {
        let _ = record;
    }
}

impl Memory for () {}
