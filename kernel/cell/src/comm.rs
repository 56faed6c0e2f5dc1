//! Comms: messages between a cell and code in the front end, in both directions, while a cell runs and after.
//!
//! A [`Comm`] is one end of a pair (Jupyter messaging protocol 5.5, "Custom messages"). Widgets are built on it
//! (`widgets`); a front end's own extension can be reached with it, too. Handlers run one after the other on
//! a thread of their own, so they are called while a cell computes. An interrupt, with or without a cell, is for the handler that runs,
//! too: it is asked to stop like a cell, and given up where it does not within a second.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use patchbay_protocol::CommMessage;
use serde_json::{Value, json};

use crate::lock::lock;
use crate::{
    channel,
    interrupt::{self, Interrupted},
};

/// What came over a comm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The content.
    pub data: Value,
    /// What is said about the content.
    pub metadata: Value,
    /// Binary data beside the JSON.
    pub buffers: Vec<Vec<u8>>,
}

type Handler = Box<dyn FnMut(&Message) + Send>;
type TargetHandler = Box<dyn FnMut(Comm, &Message) + Send>;

/// The kernel's end of a comm. Clones are the same comm; it stays open until one of them closes it.
#[derive(Clone, Debug)]
pub struct Comm {
    id: Arc<str>,
}

#[derive(Default)]
struct Handlers {
    /// A handler is taken out while it runs.
    messages: HashMap<Arc<str>, Option<Handler>>,
    targets: HashMap<String, TargetHandler>,
}

static HANDLERS: LazyLock<Mutex<Handlers>> = LazyLock::new(Mutex::default);

impl Comm {
    /// Opens a comm to what the front end has registered under `target`.
    pub fn open(target: &str, data: Value) -> Comm {
        Comm::open_with(
            target,
            Message {
                data,
                ..Message::default()
            },
        )
    }

    /// [`Comm::open`] with metadata and buffers.
    pub fn open_with(target: &str, message: Message) -> Comm {
        let comm = Comm { id: fresh_id() };
        lock(&HANDLERS).messages.insert(comm.id.clone(), None);
        comm.post("comm_open", Some(target), message);
        comm
    }

    /// The id that both ends know the comm by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends data to the front end. Nothing happens without a front end, and once the comm is closed.
    pub fn send(&self, data: Value) {
        self.send_message(Message {
            data,
            ..Message::default()
        });
    }

    /// [`Comm::send`] with metadata and buffers.
    pub fn send_message(&self, message: Message) {
        if self.is_open() {
            self.post("comm_msg", None, message);
        }
    }

    /// Calls `handler` with what the front end sends from now on, in place of the handler before. A closed comm calls none.
    pub fn on_message(&self, handler: impl FnMut(&Message) + Send + 'static) {
        let handler: Handler = Box::new(handler);
        // The handler before is dropped without the lock: it may own what closes a comm of its own.
        let before = lock(&HANDLERS)
            .messages
            .get_mut(&self.id)
            .map(|place| place.replace(handler));
        drop(before);
    }

    /// Whether neither end has closed it.
    pub fn is_open(&self) -> bool {
        lock(&HANDLERS).messages.contains_key(&self.id)
    }

    /// Closes it at both ends.
    pub fn close(&self) {
        if lock(&HANDLERS).messages.remove(&self.id).is_some() {
            self.post("comm_close", None, Message::default());
        }
    }

    fn post(&self, kind: &str, target: Option<&str>, message: Message) {
        let metadata = match message.metadata {
            Value::Null => json!({}),
            metadata => metadata,
        };
        let data = match message.data {
            Value::Null => json!({}),
            data => data,
        };
        // Where no host is connected there is nobody to talk to.
        let _ = channel::send_comm(CommMessage {
            kind: kind.to_owned(),
            comm_id: self.id.to_string(),
            target_name: target.map(str::to_owned),
            data,
            metadata,
            buffers: message
                .buffers
                .iter()
                .map(|buffer| STANDARD.encode(buffer))
                .collect(),
        });
    }
}

