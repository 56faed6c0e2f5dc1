//! The runtime process as the host sees it.
//!
//! One task owns the socket's writing end and both pipes, so that what is printed and what is drawn
//! reach the front ends in the order in which the cell produced them: before an output is passed
//! on, the pipes are emptied, and only then is the output acknowledged.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use patchbay_protocol::{
    Ask, Command, Event, MAX_FRAME_BYTES, Outcome, Output, PARAMETERS_VARIABLE, SOCKET_VARIABLE,
};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, pipe},
    },
    process::Child,
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::output::Assembler;
use patchbay_contract::{SessionEvent, StreamName};

/// The first of `std::env::args()` in cells.
const PROGRAM_NAME: &str = "notebook";

/// How long text is gathered before it is sent.
const GATHER: Duration = Duration::from_millis(50);

/// The most bytes that are read from a pipe before an output is passed on. What was printed before
/// the output fits into a pipe; a thread that prints without end must not hold the output up.
const PIPE_BYTES: usize = 1 << 20;

/// How long a runtime may take to connect.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a runtime may take to take an order. One that does not read has stopped for good.
const ORDER_PATIENCE: Duration = Duration::from_secs(20);

/// How long a runtime whose socket is closed may take to end what it has started, and itself.
const END_PATIENCE: Duration = Duration::from_millis(250);

/// How long a runtime whose end of the socket is closed may take to end. A process that ends by itself takes
/// milliseconds; one that lives on has lost its connection, by a cell that has closed it.
const LOST_PATIENCE: Duration = Duration::from_secs(1);

/// How much is passed on before the host waits until it has been taken: what cells print and show goes no faster than it
/// is read.
const AHEAD_BYTES: usize = 4 << 20;

/// How long it waits for that at most, for a front end that has forgotten what it was given.
const AHEAD_PATIENCE: Duration = Duration::from_secs(60);

/// How long what a process has said before its end may take to come.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long a process that was killed may take to end. One that waits in a driver or for a disk ends when it has come back.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// How long what cells have started may take to end once it is asked.
const GRACE: Duration = Duration::from_millis(50);

/// Who waits for the answer to a question, by its id.
type Questions = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

/// Where outputs go: to the cell that was executed last.
#[derive(Clone)]
pub struct Sink(Arc<Mutex<mpsc::UnboundedSender<SessionEvent>>>);

impl Sink {
    /// Sends an output. A front end that has gone away takes no more; the cell runs on. Returns
    /// whether anyone takes it.
    pub fn send(&self, event: SessionEvent) -> bool {
        let sink = self.0.lock();
        sink.send(event).is_ok()
    }
}

/// A running runtime process. Dropping it ends the process, with all that it has started.
pub struct Runtime {
    process: Option<u32>,
    commands: mpsc::UnboundedSender<Order>,
    questions: Questions,
    replies: mpsc::UnboundedReceiver<Reply>,
    sink: Sink,
    next_id: AtomicU64,
}

enum Order {
    Send(Box<Command>),
    Kill,
}

/// What the session waits for.
#[derive(Debug)]
pub enum Reply {
    /// A command has come to its end.
    Done {
        /// The command's number.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The process has ended; all variables are gone.
    Ended(String),
}

/// Sends commands to a runtime while a cell runs.
#[derive(Clone)]
pub struct Sender {
    orders: mpsc::UnboundedSender<Order>,
    questions: Questions,
}

impl Sender {
    /// Sends a command; a runtime that has ended ignores it.
    pub fn send(&self, command: Command) {
        let _ = self.orders.send(Order::Send(Box::new(command)));
    }

    /// Kills the process.
    pub fn kill(&self) {
        let _ = self.orders.send(Order::Kill);
    }

