//! Memory of a slot beside its component.

use serde_json::Value;

/// State that a slot of a kind keeps across swaps: whether a loss ever had a gradient, for instance.
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
