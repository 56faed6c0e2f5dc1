//! The broadcast socket.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use zeromq::{SocketRecv, SocketSend, XPubSocket};

use super::{Kernel, log};
use crate::wire::Message;

/// Sends what is published, in order, and welcomes subscribers (JEP 65).
pub async fn serve(
    mut socket: XPubSocket,
    mut outgoing: mpsc::UnboundedReceiver<Message>,
    kernel: Arc<Kernel>,
) {
    loop {
        tokio::select! {
            // New subscribers first, so that they miss nothing that is published after.
            biased;
            subscription = socket.recv() => match subscription {
                Ok(frames) => {
                    if let Some([1, topic @ ..]) = frames.get(0).map(|frame| &frame[..]) {
                        let welcome = welcome(topic, &kernel);
                        send(&mut socket, &welcome, &kernel).await;
                    }
                }
                Err(error) => log(&format!("a subscriber has gone: {error}")),
            },
            message = outgoing.recv() => match message {
                Some(message) => send(&mut socket, &message, &kernel).await,
                None => return,
            },
        }
    }
}

fn welcome(topic: &[u8], kernel: &Kernel) -> Message {
    let subscription = String::from_utf8_lossy(topic).into_owned();
    let mut message = Message::new(
        "iopub_welcome",
        &kernel.session_id,
        None,
        json!({ "subscription": subscription }),
    );
    message.identities = vec![Bytes::copy_from_slice(topic)];
    message
}

async fn send(socket: &mut XPubSocket, message: &Message, kernel: &Kernel) {
    let frames = match message.encode(&kernel.signer) {
        Ok(frames) => frames,
        Err(error) => {
            return log(&format!(
                "a {} could not be written: {error}",
                message.header.msg_type
            ));
        }
    };
    if let Err(error) = socket.send(frames).await {
        log(&format!(
            "a {} could not be published: {error}",
            message.header.msg_type
        ));
    }
}