    /// Asks the SDK a question, also while a cell runs.
    ///
    /// # Errors
    ///
    /// Returns the SDK's error, or that the runtime has ended.
    pub async fn ask<Q: Ask>(&self, question: Q) -> Result<Q::Answer, String> {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let id = ASKED.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.questions.lock().insert(id, asker);
        let question = question.into();
        let order = Order::Send(Box::new(Command::Ask { id, question }));
        if self.orders.send(order).is_err() {
            self.questions.lock().remove(&id);
        }
        let answer = answer
            .await
            .unwrap_or_else(|_| Err("the process that runs the cells has ended".to_owned()))?;
        serde_json::from_value(answer)
            .map_err(|error| format!("the cells' process gave an answer of another form: {error}"))
    }
}

impl Runtime {
    /// Starts the process; `scratch` is a folder for its socket. Returns before it has connected.
    ///
    /// # Errors
    ///
    /// Fails where the program cannot be started.
    pub fn start(
        program: &Path,
        library_path: &std::ffi::OsStr,
        working_directory: &Path,
        scratch: &Path,
        parameters: Option<&str>,
        events: mpsc::UnboundedSender<SessionEvent>,
    ) -> anyhow::Result<Runtime> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let socket = scratch.join(format!(
            "runtime-{}",
            STARTED.fetch_add(1, Ordering::Relaxed)
        ));
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("no socket for the runtime at {}", socket.display()))?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("{}", socket.display()))?;
        let (stdout, stdout_writer) = pipe_ends()?;
        let (stderr, stderr_writer) = pipe_ends()?;
        // What the user has set stays.
        let settings = patchbay_protocol::COMPUTING
            .into_iter()
            .filter(|(name, _)| std::env::var_os(name).is_none());
        let mut command = tokio::process::Command::new(program);
        if let Some(parameters) = parameters {
            command.env(PARAMETERS_VARIABLE, parameters);
        }
        let child = command
            // What cells see as the program's name; the program itself is no business of theirs.
            .arg0(PROGRAM_NAME)
            .envs(settings)
            .current_dir(working_directory)
            .env(SOCKET_VARIABLE, &socket)
            .env("LD_LIBRARY_PATH", library_path)
            // Errors are told with the cell's own lines; frames of the runtime would only hide them.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(stdout_writer)
            .stderr(stderr_writer)
            // What cells start is in the runtime's group, and ends with it. A Ctrl-C in the terminal reaches the host
            // only, which makes an interrupt of it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the runtime does not start: {}", program.display()))?;

        let (commands, orders) = mpsc::unbounded_channel();
        let (replier, replies) = mpsc::unbounded_channel();
        let sink = Sink(Arc::new(Mutex::new(events)));
        let questions = Questions::default();
        let process = child.id();
        let pump = Pump {
            group: process
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
            questions: questions.clone(),
            child,
            stdout,
            stderr,
            orders,
            early: Vec::new(),
            replier,
            sink: sink.clone(),
            assembler: Assembler::default(),
            flush_at: None,
            passed: 0,
            barrier: None,
            closed: [false; 2],
        };
        tokio::spawn(pump.run(listener));
        Ok(Runtime {
            process,
            commands,
            questions,
            replies,
            sink,
            next_id: AtomicU64::new(0),
        })
    }

    /// The way to send to the process from elsewhere.
    pub fn sender(&self) -> Sender {
        Sender {
            orders: self.commands.clone(),
            questions: self.questions.clone(),
        }
    }

    /// The folder in which the cells are; `None` where the system does not tell.
    pub fn working_directory(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/cwd", self.process?)).ok()
    }

    /// Where outputs go from here on.
    pub fn set_sink(&self, events: mpsc::UnboundedSender<SessionEvent>) {
        *self.sink.0.lock() = events;
    }

    /// The place that outputs go to.
    pub fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Sends a command and waits for its end, or that of the process.
    pub async fn call(&mut self, command: impl FnOnce(u64) -> Command) -> Reply {
        let expected = self.next_id.fetch_add(1, Ordering::Relaxed);
        let _ = self.commands.send(Order::Send(Box::new(command(expected))));
        loop {
            match self.replies.recv().await {
                Some(Reply::Done { id, .. }) if id != expected => {}
                Some(reply) => return reply,
                None => return Reply::Ended("it has ended before".to_owned()),
            }
        }
    }

    /// Whether the process has ended since the last call, and how.
    pub fn has_ended(&mut self) -> Option<String> {
        loop {
            match self.replies.try_recv() {
                Ok(Reply::Ended(how)) => return Some(how),
                Ok(Reply::Done { .. }) => {}
                Err(mpsc::error::TryRecvError::Empty) => return None,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    return Some("it has ended before".to_owned());
                }
            }
        }
    }
}

