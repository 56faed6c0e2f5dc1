//! The sockets on which requests come, and the heartbeat.

use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::wire::{
    Message, Signer,
    zmtp::{Full, Incoming, Limits, Listener, Peer, Queue, SocketType},
};
use patchbay_contract::log;

/// How many requests may have come and not been looked at.
const MOST_REQUESTS: usize = 64;

/// The bytes of replies that may wait for a client that does not read them.
const MOST_WAITING: usize = 256 << 20;

/// The largest heartbeat, and how much of it may wait.
const LARGEST_HEARTBEAT: usize = 1 << 20;

/// A socket on which clients ask: the way back to them, shared by tasks.
#[derive(Clone)]
pub struct Channel(Arc<Clients>);

struct Clients {
    name: &'static str,
    signer: Signer,
    connected: Mutex<HashMap<u64, Client>>,
}

struct Client {
    identity: Bytes,
    queue: Arc<Queue>,
}

impl Channel {
    /// Serves a bound socket. Requests with a valid signature come out of the receiver.
    pub fn open(
        listener: Listener,
        name: &'static str,
        limits: Limits,
        signer: Signer,
    ) -> (Channel, mpsc::Receiver<Message>) {
        let (sender, requests) = mpsc::channel(MOST_REQUESTS);
        let clients = Arc::new(Clients {
            name,
            signer: signer.clone(),
            connected: Mutex::default(),
        });
        let channel = Channel(clients.clone());
        let refused = Arc::new(AtomicU64::new(0));
        tokio::spawn(listener.serve(
            name,
            SocketType::Router,
            limits,
            Full::ReplaceStranger,
            move |peer| {
                attend(
                    peer,
                    clients.clone(),
                    signer.clone(),
                    sender.clone(),
                    refused.clone(),
                )
            },
        ));
        (channel, requests)
    }

    /// Sends a message to the client that has asked, or, where its connection has gone, to those of its identity. A client
    /// that has gone away is logged.
    pub async fn send(&self, message: &Message) {
        let kind = &message.header.msg_type;
        let mut frames = match message.encode(&self.0.signer) {
            Ok(frames) => frames,
            Err(error) => return log(format_args!("a {kind} could not be written: {error}")),
        };
        if message.identities.is_empty() {
            return log(format_args!("a {kind} is for nobody"));
        }
        let identity = frames.remove(0);
        let frames = Arc::new(frames);
        let connected = self.0.lock();
        let asker = message
            .connection
            .and_then(|number| connected.get(&number))
            .into_iter();
        let namesakes = connected
            .values()
            .filter(|client| client.identity == identity);
        let targets: Vec<&Client> = match asker.len() {
            0 => namesakes.collect(),
            _ => asker.collect(),
        };
        if targets.is_empty() {
            log(format_args!(
                "a {kind} did not reach its client, which has gone from {}",
                self.0.name
            ));
        }
        for client in targets {
            if client.queue.bytes() > MOST_WAITING {
                log(format_args!(
                    "a {kind} was left out: {} MB wait for a client that does not read {}",
                    MOST_WAITING >> 20,
                    self.0.name
                ));
            } else {
                client.queue.push(frames.clone());
            }
        }
    }

    /// Whether nothing waits to be sent.
    pub fn is_settled(&self) -> bool {
        let connected = self.0.lock();
        connected.values().all(|client| client.queue.bytes() == 0)
    }
}

impl Clients {
    /// A poisoned lock guards a map here, which is valid at every step.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Client>> {
        self.connected.lock()
    }
}

/// Removes a client whose connection has ended, however it did.
struct Departure {
    number: u64,
    clients: Arc<Clients>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.clients.lock().remove(&self.number);
    }
}

/// Attends to one client's connection.
async fn attend(
    peer: Peer,
    clients: Arc<Clients>,
    signer: Signer,
    requests: mpsc::Sender<Message>,
    refused: Arc<AtomicU64>,
) -> io::Result<()> {
    let Peer {
        number,
        identity,
        mut reader,
        writer,
        trusted,
    } = peer;
    // ZeroMQ's own identities begin with a zero, too: no client may choose such a one.
    let identity = match &identity[..] {
        [] => Bytes::from([&[0][..], &number.to_be_bytes()].concat()),
        _ => identity,
    };
    let queue = Arc::new(Queue::new(Arc::default()));
    let client = Client {
        identity: identity.clone(),
        queue: queue.clone(),
    };
    clients.lock().insert(number, client);
    let name = clients.name;
    let _departure = Departure { number, clients };
    let read = async {
        loop {
            let mut frames = match reader.next().await? {
                Incoming::Message(frames) => frames,
                Incoming::Command(command) => {
                    answer_ping(&command, &queue);
                    continue;
                }
            };
            frames.insert(0, identity.clone());
            match Message::decode(frames, &signer) {
                Ok(mut message) => {
                    trusted.store(true, Ordering::Relaxed);
                    message.connection = Some(number);
                    if requests.send(message).await.is_err() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    // A flood of them fills no log.
                    let count = refused.fetch_add(1, Ordering::Relaxed) + 1;
                    if count <= 16 || count.is_power_of_two() {
                        log(format_args!("dropped a message on {name}: {error}"));
                    }
                }
            }
        }
    };
    tokio::select! {
        result = read => result,
        result = queue.write_to(writer) => result,
    }
}

/// Answers a `PING` (ZMTP 3.1): two bytes of a time, then a context that comes back.
pub fn answer_ping(command: &[u8], queue: &Queue) {
    if let Some([_, _, context @ ..]) = command.strip_prefix(b"\x04PING") {
        queue.pong(&context[..context.len().min(16)]);
    }
}

/// Serves the heartbeat: what comes in goes out.
pub async fn echo(listener: Listener) {
    let limits = Limits::new(LARGEST_HEARTBEAT);
    let attend = |peer: Peer| async {
        let Peer {
            mut reader, writer, ..
        } = peer;
        let progress = Arc::new(Notify::new());
        let queue = Queue::new(progress.clone());
        let read = async {
            loop {
                match reader.next().await? {
                    Incoming::Message(frames) => queue.push(Arc::new(frames)),
                    Incoming::Command(command) => answer_ping(&command, &queue),
                }
                // Who does not read is not read from.
                while queue.bytes() > LARGEST_HEARTBEAT {
                    let _ =
                        tokio::time::timeout(Duration::from_millis(100), progress.notified()).await;
                }
            }
        };
        tokio::select! {
            result = read => result,
            result = queue.write_to(writer) => result,
        }
    };
    listener
        .serve(
            "heartbeat",
            SocketType::Rep,
            limits,
            Full::ReplaceStranger,
            attend,
        )
        .await;
}
