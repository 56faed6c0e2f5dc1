//! The broadcast socket.
//!
//! Each subscriber has a queue of its own, so one that does not read holds up nobody. Cells wait for subscribers that read
//! ([`Outbox::room`]); one that has stopped reading is not waited for: beyond what is kept for it, it loses outputs, and
//! is told so where it reads on. Statuses, errors and the opening and closing of comms are never left out.

use parking_lot::{Mutex, MutexGuard};
use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use patchbay_protocol::readable_bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::sockets::answer_ping;
use crate::wire::{
    Message, Signer,
    zmtp::{Full, Incoming, Limits, Listener, Peer, Queue, SocketType},
};
use patchbay_contract::log;

/// The bytes that wait for a subscriber before cells wait for it.
const HIGH: usize = 32 << 20;

/// The bytes of outputs that are kept for a subscriber that does not read, where it is the only one.
const MOST_WAITING: usize = 256 << 20;

/// The same for all of those together.
const MOST_WAITING_IN_ALL: usize = 768 << 20;

/// A subscriber reads if it takes this much within [`PATIENCE`].
const LEAST_TAKEN: usize = 1 << 20;

const PATIENCE: Duration = Duration::from_secs(3);

/// The largest subscription, and how many there may be.
const LARGEST_SUBSCRIPTION: usize = 64 << 10;
const MOST_SUBSCRIPTIONS: usize = 256;

/// What may be left out: outputs.
const OUTPUTS: [&str; 6] = [
    "stream",
    "display_data",
    "update_display_data",
    "execute_result",
    "clear_output",
    "comm_msg",
];

/// Where broadcasts are handed in.
pub struct Outbox {
    signer: Signer,
    session_id: String,
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    /// Told whenever a subscriber has taken something or has gone.
    progress: Arc<Notify>,
    bounds: Bounds,
}

#[derive(Clone, Copy)]
struct Bounds {
    high: usize,
    most: usize,
    patience: Duration,
}

struct Subscriber {
    number: u64,
    queue: Queue,
    state: Mutex<State>,
    /// Told where so much waits that the connection is given up.
    given_up: Notify,
}

#[derive(Default)]
struct State {
    topics: Vec<Bytes>,
    /// Whether it has stopped reading, though much waits.
    is_stalled: bool,
    left_out: LeftOut,
}

/// What a subscriber has not got since it was told last.
#[derive(Default)]
struct LeftOut {
    count: usize,
    bytes: usize,
    /// The header of the request whose output it was.
    parent: Value,
}

impl Outbox {
    pub fn new(signer: Signer, session_id: String) -> Outbox {
        Outbox {
            signer,
            session_id,
            subscribers: Mutex::default(),
            progress: Arc::default(),
            bounds: Bounds {
                high: HIGH,
                most: MOST_WAITING,
                patience: PATIENCE,
            },
        }
    }

    /// Broadcasts a message.
    pub fn send(&self, message: Message) {
        let subscribers = self.lock();
        if subscribers.is_empty() {
            return;
        }
        let Some(frames) = self.encode(&message) else {
            return;
        };
        let topic = message.identities.first().map_or(&b""[..], |topic| topic);
        let stalled = subscribers
            .iter()
            .filter(|subscriber| subscriber.state().is_stalled)
            .count();
        for subscriber in subscribers.iter() {
            if subscriber.wants(topic) {
                subscriber.offer(&message, &frames, self, stalled.max(1));
            }
        }
    }