/// Calls `handler` for each comm that the front end opens under this name, in place of the handler before. A comm under
/// a name that nobody has registered is closed, as the protocol asks for.
pub fn register_target(name: &str, handler: impl FnMut(Comm, &Message) + Send + 'static) {
    lock(&HANDLERS)
        .targets
        .insert(name.to_owned(), Box::new(handler));
}

/// The messages that wait, and who handles them.
struct Deliveries {
    waiting: VecDeque<CommMessage>,
    /// The thread that calls handlers, counted from 1; the ones before it were given up.
    delivering: u64,
    /// What it is doing.
    busy: Option<Busy>,
}

/// A handler that runs.
struct Busy {
    comm: Arc<str>,
    /// Its thread, as the system numbers threads.
    thread: i32,
    /// When it was asked to stop.
    asked: Option<Instant>,
}

static DELIVERIES: Mutex<Deliveries> = Mutex::new(Deliveries {
    waiting: VecDeque::new(),
    delivering: 0,
    busy: None,
});

static DELIVERED: Condvar = Condvar::new();

/// Takes a message from the front end; its handler is called on the comms' own thread.
#[doc(hidden)]
pub fn deliver(message: CommMessage) {
    let mut deliveries = deliveries();
    if deliveries.delivering == 0 && !start_thread(&mut deliveries) {
        drop(deliveries);
        eprintln!("a comm message was dropped: there is no thread to handle it");
        return;
    }
    deliveries.waiting.push_back(message);
    drop(deliveries);
    DELIVERED.notify_all();
}

/// Asks the handler that runs to stop.
#[doc(hidden)]
pub fn stop_handler() {
    if let Some(busy) = &mut deliveries().busy {
        busy.asked.get_or_insert_with(Instant::now);
        interrupt::request_handler();
    }
}

/// Gives a handler up that was asked to stop and has not within `patience`: messages are handled by another thread from here
/// on. Returns the thread that it runs on; `None` where there is no such handler.
#[doc(hidden)]
pub fn give_up_handler(patience: Duration) -> Option<i32> {
    let mut deliveries = deliveries();
    deliveries
        .busy
        .as_ref()?
        .asked
        .filter(|asked| asked.elapsed() >= patience)?;
    let given_up = deliveries.busy.take()?;
    if !start_thread(&mut deliveries) {
        deliveries.busy = Some(given_up);
        return None;
    }
    interrupt::clear_handler();
    drop(deliveries);
    DELIVERED.notify_all();
    // The handler may have locked stderr: whoever says so may wait for it for ever.
    let comm = given_up.comm;
    let _ = thread::Builder::new().spawn(move || {
        eprintln!(
            "the handler of the comm {comm} did not stop after the interrupt and was given up where it was; nobody listens \
             to this comm any more, until the cell that registers the handler runs again"
        );
    });
    Some(given_up.thread)
}

fn start_thread(deliveries: &mut Deliveries) -> bool {
    let own = deliveries.delivering + 1;
    let thread = thread::Builder::new()
        .name("patchbay-comms".to_owned())
        .spawn(move || handle_all(own));
    if thread.is_ok() {
        deliveries.delivering = own;
    }
    thread.is_ok()
}

