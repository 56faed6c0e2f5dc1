//! Requests of front ends. Cells are queued for the executor; all else is answered at once.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    comm_messages, completion, info,
    kernel::{DRAIN, Kernel},
    sockets::Channel,
};
use crate::wire::Message;
use patchbay_contract::log;
use patchbay_contract::{Completeness, Control, panics::caught_content};

/// Serves the shell socket.
pub async fn serve(
    mut requests: mpsc::Receiver<Message>,
    channel: Channel,
    queue: mpsc::UnboundedSender<Message>,
    kernel: Arc<Kernel>,
) {
    while let Some(request) = requests.recv().await {
        if let Some(error) = kernel.subshells.check(&request) {
            // Comm messages have no replies.
            if matches!(
                request.header.msg_type.as_str(),
                "comm_open" | "comm_msg" | "comm_close"
            ) {
                log(format_args!(
                    "dropped a {}: {}",
                    request.header.msg_type, error["evalue"]
                ));
                continue;
            }
            kernel.status(&request, "busy");
            channel.send(&kernel.reply(&request, error)).await;
            kernel.status(&request, "idle");
            continue;
        }
        if request.header.msg_type == "execute_request" {
            kernel
                .control
                .announce(request.content["code"].as_str().unwrap_or_default());
            if queue.send(request).is_err() {
                return;
            }
            continue;
        }
        if matches!(
            request.header.msg_type.as_str(),
            "complete_request" | "inspect_request"
        ) {
            // These may take a moment, in which cells are to be heard.
            tokio::spawn(completion::answer(request, channel.clone(), kernel.clone()));
            continue;
        }
        if request.header.msg_type == "is_complete_request" {
            // A long text takes a moment to parse.
            tokio::spawn(answer_is_complete(request, channel.clone(), kernel.clone()));
            continue;
        }
        if request.header.msg_type == "history_request" {
            // The file system may be slow.
            tokio::spawn(answer_history(request, channel.clone(), kernel.clone()));
            continue;
        }
        kernel.status(&request, "busy");
        let content = match request.header.msg_type.as_str() {
            "kernel_info_request" => Some(info::content(&kernel)),
            "comm_info_request" => Some(kernel.comms.info(&request)),
            "comm_open" | "comm_msg" | "comm_close" => {
                comm_messages::deliver(&request, &kernel);
                None
            }
            "shutdown_request" => {
                let restart = request.content["restart"].as_bool().unwrap_or(false);
                let reply = kernel.reply(&request, json!({ "status": "ok", "restart": restart }));
                kernel.publish("shutdown_reply", Some(&request), reply.content.clone());
                channel.send(&reply).await;
                kernel.status(&request, "idle");
                tokio::time::sleep(DRAIN).await;
                let _ = kernel.stop.send(true);
                return;
            }
            "interrupt_request" => {
                kernel.control.interrupt();
                Some(json!({ "status": "ok" }))
            }
            other => {
                log(format_args!("there is no answer to a {other} on shell"));
                None
            }
        };
        if let Some(content) = content {
            channel.send(&kernel.reply(&request, content)).await;
        }
        kernel.status(&request, "idle");
        kernel.repeat_busy();
    }
}

async fn answer_history(request: Message, channel: Channel, kernel: Arc<Kernel>) {
    kernel.status(&request, "busy");
    let content = caught_content(kernel.history.answer(request.content.clone())).await;
    channel.send(&kernel.reply(&request, content)).await;
    kernel.status(&request, "idle");
    kernel.repeat_busy();
}

async fn answer_is_complete(mut request: Message, channel: Channel, kernel: Arc<Kernel>) {
    kernel.status(&request, "busy");
    // A text may be large; it is gone before the answer is there.
    let code = request.content["code"].take();
    let content =
        caught_content(async { is_complete(&*kernel.control, code.as_str().unwrap_or_default()) })
            .await;
    drop(code);
    channel.send(&kernel.reply(&request, content)).await;
    kernel.status(&request, "idle");
    kernel.repeat_busy();
}

fn is_complete(control: &dyn Control, code: &str) -> Value {
    match control.completeness(code) {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid => json!({ "status": "invalid" }),
    }
}
