//! Requests of front ends. Cells are queued for the executor; all else is answered at once.

use std::sync::{Arc, PoisonError};

use patchbay_protocol::CommMessage;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use zeromq::RouterRecvHalf;

use super::{Channel, DRAIN, Kernel, completion, info, log, receive};
use crate::{
    notebook::Control,
    session::{Completeness, Session},
    wire::Message,
};

/// Serves the shell socket.
pub async fn serve(
    mut socket: RouterRecvHalf,
    channel: Channel,
    queue: mpsc::UnboundedSender<Message>,
    kernel: Arc<Kernel>,
) {
    loop {
        let request = receive(&mut socket, &kernel, "shell").await;
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
        kernel.status(&request, "busy");
        let content = match request.header.msg_type.as_str() {
            "kernel_info_request" => Some(info::content(&kernel)),
            "is_complete_request" => Some(is_complete(&request)),
            "history_request" => Some(history(&request, &kernel)),
            "comm_info_request" => Some(comm_info(&request, &kernel)),
            "comm_open" | "comm_msg" | "comm_close" => {
                route_comm(&request, &kernel);
                None
            }
            "shutdown_request" => {
                let restart = request.content["restart"].as_bool().unwrap_or(false);
                let reply = kernel.reply(&request, json!({ "status": "ok", "restart": restart }));
                kernel.publish("shutdown_reply", Some(&request), reply.content.clone());
                channel.send(&reply, &kernel).await;
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
                log(&format!("there is no answer to a {other} on shell"));
                None
            }
        };
        if let Some(content) = content {
            channel
                .send(&kernel.reply(&request, content), &kernel)
                .await;
        }
        kernel.status(&request, "idle");
        kernel.repeat_busy();
    }
}

fn is_complete(request: &Message) -> Value {
    match Session::completeness(request.content["code"].as_str().unwrap_or_default()) {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid => json!({ "status": "invalid" }),
    }
}

/// The cells of this session: `tail`, `range` and `search` with `*` and `?`.
fn history(request: &Message, kernel: &Kernel) -> Value {
    let content = &request.content;
    let all = kernel
        .history
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let count = content["n"].as_u64().and_then(|n| usize::try_from(n).ok());
    let mut entries: Vec<(u32, String)> = match content["hist_access_type"].as_str() {
        Some("range") => {
            let start = content["start"].as_u64().unwrap_or(0);
            let stop = content["stop"].as_u64().unwrap_or(u64::MAX);
            all.into_iter()
                .filter(|(number, _)| (start..stop).contains(&u64::from(*number)))
                .collect()
        }
        Some("search") => {
            let pattern: Vec<char> = content["pattern"].as_str().unwrap_or("*").chars().collect();
            let mut found: Vec<_> = all
                .into_iter()
                .filter(|(_, code)| matches_glob(&pattern, &code.chars().collect::<Vec<_>>()))
                .collect();
            if content["unique"].as_bool().unwrap_or(false) {
                let mut seen = std::collections::BTreeSet::new();
                found.reverse();
                found.retain(|(_, code)| seen.insert(code.clone()));
                found.reverse();
            }
            found
        }
        _ => all,
    };
    if content["hist_access_type"].as_str() != Some("range")
        && let Some(count) = count
    {
        entries.drain(..entries.len().saturating_sub(count));
    }
    let with_output = content["output"].as_bool().unwrap_or(false);
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(number, code)| {
            let text = if with_output {
                json!([code, null])
            } else {
                json!(code)
            };
            json!([0, number, text])
        })
        .collect();
    json!({ "status": "ok", "history": entries })
}

fn matches_glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches_glob(&pattern[1..], text)
                || !text.is_empty() && matches_glob(pattern, &text[1..])
        }
        (Some('?'), Some(_)) => matches_glob(&pattern[1..], &text[1..]),
        (Some(one), Some(other)) if one == other => matches_glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn comm_info(request: &Message, kernel: &Kernel) -> Value {
    let target = request.content["target_name"].as_str();
    let comms = kernel.comms.lock().unwrap_or_else(PoisonError::into_inner);
    let found: Map<String, Value> = comms
        .iter()
        .filter(|(_, name)| target.is_none_or(|target| target == name.as_str()))
        .map(|(id, name)| (id.clone(), json!({ "target_name": name })))
        .collect();
    json!({ "status": "ok", "comms": found })
}

fn route_comm(request: &Message, kernel: &Kernel) {
    use base64::Engine;
    let content = &request.content;
    let Some(comm_id) = content["comm_id"].as_str() else {
        return log("dropped a comm message without a comm_id");
    };
    let mut comms = kernel.comms.lock().unwrap_or_else(PoisonError::into_inner);
    match request.header.msg_type.as_str() {
        "comm_open" => {
            let target = content["target_name"].as_str().unwrap_or_default();
            comms.insert(comm_id.to_owned(), target.to_owned());
        }
        "comm_close" => {
            comms.remove(comm_id);
        }
        _ => {}
    }
    drop(comms);
    kernel.control.comm(CommMessage {
        kind: request.header.msg_type.clone(),
        comm_id: comm_id.to_owned(),
        target_name: content["target_name"].as_str().map(str::to_owned),
        data: content["data"].clone(),
        metadata: request.metadata.clone(),
        buffers: request
            .buffers
            .iter()
            .map(|buffer| base64::engine::general_purpose::STANDARD.encode(buffer))
            .collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_a_shell() {
        let matches = |pattern: &str, text: &str| {
            matches_glob(
                &pattern.chars().collect::<Vec<_>>(),
                &text.chars().collect::<Vec<_>>(),
            )
        };
        assert!(matches("*", "") && matches("1?2*", "1+2 + 3") && matches("*x*", "let x = 1;"));
        assert!(!matches("1?2*", "12") && !matches("", "x"));
    }
}
