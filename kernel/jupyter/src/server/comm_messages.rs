//! Messages of comms between front ends and the cells' process.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use patchbay_contract::log;
use patchbay_protocol::CommMessage;
use serde_json::json;

use super::kernel::Kernel;
use crate::wire::Message;

/// The target of widgets.
const WIDGET: &str = "jupyter.widget";

/// Hands a front end's message to the cells' process.
pub fn deliver(request: &Message, kernel: &Kernel) {
    let content = &request.content;
    let Some(comm_id) = content["comm_id"].as_str() else {
        return log("dropped a comm message without a comm_id");
    };
    let kind = &request.header.msg_type;
    let target = content["target_name"].as_str();
    kernel.comms.note(kind, comm_id, target.unwrap_or_default());
    if kind == "comm_msg" && content["data"]["method"] == "update" {
        echo(request, comm_id, kernel);
    }
    kernel.control.comm(CommMessage {
        kind: kind.clone(),
        comm_id: comm_id.to_owned(),
        target_name: target.map(str::to_owned),
        data: content["data"].clone(),
        metadata: request.metadata.clone(),
        buffers: request
            .buffers
            .iter()
            .map(|buffer| STANDARD.encode(buffer))
            .collect(),
    });
}

/// Tells all front ends of a widget's state that one of them has set (ipywidgets' protocol 2.1, `echo_update`). The one that
/// has set it knows its own request by the parent.
fn echo(request: &Message, comm_id: &str, kernel: &Kernel) {
    if kernel.comms.open().get(comm_id).map(String::as_str) != Some(WIDGET) {
        return;
    }
    let mut data = request.content["data"].clone();
    data["method"] = json!("echo_update");
    let content = json!({ "comm_id": comm_id, "data": data });
    let mut echo = Message::new("comm_msg", &kernel.session_id, Some(request), content);
    echo.identities = vec![Bytes::from(format!("comm-{comm_id}"))];
    echo.buffers = request.buffers.clone();
    kernel.iopub.send(echo);
}

/// Broadcasts a message of the cells' process, caused by `request` if by any.
pub fn publish(message: &CommMessage, request: Option<&Message>, kernel: &Kernel) {
    let target = message.target_name.as_deref();
    kernel
        .comms
        .note(&message.kind, &message.comm_id, target.unwrap_or_default());
    let mut content = json!({ "comm_id": message.comm_id, "data": message.data });
    if let Some(target) = target {
        content["target_name"] = json!(target);
    }
    let mut broadcast = Message::new(&message.kind, &kernel.session_id, request, content);
    broadcast.identities = vec![Bytes::from(format!("comm-{}", message.comm_id))];
    if message.metadata.is_object() {
        broadcast.metadata = message.metadata.clone();
    }
    broadcast.buffers = message
        .buffers
        .iter()
        .filter_map(|buffer| STANDARD.decode(buffer).ok())
        .map(Bytes::from)
        .collect();
    kernel.iopub.send(broadcast);
}

/// Closes all comms: the process that held their other ends has gone.
pub fn close_all(request: Option<&Message>, kernel: &Kernel) {
    let ids: Vec<String> = kernel.comms.open().keys().cloned().collect();
    for comm_id in ids {
        let message = CommMessage {
            kind: "comm_close".to_owned(),
            comm_id,
            target_name: None,
            data: json!({}),
            metadata: json!({}),
            buffers: Vec::new(),
        };
        publish(&message, request, kernel);
    }
}