/// Whether the other end of a socket was opened by this process, and by this user.
fn is_process(stream: &UnixStream, process: Option<u32>) -> bool {
    let process = process.and_then(|id| i32::try_from(id).ok());
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == patchbay_files::user() && peer.pid() == process)
}

fn pipe_ends() -> anyhow::Result<(pipe::Receiver, Stdio)> {
    let (reader, writer) = io::pipe().context("no pipe for what cells print")?;
    let reader = pipe::Receiver::from_owned_fd(reader.into())?;
    Ok((reader, writer.into()))
}

struct Pump {
    /// The runtime's process group.
    group: Option<Pid>,
    questions: Questions,
    child: Child,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What was ordered before it had connected.
    early: Vec<Command>,
    replier: mpsc::UnboundedSender<Reply>,
    sink: Sink,
    assembler: Assembler,
    flush_at: Option<Instant>,
    /// The bytes that were passed on since the last barrier.
    passed: usize,
    /// Ends when what was passed on has been taken; until then nothing is read from the runtime.
    barrier: Option<mpsc::Receiver<()>>,
    /// Whether the runtime has closed its stdout and stderr.
    closed: [bool; 2],
}

/// Writes to the runtime on a task of its own: a runtime that does not read holds up no order.
struct CommandWriter {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    task: tokio::task::AbortHandle,
}

impl CommandWriter {
    /// A runtime that takes no more orders is ended with all that it has started, `group`, which is heard by the
    /// end of its frames.
    fn new(mut writer: OwnedWriteHalf, group: Option<Pid>) -> CommandWriter {
        let (frames, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
        let task = tokio::spawn(async move {
            while let Some(frame) = waiting.recv().await {
                // A broken socket shows as the end of the frames, which is where it is handled.
                match tokio::time::timeout(ORDER_PATIENCE, writer.write_all(&frame)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        patchbay_contract::log(format_args!(
                            "the process that runs the cells takes no more orders"
                        ));
                        if let Some(group) = group {
                            let _ = kill_process_group(group, Signal::KILL);
                        }
                        return;
                    }
                }
            }
        });
        CommandWriter {
            frames,
            task: task.abort_handle(),
        }
    }

    fn send(&self, command: &Command) {
        match patchbay_protocol::encode(command) {
            Ok(frame) => drop(self.frames.send(frame)),
            Err(error) => {
                patchbay_contract::log(format_args!("a command could not be sent: {error}"))
            }
        }
    }
}

impl Drop for CommandWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pump {
    async fn run(mut self, listener: UnixListener) {
        let how = match self.connect(&listener).await {
            Ok((reader, writer)) => self.serve(reader, writer).await,
            // What it printed says why it did not come up.
            Err(how) => {
                self.empty_pipes();
                let said: String = self
                    .assembler
                    .take_all()
                    .into_iter()
                    .filter_map(|event| match event {
                        SessionEvent::Stream { text, .. } => Some(text),
                        _ => None,
                    })
                    .collect();
                format!("{how} {}", said.trim()).trim().to_owned()
            }
        };
        self.empty_pipes();
        self.send_all();
        // Whoever waits for an answer learns by the end of the channel that there is none.
        self.questions.lock().clear();
        let _ = self.replier.send(Reply::Ended(how));
    }

