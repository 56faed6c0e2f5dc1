//! The state that all tasks of the server share.

use parking_lot::{Mutex, MutexGuard};
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use patchbay_contract::Control;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    about::About, comms::Comms, history::HistoryThread, iopub::Outbox, subshells::Subshells,
    usage::Usage, waiting::LateOutputs,
};
use crate::wire::Message;

/// How long the last messages may take to leave before the process ends.
pub const DRAIN: Duration = Duration::from_millis(100);

/// What all tasks of the server share.
pub struct Kernel {
    /// The kernel's own session id, in the headers of all that it sends.
    pub session_id: String,
    pub iopub: Arc<Outbox>,
    pub control: Arc<dyn Control>,
    pub about: About,
    /// The request of the running cell, for the busy status and for late outputs.
    pub running: Mutex<Option<Message>>,
    pub comms: Comms,
    /// Outputs of cells that have ended.
    pub late: LateOutputs,
    pub history: HistoryThread,
    pub subshells: Subshells,
    pub usage: Usage,
    pub stop: watch::Sender<bool>,
}

impl Kernel {
    /// Broadcasts a message.
    pub fn publish(&self, msg_type: &str, parent: Option<&Message>, content: Value) {
        let mut message = Message::new(msg_type, &self.session_id, parent, content);
        message.identities = vec![Bytes::from(format!(
            "kernel.{}.{msg_type}",
            self.session_id
        ))];
        self.iopub.send(message);
    }

    pub fn status(&self, parent: &Message, state: &str) {
        self.publish("status", Some(parent), json!({ "execution_state": state }));
    }

    pub fn reply(&self, request: &Message, content: Value) -> Message {
        let msg_type = request.header.msg_type.replace("_request", "_reply");
        Message::new(&msg_type, &self.session_id, Some(request), content)
    }

    pub fn running(&self) -> MutexGuard<'_, Option<Message>> {
        self.running.lock()
    }

    /// Says again that the running cell is busy, after another request has ended with `idle`: front
    /// ends show the last status they have seen.
    pub fn repeat_busy(&self) {
        // Under the lock: the cell's `idle` must not come before it.
        if let Some(request) = &*self.running() {
            self.status(request, "busy");
        }
    }
}
