//! The Jupyter server: five sockets, each with a task of its own, around one session.
//!
//! No socket waits for a cell: interrupts, shutdown and questions about the kernel are answered while
//! one runs. Cells themselves run one after the other, in the order of their requests. Whatever is
//! wrong with a message is logged and the message dropped; nothing ends a loop but the end of the
//! kernel.

mod comms;
mod completion;
mod control;
mod executor;
mod history;
mod info;
mod iopub;
mod shell;
mod stdin;
mod subshells;
mod usage;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};
use zeromq::{
    RepSocket, RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend,
    XPubSocket,
};

use crate::{
    engines::{AnyControl, AnySession, EngineConfig},
    notebook::{Control, Engine},
    wire::{ConnectionInfo, Message, Signer},
};

/// How long the last messages may take to leave before the process ends.
const DRAIN: Duration = Duration::from_millis(100);

/// What all tasks share.
pub struct Kernel {
    signer: Signer,
    /// The kernel's own session id, in the headers of all that it sends.
    session_id: String,
    iopub: iopub::Outbox,
    control: AnyControl,
    language_version: String,
    /// The request of the running cell, for the busy status and for late outputs.
    running: std::sync::Mutex<Option<Message>>,
    comms: comms::Comms,
    history: history::Desk,
    subshells: subshells::Subshells,
    usage: usage::Usage,
    stop: watch::Sender<bool>,
}

/// Serves a connection file until a shutdown request, the end of the front end, or SIGTERM.
///
/// # Errors
///
/// Fails where a socket cannot be bound or the session does not start.
pub async fn run(
    connection: &ConnectionInfo,
    config: EngineConfig,
    language_version: String,
) -> anyhow::Result<()> {
    let (shell_send, shell_recv) = bind_router(connection, connection.shell_port, "shell").await?;
    let (control_send, control_recv) =
        bind_router(connection, connection.control_port, "control").await?;
    let (stdin_send, stdin_recv) = bind_router(connection, connection.stdin_port, "stdin").await?;
    let mut iopub_socket = XPubSocket::new();
    let mut heartbeat = RepSocket::new();
    bind(
        &mut iopub_socket,
        connection,
        connection.iopub_port,
        "iopub",
    )
    .await?;
    bind(&mut heartbeat, connection, connection.hb_port, "heartbeat").await?;

    let mut session = AnySession::start(config).await?;
    let early = session.take_early_events();
    let (iopub, outgoing) = iopub::outbox();
    let (stop, mut stopped) = watch::channel(false);
    let kernel = Arc::new(Kernel {
        signer: Signer::new(&connection.key),
        session_id: uuid::Uuid::new_v4().to_string(),
        iopub,
        control: session.control(),
        language_version,
        running: std::sync::Mutex::new(None),
        comms: comms::Comms::default(),
        history: history::Desk::open(),
        subshells: subshells::Subshells::default(),
        usage: usage::Usage::new(),
        stop,
    });
    kernel.publish("status", None, json!({ "execution_state": "starting" }));
    if let Some(early) = early {
        tokio::spawn(executor::publish_late_outputs(
            early,
            None,
            false,
            kernel.clone(),
        ));
    }

    let shell_send = Channel::new(shell_send);
    let stdin_send = Channel::new(stdin_send);
    let (queue, requests) = mpsc::unbounded_channel();
    tokio::spawn(iopub::serve(iopub_socket, outgoing, kernel.clone()));
    tokio::spawn(kernel.control.clone().attend_completion());
    tokio::spawn(echo(heartbeat));
    tokio::spawn(stdin::serve(stdin_recv, kernel.clone()));
    tokio::spawn(control::serve(
        control_recv,
        Channel::new(control_send),
        kernel.clone(),
    ));
    tokio::spawn(shell::serve(
        shell_recv,
        shell_send.clone(),
        queue,
        kernel.clone(),
    ));
    tokio::spawn(executor::serve(
        session,
        requests,
        shell_send,
        stdin_send,
        kernel.clone(),
    ));

    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = signals(&kernel.control) => {}
        () = end_of_parent() => {}
    }
    tokio::join!(tokio::time::sleep(DRAIN), kernel.history.settle());
    Ok(())
}

