//! The Jupyter server: five sockets, each with a task of its own, around one session.
//!
//! No socket waits for a cell: interrupts, shutdown and questions about the kernel are answered while
//! one runs. Cells themselves run one after the other, in the order of their requests. Whatever is
//! wrong with a message is logged and the message dropped; nothing ends a loop but the end of the
//! kernel.

mod about;
mod broadcast;
mod comm_messages;
mod comms;
mod completion;
mod control;
mod executor;
mod history;
mod info;
mod iopub;
mod kernel;
mod late;
mod shell;
mod sockets;
mod stdin;
mod subshells;
mod usage;
mod waiting;

use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

use anyhow::Context;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use patchbay_contract::{Control, Session};

use crate::wire::{
    ConnectionInfo, Signer,
    zmtp::{Limits, Listener},
};
pub use about::About;
use kernel::{DRAIN, Kernel};
use sockets::Channel;

/// How long they may take where a client does not read.
const MOST_DRAIN: Duration = Duration::from_secs(1);

/// Serves a connection file around a session, which starts while clients connect, until a shutdown request, the end of the front end, or SIGTERM.
///
/// # Errors
///
/// Fails where a socket cannot be bound or the session does not start.
pub async fn run(
    connection: &ConnectionInfo,
    session: impl Future<Output = anyhow::Result<Box<dyn Session>>>,
    about: About,
) -> anyhow::Result<()> {
    let shell = bind(connection, connection.shell_port, "shell").await?;
    let control = bind(connection, connection.control_port, "control").await?;
    let stdin = bind(connection, connection.stdin_port, "stdin").await?;
    let broadcasts = bind(connection, connection.iopub_port, "iopub").await?;
    let heartbeat = bind(connection, connection.hb_port, "heartbeat").await?;
    // Clients that connect while the session starts find the sockets served.
    let limits = Limits::from_environment();
    let signer = Signer::new(&connection.key);
    let session_id = uuid::Uuid::new_v4().to_string();
    let iopub = Arc::new(iopub::Outbox::new(signer.clone(), session_id.clone()));
    tokio::spawn(iopub::serve(broadcasts, iopub.clone()));
    tokio::spawn(sockets::echo(heartbeat));
    let (shell, shell_requests) = Channel::open(shell, "shell", limits.clone(), signer.clone());
    let (control, control_requests) =
        Channel::open(control, "control", limits.clone(), signer.clone());
    let (stdin, answers) = Channel::open(stdin, "stdin", limits, signer.clone());

    let mut session = session.await?;
    let early = session.take_early_events();
    let (stop, mut stopped) = watch::channel(false);
    let kernel = Arc::new(Kernel {
        session_id,
        iopub,
        control: session.control(),
        about,
        running: Mutex::new(None),
        comms: comms::Comms::default(),
        late: waiting::LateOutputs::default(),
        history: history::HistoryThread::open(),
        subshells: subshells::Subshells::default(),
        usage: usage::Usage::new(),
        stop,
    });
    kernel.publish("status", None, json!({ "execution_state": "starting" }));
    if let Some(early) = early {
        late::publish_late(early, None, false, &kernel);
    }

    let (queue, requests) = mpsc::unbounded_channel();
    let attended = kernel.control.clone();
    tokio::spawn(async move { attended.attend_completion().await });
    tokio::spawn(stdin::serve(answers, kernel.clone()));
    tokio::spawn(control::serve(
        control_requests,
        control.clone(),
        kernel.clone(),
    ));
    tokio::spawn(shell::serve(
        shell_requests,
        shell.clone(),
        queue,
        kernel.clone(),
    ));
    tokio::spawn(executor::serve(
        session,
        requests,
        shell.clone(),
        stdin,
        kernel.clone(),
    ));

    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = signals(&*kernel.control) => {}
        () = end_of_parent() => {}
    }
    let is_settled = || kernel.iopub.is_settled() && shell.is_settled() && control.is_settled();
    tokio::join!(drain(is_settled), kernel.history.settle());
    Ok(())
}

/// Waits until the last messages have left.
async fn drain(is_settled: impl Fn() -> bool) {
    let start = tokio::time::Instant::now();
    tokio::time::sleep(DRAIN).await;
    while !is_settled() && start.elapsed() < MOST_DRAIN {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn bind(connection: &ConnectionInfo, port: u32, name: &str) -> anyhow::Result<Listener> {
    let endpoint = connection.endpoint(port)?;
    Listener::bind(&endpoint)
        .await
        .with_context(|| format!("the {name} socket cannot be bound to {endpoint}"))
}

/// SIGINT interrupts the running cell; returns at SIGTERM.
async fn signals(control: &dyn Control) {
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