fn handle_all(own: u64) {
    interrupt::is_of_handlers();
    let thread = number_of_this_thread();
    let mut deliveries = deliveries();
    loop {
        deliveries = DELIVERED
            .wait_while(deliveries, |deliveries| {
                deliveries.delivering == own && deliveries.waiting.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if deliveries.delivering != own {
            return;
        }
        let Some(message) = deliveries.waiting.pop_front() else {
            continue;
        };
        deliveries.busy = Some(Busy {
            comm: message.comm_id.as_str().into(),
            thread,
            asked: None,
        });
        drop(deliveries);
        handle(message);
        deliveries = self::deliveries();
        if deliveries.delivering != own {
            return;
        }
        deliveries.busy = None;
        interrupt::clear_handler();
    }
}

/// As the system numbers threads; 0 where it does not tell (proc(5)).
fn number_of_this_thread() -> i32 {
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    let number = own.file_name().and_then(|name| name.to_str()?.parse().ok());
    number.unwrap_or(0)
}

fn deliveries() -> MutexGuard<'static, Deliveries> {
    lock(&DELIVERIES)
}

fn handle(message: CommMessage) {
    let comm = Comm {
        id: message.comm_id.as_str().into(),
    };
    let content = Message {
        data: message.data,
        metadata: message.metadata,
        buffers: message
            .buffers
            .iter()
            .filter_map(|buffer| STANDARD.decode(buffer).ok())
            .collect(),
    };
    match message.kind.as_str() {
        "comm_open" => opened(
            &comm,
            message.target_name.as_deref().unwrap_or_default(),
            &content,
        ),
        "comm_close" => drop(lock(&HANDLERS).messages.remove(&comm.id)),
        _ => {
            // The handler may send, register others, or close its own comm: it runs without the lock.
            let handler = lock(&HANDLERS)
                .messages
                .get_mut(&comm.id)
                .and_then(Option::take);
            if let Some(mut handler) = handler {
                guard("handler of a comm", || handler(&content));
                if let Some(place @ None) = lock(&HANDLERS).messages.get_mut(&comm.id) {
                    *place = Some(handler);
                }
            }
        }
    }
    channel::flush_standard_streams();
}

fn opened(comm: &Comm, target: &str, content: &Message) {
    let handler = lock(&HANDLERS).targets.remove(target);
    lock(&HANDLERS).messages.insert(comm.id.clone(), None);
    match handler {
        Some(mut handler) => {
            guard("handler of a comm's target", || {
                handler(comm.clone(), content);
            });
            lock(&HANDLERS)
                .targets
                .entry(target.to_owned())
                .or_insert(handler);
        }
        None => comm.close(),
    }
}

/// A handler that panics is told of; the next message finds the others. One that stops because of an interrupt has nothing to
/// tell.
fn guard(what: &str, call: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(call))
        && !payload.is::<Interrupted>()
    {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("of unknown cause");
        eprintln!("a {what} panicked: {text}");
    }
}

/// Takes the tables' locks for a moment.
pub(crate) fn probe() {
    drop(deliveries());
    drop(lock(&HANDLERS));
}

/// An id that no other comm has, those of earlier processes included: front ends may remember them.
fn fresh_id() -> Arc<str> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static START: LazyLock<u128> = LazyLock::new(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos())
    });
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}{:08x}{number:08x}", *START, std::process::id()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, id: &str, target: Option<&str>, data: Value) -> CommMessage {
        CommMessage {
            kind: kind.to_owned(),
            comm_id: id.to_owned(),
            target_name: target.map(str::to_owned),
            data,
            metadata: json!({}),
            buffers: vec![STANDARD.encode([1, 2, 3])],
        }
    }

    #[test]
    fn messages_reach_their_handler_with_buffers_and_a_panic_ends_nothing() {
        let comm = Comm::open("test", json!({}));
        let (sender, received) = std::sync::mpsc::channel();
        comm.on_message(move |message| {
            assert_ne!(message.data, "bad");
            sender.send(message.clone()).unwrap();
        });
        handle(message("comm_msg", comm.id(), None, json!("bad")));
        handle(message("comm_msg", comm.id(), None, json!({ "value": 1 })));
        let got = received.recv().unwrap();
        assert_eq!(got.data, json!({ "value": 1 }));
        assert_eq!(got.buffers, [[1, 2, 3]]);
        handle(message("comm_close", comm.id(), None, json!({})));
        assert!(!comm.is_open());
        handle(message("comm_msg", comm.id(), None, json!(2)));
        assert!(received.try_recv().is_err());
    }

    #[test]
    fn front_ends_open_comms_of_registered_targets_only() {
        let (sender, received) = std::sync::mpsc::channel();
        register_target("known", move |comm, message| {
            sender.send((comm, message.data.clone())).unwrap();
        });
        for id in ["one", "two"] {
            handle(message("comm_open", id, Some("known"), json!(id)));
            let (comm, data) = received.recv().unwrap();
            assert_eq!((comm.id(), data), (id, json!(id)));
            assert!(comm.is_open());
        }
        handle(message("comm_open", "three", Some("unknown"), json!({})));
        assert!(!lock(&HANDLERS).messages.contains_key("three"));
    }

    #[test]
    fn ids_differ() {
        assert_ne!(fresh_id(), fresh_id());
    }
}
