//! The broadcast socket.
//!
//! The socket writes to its subscribers in turn, so one that is connected and does not read holds up the others. What waits
//! meanwhile is bounded: beyond that, outputs are left out, and the cell runs on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeromq::{SocketRecv, SocketSend, XPubSocket};

use super::{Kernel, log};
use crate::wire::Message;

/// How many bytes of outputs wait at most for subscribers that read slowly.
const MOST_WAITING: usize = 256 << 20;

/// What may be left out: outputs. Statuses, errors and the opening and closing of comms always wait.
const OUTPUTS: [&str; 4] = ["stream", "display_data", "update_display_data", "comm_msg"];

/// Where broadcasts are handed in.
pub struct Outbox {
    sender: mpsc::UnboundedSender<Message>,
    /// The bytes that wait, about.
    waiting: Arc<AtomicUsize>,
    most: usize,
    /// Whether outputs are being left out.
    is_full: AtomicBool,
}

/// The other end of an [`Outbox`].
pub struct Outgoing {
    messages: mpsc::UnboundedReceiver<Message>,
    waiting: Arc<AtomicUsize>,
}

/// An empty box.
pub fn outbox() -> (Outbox, Outgoing) {
    let (sender, messages) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        sender,
        waiting: waiting.clone(),
        most: MOST_WAITING,
        is_full: AtomicBool::new(false),
    };
    (outbox, Outgoing { messages, waiting })
}

impl Outbox {
    /// Hands in a message.
    pub fn send(&self, message: Message) {
        let is_full = self.waiting.load(Ordering::Relaxed) > self.most;
        if is_full != self.is_full.swap(is_full, Ordering::Relaxed) && is_full {
            log(&format!(
                "a client is connected and does not read what is published: {} MB wait for it, and outputs are left out \
                 until it reads or disconnects",
                self.most >> 20
            ));
        }
        if is_full && OUTPUTS.contains(&message.header.msg_type.as_str()) {
            return;
        }
        self.waiting.fetch_add(size(&message), Ordering::Relaxed);
        let _ = self.sender.send(message);
    }
}

impl Outgoing {
    async fn next(&mut self) -> Option<Message> {
        let message = self.messages.recv().await?;
        self.waiting.fetch_sub(size(&message), Ordering::Relaxed);
        Some(message)
    }
}

/// About how many bytes a message takes.
fn size(message: &Message) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of).sum(),
            Value::Object(entries) => entries
                .iter()
                .map(|(key, value)| key.len() + of(value))
                .sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        }
    }
    let buffers: usize = message.buffers.iter().map(Bytes::len).sum();
    1024 + of(&message.content) + buffers
}

/// Sends what is published, in order, and welcomes subscribers (JEP 65).
pub async fn serve(mut socket: XPubSocket, mut outgoing: Outgoing, kernel: Arc<Kernel>) {
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
            message = outgoing.next() => match message {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outputs_are_left_out_where_nobody_reads_and_statuses_are_not() {
        let (mut outbox, mut outgoing) = outbox();
        outbox.most = 10_000;
        let send = |msg_type: &str| {
            outbox.send(Message::new(
                msg_type,
                "session",
                None,
                json!({ "text": "x".repeat(4000) }),
            ));
        };
        for _ in 0..10 {
            send("stream");
        }
        send("status");
        let mut arrived = Vec::new();
        while let Ok(message) = outgoing.messages.try_recv() {
            outgoing
                .waiting
                .fetch_sub(size(&message), Ordering::Relaxed);
            arrived.push(message.header.msg_type);
        }
        assert_eq!(arrived, ["stream", "stream", "status"]);
        // Once somebody reads, all outputs are passed on again.
        send("stream");
        assert_eq!(outgoing.next().await.unwrap().header.msg_type, "stream");
        assert_eq!(outgoing.waiting.load(Ordering::Relaxed), 0);
    }
}
