//! The record that a checkpoint keeps of a component.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Record of a slot beside its variables.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) config: Value,
    /// The component's own, `Component::state`.
    pub(crate) state: Map<String, Value>,
    /// The slot's own.
    pub(crate) memory: Value,
    /// Those of the components inside, by their names.
    pub(crate) parts: BTreeMap<String, Record>,
    pub(crate) note: Option<Value>,
    /// The component's own tensors, which stand beside the record in a file.
    #[serde(skip)]
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Record {
    /// Moves the tensors of all components to where a file has them.
    pub(crate) fn take_tensors(&mut self, path: &str, tensors: &mut BTreeMap<String, Tensor>) {
        let own = std::mem::take(&mut self.tensors).into_iter();
        tensors.extend(own.map(|(name, tensor)| (format!("{path}{name}"), tensor)));
        for (name, part) in &mut self.parts {
            part.take_tensors(&format!("{path}{name}/"), tensors);
        }
    }

    /// The reverse of [`Record::take_tensors`].
    pub(crate) fn give_tensors(&mut self, path: &str, tensors: &mut BTreeMap<String, Tensor>) {
        for (name, part) in &mut self.parts {
            part.give_tensors(&format!("{path}{name}/"), tensors);
        }
        self.tensors = below(path, tensors);
    }
}

/// Takes out the tensors whose names begin so, and takes the beginning off.
pub(crate) fn below(
    prefix: &str,
    tensors: &mut BTreeMap<String, Tensor>,
) -> BTreeMap<String, Tensor> {
    tensors
        .extract_if(prefix.to_owned().., |name, _| name.starts_with(prefix))
        .map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor))
        .collect()
}