    async fn connect(
        &mut self,
        listener: &UnixListener,
    ) -> Result<(OwnedReadHalf, OwnedWriteHalf), String> {
        let process = self.child.id();
        let connected = async {
            loop {
                let (stream, _) = listener.accept().await?;
                // Whoever else finds the socket is not listened to.
                if is_process(&stream, process) {
                    return Ok::<_, io::Error>(stream);
                }
            }
        };
        tokio::pin!(connected);
        let deadline = Instant::now() + START_PATIENCE;
        let mut early = Vec::new();
        loop {
            tokio::select! {
                accepted = &mut connected => {
                    self.early = early;
                    return match accepted {
                        Ok(stream) => Ok(stream.into_split()),
                        Err(error) => Err(format!("it could not connect: {error}")),
                    };
                }
                status = self.child.wait() => return Err(describe_status(&status)),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(format!("it did not connect within {} s", START_PATIENCE.as_secs()));
                }
                order = self.orders.recv() => match order {
                    Some(Order::Send(command)) => early.push(*command),
                    Some(Order::Kill) => self.kill(),
                    None => return Err("nobody waits for it any more".to_owned()),
                },
            }
        }
    }

    /// Passes everything on until the process ends; says how it did.
    async fn serve(&mut self, reader: OwnedReadHalf, writer: OwnedWriteHalf) -> String {
        let mut frames = read_frames(reader);
        let writer = CommandWriter::new(writer, self.group);
        for command in std::mem::take(&mut self.early) {
            writer.send(&command);
        }
        loop {
            let flush_at = self
                .flush_at
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let reads = self.barrier.is_none();
            tokio::select! {
                // In this order: what the user asks for, what the cell draws, and of two texts that
                // are there at once the one on stdout first.
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Send(command)) => writer.send(&command),
                    Some(Order::Kill) => self.kill(),
                    None => {
                        drop(writer);
                        let _ = tokio::time::timeout(END_PATIENCE, self.child.wait()).await;
                        self.signal(Signal::KILL);
                        let _ = self.child.start_kill();
                        return self.wait_for_end().await;
                    }
                },
                () = end_of(&mut self.barrier), if !reads => self.barrier = None,
                frame = frames.recv(), if reads => match frame {
                    Some(event) => self.handle(event, &writer),
                    None => return self.outlive_socket().await,
                },
                // What it has forked may keep its end of the socket open.
                status = self.child.wait(), if reads => {
                    while let Ok(Some(event)) = tokio::time::timeout(LAST_WORDS, frames.recv()).await {
                        self.handle(event, &writer);
                    }
                    return describe_status(&status);
                }
                () = tokio::time::sleep_until(flush_at), if self.flush_at.is_some() => {
                    self.flush_at = None;
                    let events = self.assembler.take();
                    self.send(events);
                }
                Ok(()) = self.stdout.readable(), if reads && !self.closed[0] => {
                    self.closed[0] =
                        read_available(&mut self.stdout, StreamName::Stdout, &mut self.assembler);
                    self.note_waiting();
                }
                Ok(()) = self.stderr.readable(), if reads && !self.closed[1] => {
                    self.closed[1] =
                        read_available(&mut self.stderr, StreamName::Stderr, &mut self.assembler);
                    self.note_waiting();
                }
            }
        }
    }

    /// Waits for the end of a runtime whose socket is closed, and says how it ended. Where it does not end, a cell has
    /// closed its connection: no outcome could come any more, so it is ended.
    async fn outlive_socket(&mut self) -> String {
        let deadline = Instant::now() + LOST_PATIENCE;
        loop {
            tokio::select! {
                status = self.child.wait() => return describe_status(&status),
                () = tokio::time::sleep_until(deadline) => break,
                order = self.orders.recv() => match order {
                    Some(Order::Send(_)) => {}
                    Some(Order::Kill) => self.kill(),
                    None => break,
                },
                // A full pipe would keep it from ending.
                Ok(()) = self.stdout.readable(), if !self.closed[0] => {
                    self.closed[0] =
                        read_available(&mut self.stdout, StreamName::Stdout, &mut self.assembler);
                }
                Ok(()) = self.stderr.readable(), if !self.closed[1] => {
                    self.closed[1] =
                        read_available(&mut self.stderr, StreamName::Stderr, &mut self.assembler);
                }
            }
        }
        self.signal(Signal::KILL);
        let _ = self.child.start_kill();
        self.wait_for_end().await;
        "it has closed its connection to the kernel, by a cell that closes file descriptors or shuts sockets that are not \
         its own, and was ended"
            .to_owned()
    }

    fn kill(&mut self) {
        // Its end is to be seen at once.
        self.barrier = None;
        self.signal(Signal::KILL);
        // A cell may have put it into another group.
        let _ = self.child.start_kill();
    }

    fn handle(&mut self, event: Event, writer: &CommandWriter) {
        match event {
            Event::Ready { .. } => {}
            Event::Answer { id, content } => {
                let asker = self.questions.lock().remove(&id);
                if let Some(asker) = asker {
                    let _ = asker.send(content);
                }
            }
            Event::Output { sequence, output } => {
                self.empty_pipes();
                self.send_all();
                match output {
                    Output::Result { bundle } if bundle.data.is_empty() => {
                        self.assembler.result_follows();
                    }
                    output => self.send(vec![output.into()]),
                }
                writer.send(&Command::Ack { sequence });
            }
            Event::InputRequest { prompt, password } => {
                self.empty_pipes();
                self.send_all();
                self.send(vec![SessionEvent::InputRequest { prompt, password }]);
            }
            Event::Comm(message) => self.send(vec![SessionEvent::Comm(message)]),
            Event::Done { id, outcome } => {
                self.empty_pipes();
                self.send_all();
                let _ = self.replier.send(Reply::Done { id, outcome });
            }
        }
    }

    fn empty_pipes(&mut self) {
        read_available(&mut self.stdout, StreamName::Stdout, &mut self.assembler);
        read_available(&mut self.stderr, StreamName::Stderr, &mut self.assembler);
    }

    fn note_waiting(&mut self) {
        if self.assembler.is_waiting() && self.flush_at.is_none() {
            self.flush_at = Some(Instant::now() + GATHER);
        }
    }

    fn send_all(&mut self) {
        self.flush_at = None;
        let events = self.assembler.take_all();
        self.send(events);
    }

    fn send(&mut self, events: Vec<SessionEvent>) {
        for event in events {
            self.passed += event.size();
            self.sink.send(event);
        }
        if self.passed > AHEAD_BYTES {
            self.passed = 0;
            let (sender, barrier) = mpsc::channel(1);
            self.sink.send(SessionEvent::Barrier(sender));
            self.barrier = Some(barrier);
        }
    }

    async fn wait_for_end(&mut self) -> String {
        match tokio::time::timeout(KILL_PATIENCE, self.child.wait()).await {
            Ok(status) => describe_status(&status),
            Err(_) => format!(
                "it was killed and has not ended within {} s, because the system waits for something on its behalf",
                KILL_PATIENCE.as_secs()
            ),
        }
    }

    /// Sends a signal to the runtime and what it has started. Processes that have ended take none.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Pump {
    /// Ends what is left: by the closed socket the runtime has been told to end, and what cells have started outlives
    /// a runtime that has crashed.
    fn drop(&mut self) {
        let wait_until = |end: &mut dyn FnMut() -> bool, patience: Duration| {
            let deadline = std::time::Instant::now() + patience;
            while !end() && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        wait_until(
            &mut || !matches!(self.child.try_wait(), Ok(None)),
            END_PATIENCE,
        );
        let Some(group) = self.group else { return };
        self.signal(Signal::TERM);
        wait_until(&mut || test_kill_process_group(group).is_err(), GRACE);
        self.signal(Signal::KILL);
    }
}

