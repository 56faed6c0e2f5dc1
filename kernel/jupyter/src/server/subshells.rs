//! Subshells (JEP 91): more than one line of requests to one kernel.
//!
//! Everything but cells is answered at once anyway, on whichever subshell it comes. Cells share one set of variables,
//! which one of them has at a time: those of a subshell run when no other runs, in the order in which they came. An
//! error aborts what waits on its own subshell only.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::wire::Message;

/// The subshells that there are, by id.
#[derive(Default)]
pub struct Subshells(Mutex<BTreeSet<String>>);

impl Subshells {
    fn known(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock()
    }

    pub fn create(&self) -> Value {
        let id = uuid::Uuid::new_v4().to_string();
        self.known().insert(id.clone());
        json!({ "status": "ok", "subshell_id": id })
    }

    pub fn delete(&self, request: &Message) -> Value {
        let id = request.content["subshell_id"].as_str().unwrap_or_default();
        if self.known().remove(id) {
            json!({ "status": "ok" })
        } else {
            missing(id)
        }
    }

    pub fn list(&self) -> Value {
        json!({ "status": "ok", "subshell_id": self.known().iter().collect::<Vec<_>>() })
    }

    /// An error's content where a request names a subshell that there is not.
    pub fn check(&self, request: &Message) -> Option<Value> {
        let id = of(request)?;
        (!self.known().contains(id)).then(|| missing(id))
    }
}

/// The subshell that a request is for; the main shell has none.
pub fn of(request: &Message) -> Option<&str> {
    request.header.other.get("subshell_id")?.as_str()
}

fn missing(id: &str) -> Value {
    json!({
        "status": "error", "ename": "SubshellError", "evalue": format!("there is no subshell `{id}`"), "traceback": [],
    })
}
