//! The comms that are open.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::wire::Message;

/// The comms that are open, with the names of their targets.
#[derive(Default)]
pub struct Comms(Mutex<BTreeMap<String, String>>);

impl Comms {
    pub fn open(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock()
    }

    pub fn note(&self, kind: &str, id: &str, target: &str) {
        match kind {
            "comm_open" => drop(self.open().insert(id.to_owned(), target.to_owned())),
            "comm_close" => drop(self.open().remove(id)),
            _ => {}
        }
    }

    /// The content of a `comm_info_reply`.
    pub fn info(&self, request: &Message) -> Value {
        let target = request.content["target_name"].as_str();
        let found: Map<String, Value> = self
            .open()
            .iter()
            .filter(|(_, name)| target.is_none_or(|target| target == name.as_str()))
            .map(|(id, name)| (id.clone(), json!({ "target_name": name })))
            .collect();
        json!({ "status": "ok", "comms": found })
    }
}
