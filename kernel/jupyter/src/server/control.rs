//! Requests that must be served while a cell runs.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::{
    info,
    kernel::{DRAIN, Kernel},
    sockets::Channel,
};
use crate::wire::Message;
use patchbay_contract::log;

/// Serves interrupts, shutdown and questions about the kernel.
pub async fn serve(mut requests: mpsc::Receiver<Message>, channel: Channel, kernel: Arc<Kernel>) {
    while let Some(request) = requests.recv().await {
        kernel.status(&request, "busy");
        let mut stops = false;
        let content = match request.header.msg_type.as_str() {
            "kernel_info_request" => info::content(&kernel),
            "interrupt_request" => {
                kernel.control.interrupt();
                json!({ "status": "ok" })
            }
            "usage_request" => {
                // Reading all processes takes some milliseconds, in which interrupts are to be heard.
                tokio::spawn(answer_usage(request, channel.clone(), kernel.clone()));
                continue;
            }
            "create_subshell_request" => kernel.subshells.create(),
            "delete_subshell_request" => kernel.subshells.delete(&request),
            "list_subshell_request" => kernel.subshells.list(),
            "shutdown_request" => {
                stops = true;
                let restart = request.content["restart"].as_bool().unwrap_or(false);
                json!({ "status": "ok", "restart": restart })
            }
            other => {
                log(format_args!("there is no answer to a {other} on control"));
                kernel.status(&request, "idle");
                kernel.repeat_busy();
                continue;
            }
        };
        let reply = kernel.reply(&request, content);
        if stops {
            kernel.publish("shutdown_reply", Some(&request), reply.content.clone());
        }
        channel.send(&reply).await;
        kernel.status(&request, "idle");
        if stops {
            tokio::time::sleep(DRAIN).await;
            let _ = kernel.stop.send(true);
        } else {
            kernel.repeat_busy();
        }
    }
}

async fn answer_usage(request: Message, channel: Channel, kernel: Arc<Kernel>) {
    let measured = {
        let kernel = kernel.clone();
        tokio::task::spawn_blocking(move || kernel.usage.content()).await
    };
    match measured {
        Ok(mut content) => {
            let gpu = kernel.control.gpu_memory().await;
            if let Some(gpu) = gpu {
                content["gpu_memory"] =
                    json!({ "name": gpu.name, "used": gpu.used, "total": gpu.total });
            }
            channel.send(&kernel.reply(&request, content)).await;
        }
        Err(error) => log(format_args!("the usage could not be measured: {error}")),
    }
    kernel.status(&request, "idle");
    kernel.repeat_busy();
}