    /// Waits until no subscriber that reads has much to read.
    pub async fn room(&self) {
        loop {
            let progress = self.progress.notified();
            let is_full = self
                .lock()
                .iter()
                .any(|subscriber| subscriber.holds_up(&self.bounds));
            if !is_full {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), progress).await;
        }
    }

    /// Whether nothing waits to be sent.
    pub fn is_settled(&self) -> bool {
        self.lock()
            .iter()
            .all(|subscriber| subscriber.queue.bytes() == 0)
    }

    fn encode(&self, message: &Message) -> Option<Arc<Vec<Bytes>>> {
        match message.encode(&self.signer) {
            Ok(frames) => Some(Arc::new(frames)),
            Err(error) => {
                log(format_args!(
                    "a {} could not be written: {error}",
                    message.header.msg_type
                ));
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Subscriber>>> {
        self.subscribers.lock()
    }
}

impl Subscriber {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn wants(&self, topic: &[u8]) -> bool {
        let state = self.state();
        state.topics.iter().any(|known| topic.starts_with(known))
    }

    /// Whether cells wait for it: much waits, and it reads.
    fn holds_up(&self, bounds: &Bounds) -> bool {
        self.queue.bytes() > bounds.high && !self.is_stalled(bounds)
    }

    fn is_stalled(&self, bounds: &Bounds) -> bool {
        let mut state = self.state();
        if self.queue.bytes() <= bounds.high {
            state.is_stalled = false;
            self.queue.watch();
        } else if let Some(stalled) = self.queue.is_stalled(LEAST_TAKEN, bounds.patience) {
            state.is_stalled = stalled;
        }
        state.is_stalled
    }

    /// Puts a message into its queue, unless it must be left out.
    fn offer(&self, message: &Message, frames: &Arc<Vec<Bytes>>, outbox: &Outbox, stalled: usize) {
        let bounds = &outbox.bounds;
        let waiting = self.queue.bytes();
        let kept = bounds.most.min(MOST_WAITING_IN_ALL / stalled);
        let is_full =
            self.is_stalled(bounds) && waiting > kept || waiting > bounds.most.saturating_mul(2);
        let mut state = self.state();
        if is_full && OUTPUTS.contains(&message.header.msg_type.as_str()) {
            if state.left_out.count == 0 {
                log(format_args!(
                    "a client does not read what is published: {} wait for it, and it does not get outputs until it \
                     reads; others do",
                    readable_bytes(waiting)
                ));
            }
            state.left_out.count += 1;
            state.left_out.bytes += frames.iter().map(Bytes::len).sum::<usize>();
            state.left_out.parent = message.parent.clone();
            return;
        }
        if waiting > bounds.most.saturating_mul(3) {
            log("ended the connection of a client that does not read what is published");
            self.given_up.notify_one();
            return;
        }
        let left_out = std::mem::take(&mut state.left_out);
        drop(state);
        if left_out.count > 0
            && let Some(notice) = outbox.encode(&notice(left_out, &outbox.session_id))
        {
            self.queue.push(notice);
        }
        self.queue.push(frames.clone());
    }

    /// Takes a subscription, or its end. Returns the topic of a new one.
    fn subscribe(&self, incoming: &Incoming) -> Option<Bytes> {
        let (subscribes, topic) = subscription(incoming)?;
        let mut state = self.state();
        if subscribes && state.topics.len() < MOST_SUBSCRIPTIONS {
            state.topics.push(topic.clone());
            return Some(topic);
        }
        if !subscribes && let Some(at) = state.topics.iter().position(|known| *known == topic) {
            state.topics.swap_remove(at);
        }
        None
    }
}

/// Whether something is a subscription (true) or its end, and its topic: a message (ZMTP 3.0) or a command (3.1).
fn subscription(incoming: &Incoming) -> Option<(bool, Bytes)> {
    match incoming {
        Incoming::Message(frames) => match frames.first().map(|frame| &frame[..]) {
            Some([1, topic @ ..]) => Some((true, frames[0].slice_ref(topic))),
            Some([0, topic @ ..]) => Some((false, frames[0].slice_ref(topic))),
            _ => None,
        },
        Incoming::Command(command) => {
            let topic = |name: &[u8]| {
                let topic = command.strip_prefix(name)?;
                Some(command.slice_ref(topic))
            };
            topic(b"\x09SUBSCRIBE")
                .map(|topic| (true, topic))
                .or_else(|| topic(b"\x06CANCEL").map(|topic| (false, topic)))
        }
    }
}

/// Tells a subscriber what it has not got.
fn notice(left_out: LeftOut, session_id: &str) -> Message {
    let text = format!(
        "patchbay: {} outputs ({}) were left out for this client, because it did not read what was published; other \
         clients have got them\n",
        left_out.count,
        readable_bytes(left_out.bytes)
    );
    let content = json!({ "name": "stderr", "text": text });
    let mut message = Message::new("stream", session_id, None, content);
    message.parent = left_out.parent;
    message.identities = vec![Bytes::from(format!("kernel.{session_id}.stream"))];
    message
}

/// The greeting of a new subscriber (JEP 65).
fn welcome(topic: &Bytes, session_id: &str) -> Message {
    let subscription = String::from_utf8_lossy(topic).into_owned();
    let content = json!({ "subscription": subscription });
    let mut message = Message::new("iopub_welcome", session_id, None, content);
    message.identities = vec![topic.clone()];
    message
}

/// Serves the bound socket.
pub async fn serve(listener: Listener, outbox: Arc<Outbox>) {
    let limits = Limits::new(LARGEST_SUBSCRIPTION);
    let attend = move |peer| attend(peer, outbox.clone());
    listener
        .serve("iopub", SocketType::XPub, limits, Full::Refuse, attend)
        .await;
}

/// Removes a subscriber whose connection has ended, however it did.
struct Departure {
    number: u64,
    outbox: Arc<Outbox>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.outbox
            .lock()
            .retain(|subscriber| subscriber.number != self.number);
        self.outbox.progress.notify_waiters();
    }
}

async fn attend(peer: Peer, outbox: Arc<Outbox>) -> io::Result<()> {
    let Peer {
        number,
        mut reader,
        writer,
        ..
    } = peer;
    let subscriber = Arc::new(Subscriber {
        number,
        queue: Queue::new(outbox.progress.clone()),
        state: Mutex::default(),
        given_up: Notify::new(),
    });
    outbox.lock().push(subscriber.clone());
    let departure = Departure { number, outbox };
    let outbox = &departure.outbox;
    let read = async {
        loop {
            let incoming = reader.next().await?;
            if let Incoming::Command(command) = &incoming {
                answer_ping(command, &subscriber.queue);
            }
            if let Some(topic) = subscriber.subscribe(&incoming)
                && let Some(frames) = outbox.encode(&welcome(&topic, &outbox.session_id))
            {
                subscriber.queue.push(frames);
            }
        }
    };
    tokio::select! {
        result = read => result,
        result = subscriber.queue.write_to(writer) => result,
        () = subscriber.given_up.notified() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(bounds: Bounds) -> Outbox {
        Outbox {
            bounds,
            ..Outbox::new(Signer::new("key"), "session".to_owned())
        }
    }

    fn subscriber(outbox: &Outbox, topic: &'static [u8]) -> Arc<Subscriber> {
        let subscriber = Arc::new(Subscriber {
            number: 0,
            queue: Queue::new(outbox.progress.clone()),
            state: Mutex::default(),
            given_up: Notify::new(),
        });
        let frame = [&[1], topic].concat();
        subscriber.subscribe(&Incoming::Message(vec![Bytes::from(frame)]));
        outbox.lock().push(subscriber.clone());
        subscriber
    }

    fn message(msg_type: &str, size: usize) -> Message {
        let content = json!({ "text": "x".repeat(size) });
        let mut message = Message::new(msg_type, "session", None, content);
        message.identities = vec![Bytes::from(format!("kernel.1.{msg_type}"))];
        message
    }

    #[tokio::test]
    async fn who_does_not_read_loses_outputs_and_is_told_and_holds_up_nobody() {
        let outbox = outbox(Bounds {
            high: 10_000,
            most: 20_000,
            patience: Duration::ZERO,
        });
        let slow = subscriber(&outbox, b"");
        for _ in 0..20 {
            outbox.send(message("stream", 4000));
            outbox.room().await;
        }
        let kept = slow.queue.bytes();
        assert!((20_000..30_000).contains(&kept), "{kept}");
        let left_out = slow.state().left_out.count;
        assert!((10..20).contains(&left_out), "{left_out}");
        outbox.send(message("status", 10));
        assert_eq!(slow.state().left_out.count, 0);
        assert!(slow.queue.bytes() > kept + 500, "the notice and the status");
    }

    #[tokio::test]
    async fn topics_are_beginnings_and_can_be_cancelled() {
        let outbox = outbox(Bounds {
            high: 10_000,
            most: 20_000,
            patience: PATIENCE,
        });
        let streams = subscriber(&outbox, b"kernel.1.st");
        outbox.send(message("display_data", 10));
        assert_eq!(streams.queue.bytes(), 0);
        outbox.send(message("status", 10));
        let before = streams.queue.bytes();
        assert!(before > 0);
        let cancel = Incoming::Command(Bytes::from_static(b"\x06CANCELkernel.1.st"));
        assert!(streams.subscribe(&cancel).is_none());
        outbox.send(message("status", 10));
        assert_eq!(streams.queue.bytes(), before);
        let again = Incoming::Command(Bytes::from_static(b"\x09SUBSCRIBEx"));
        assert_eq!(streams.subscribe(&again).unwrap(), "x");
    }
}