fn describe_status(status: &io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("its end could not be observed: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(6)) => "it was aborted (signal 6, SIGABRT)".to_owned(),
        (None, Some(9)) => "it was killed (signal 9, SIGKILL)".to_owned(),
        (None, Some(11)) => "it made an invalid memory access (signal 11, SIGSEGV)".to_owned(),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Reads what a pipe holds. Returns whether its other end is closed.
fn read_available(pipe: &mut pipe::Receiver, name: StreamName, assembler: &mut Assembler) -> bool {
    let mut buffer = [0; 64 << 10];
    let mut total = 0;
    while total < PIPE_BYTES {
        match pipe.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => {
                assembler.push(name, &buffer[..count]);
                total += count;
            }
            Err(_) => return false,
        }
    }
    false
}

/// Reads frames on a task of its own, because reading one cannot be given up half-way.
fn read_frames(mut reader: OwnedReadHalf) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let Ok(length) = reader.read_u32_le().await else {
                return;
            };
            if length as usize > MAX_FRAME_BYTES {
                return;
            }
            let mut body = vec![0; length as usize];
            if reader.read_exact(&mut body).await.is_err() {
                return;
            }
            match patchbay_protocol::decode(&body) {
                Ok(event) => {
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
                Err(error) => patchbay_contract::log(format_args!(
                    "unreadable message from the runtime: {error}"
                )),
            }
        }
    });
    receiver
}

/// Returns when all who hold a barrier have dropped it, or have taken too long.
async fn end_of(barrier: &mut Option<mpsc::Receiver<()>>) {
    if let Some(barrier) = barrier {
        let _ = tokio::time::timeout(AHEAD_PATIENCE, barrier.recv()).await;
    }
}