async fn bind_router(
    connection: &ConnectionInfo,
    port: u32,
    name: &str,
) -> anyhow::Result<(RouterSendHalf, RouterRecvHalf)> {
    let mut socket = RouterSocket::new();
    bind(&mut socket, connection, port, name).await?;
    Ok(socket.split())
}

async fn bind(
    socket: &mut impl Socket,
    connection: &ConnectionInfo,
    port: u32,
    name: &str,
) -> anyhow::Result<()> {
    let endpoint = connection.endpoint(port);
    socket
        .bind(&endpoint)
        .await
        .with_context(|| format!("the {name} socket cannot be bound to {endpoint}"))?;
    Ok(())
}

/// The heartbeat: what comes in goes out.
async fn echo(mut socket: RepSocket) {
    loop {
        match socket.recv().await {
            Ok(message) => {
                if let Err(error) = socket.send(message).await {
                    log(&format!("a heartbeat could not be answered: {error}"));
                }
            }
            Err(error) => {
                log(&format!("a heartbeat could not be read: {error}"));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// SIGINT interrupts the running cell; returns at SIGTERM.
async fn signals(control: &AnyControl) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => control.interrupt(),
            _ = terminate.recv() => return,
        }
    }
}

/// Returns when the process that started the kernel has gone without shutting it down.
async fn end_of_parent() {
    let parent = std::os::unix::process::parent_id();
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        if parent != 1 && std::os::unix::process::parent_id() != parent {
            return;
        }
    }
}

fn log(text: &str) {
    eprintln!("patchbay: {text}");
}

/// The sending half of a socket, shared by tasks.
#[derive(Clone)]
pub struct Channel(Arc<Mutex<RouterSendHalf>>);

impl Channel {
    fn new(socket: RouterSendHalf) -> Channel {
        Channel(Arc::new(Mutex::new(socket)))
    }

    /// Sends a message. A client that has gone away is logged.
    async fn send(&self, message: &Message, kernel: &Kernel) {
        let frames = match message.encode(&kernel.signer) {
            Ok(frames) => frames,
            Err(error) => {
                return log(&format!(
                    "a {} could not be written: {error}",
                    message.header.msg_type
                ));
            }
        };
        if let Err(error) = self.0.lock().await.send(frames).await {
            log(&format!(
                "a {} did not reach its client: {error}",
                message.header.msg_type
            ));
        }
    }
}

/// Reads the next message that is one, logging those that are not.
async fn receive(socket: &mut RouterRecvHalf, kernel: &Kernel, name: &str) -> Message {
    loop {
        match socket.recv().await {
            Ok(frames) => match Message::decode(frames, &kernel.signer) {
                Ok(message) => return message,
                Err(error) => log(&format!("dropped a message on {name}: {error}")),
            },
            Err(error) => {
                log(&format!("{name}: {error}"));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Kernel {
    /// Broadcasts a message.
    fn publish(&self, msg_type: &str, parent: Option<&Message>, content: Value) {
        let mut message = Message::new(msg_type, &self.session_id, parent, content);
        message.identities = vec![Bytes::from(format!(
            "kernel.{}.{msg_type}",
            self.session_id
        ))];
        self.iopub.send(message);
    }

    fn status(&self, parent: &Message, state: &str) {
        self.publish("status", Some(parent), json!({ "execution_state": state }));
    }

    fn reply(&self, request: &Message, content: Value) -> Message {
        let msg_type = request.header.msg_type.replace("_request", "_reply");
        Message::new(&msg_type, &self.session_id, Some(request), content)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Message>> {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Says again that the running cell is busy, after another request has ended with `idle`: front
    /// ends show the last status they have seen.
    fn repeat_busy(&self) {
        // Under the lock: the cell's `idle` must not come before it.
        if let Some(request) = &*self.running() {
            self.status(request, "busy");
        }
    }
}
