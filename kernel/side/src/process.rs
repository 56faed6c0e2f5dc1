//! The side process and its messages.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use patchbay_evcxr_protocol::{Event, Request, line};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    sync::{mpsc, oneshot},
};

use super::SideConfig;

/// How long the process has to end by itself once its stdin is closed.
const GRACE: Duration = Duration::from_secs(2);

/// A running side process. Dropping all handles ends it.
#[derive(Clone)]
pub struct SideProcess {
    pid: Option<Pid>,
    requests: mpsc::UnboundedSender<Request>,
    shared: Arc<Shared>,
}

struct Shared {
    next_id: AtomicU64,
    /// Who waits for which answer.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Event>>>,
    /// Where the outputs of the running cell go.
    sink: Mutex<Option<mpsc::UnboundedSender<Event>>>,
}

impl SideProcess {
    /// Starts the process. `scratch` is where evcxr builds.
    ///
    /// # Errors
    ///
    /// Fails where the program does not start.
    pub fn start(config: &SideConfig, folder: &Path, scratch: &Path) -> Result<SideProcess> {
        let bin = config.sysroot.join("bin");
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&inherited)))
            .unwrap_or(inherited);
        let mut child = tokio::process::Command::new(&config.program)
            .current_dir(folder)
            .env("LD_LIBRARY_PATH", &config.library_path)
            .env("PATH", path)
            // rustup takes a path for a toolchain.
            .env("RUSTUP_TOOLCHAIN", &config.sysroot)
            .env("EVCXR_TMPDIR", scratch)
            // What evcxr compiles has flags of its own; this reaches `cargo metadata` only.
            .env("RUSTFLAGS", "--cfg rust_analyzer")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", config.program.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("the side process has no pipes");
        };
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        let shared = Arc::new(Shared {
            next_id: AtomicU64::new(0),
            waiting: Mutex::default(),
            sink: Mutex::default(),
        });
        let (requests, outgoing) = mpsc::unbounded_channel();
        tokio::spawn(write(child, stdin, outgoing));
        tokio::spawn(read(stdout, Arc::downgrade(&shared)));
        Ok(SideProcess {
            pid,
            requests,
            shared,
        })
    }

    /// Sends a request that is not answered.
    pub fn send(&self, request: Request) {
        // A process that has ended is noticed by whoever waits for an answer.
        let _ = self.requests.send(request);
    }

    /// Sends a request and waits for its answer; `None` where the process has ended.
    pub async fn ask(&self, request: impl FnOnce(u64) -> Request) -> Option<Event> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.shared.waiting.lock().insert(id, asker);
        if self.requests.send(request(id)).is_err() {
            self.shared.waiting.lock().remove(&id);
        }
        answer.await.ok()
    }

    /// Where the outputs of cells go from here on.
    pub fn set_sink(&self, sink: mpsc::UnboundedSender<Event>) {
        *self.shared.sink.lock() = Some(sink);
    }

    /// Lets the process stand still.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // The pid is the process's own until it is waited for, which ends the writing of requests.
        if let Some(pid) = self.pid
            && !self.has_ended()
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.requests.is_closed()
    }
}

/// Writes requests until all handles are gone, and ends the process then.
async fn write(
    mut child: Child,
    mut stdin: ChildStdin,
    mut requests: mpsc::UnboundedReceiver<Request>,
) {
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some(request) = request else { break };
                let Ok(text) = line(&request) else { continue };
                if stdin.write_all(text.as_bytes()).await.is_err() {
                    break;
                }
            }
            _ = child.wait() => return,
        }
    }
    drop(stdin);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        // It may have ended in this moment.
        let _ = child.start_kill();
        let _ = child.wait().await;
    }
}

/// Hands events to whom they belong until the process ends.
async fn read(stdout: ChildStdout, shared: std::sync::Weak<Shared>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let event: Event = match serde_json::from_str(&text) {
            Ok(event) => event,
            Err(error) => {
                patchbay_contract::log(format_args!(
                    "unreadable message from the side process: {error}"
                ));
                continue;
            }
        };
        match answered(&event) {
            Some(id) => {
                let asker = shared.waiting.lock().remove(&id);
                if let Some(asker) = asker {
                    let _ = asker.send(event);
                }
            }
            None => {
                if let Some(sink) = &*shared.sink.lock() {
                    let _ = sink.send(event);
                }
            }
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.waiting.lock().clear();
    }
}

/// The request that an event answers.
fn answered(event: &Event) -> Option<u64> {
    match event {
        Event::Evaluated { id, .. }
        | Event::Opened { id, .. }
        | Event::Completed { id, .. }
        | Event::Inspected { id, .. } => Some(*id),
        Event::Stream { .. }
        | Event::Output { .. }
        | Event::InputRequest { .. }
        | Event::Comm { .. } => None,
    }
}
