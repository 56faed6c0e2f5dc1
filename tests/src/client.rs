//! The client: a kernel process and the five sockets of its front end.

use std::{
    collections::VecDeque,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use zeromq::{
    DealerSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage,
    util::PeerIdentity,
};

use crate::execution::{Execution, Output};

/// The longest that any answer may take: a guard against hanging, far above what compiling takes under load.
const PATIENCE: Duration = Duration::from_secs(240);

/// The same for evcxr, which loads rust-analyzer before its first cell.
const PATIENCE_WITH_EVCXR: Duration = Duration::from_secs(300);

const KEY: &str = "a key for tests";

/// The program under test: `$PATCHBAY_BIN`, else the one in the release folder.
pub fn program() -> PathBuf {
    std::env::var_os("PATCHBAY_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/patchbay"),
        PathBuf::from,
    )
}

/// A message as the client sees it.
#[derive(Clone, Debug)]
pub struct Received {
    pub msg_type: String,
    pub parent: String,
    pub content: Value,
    pub metadata: Value,
    pub buffers: Vec<Bytes>,
}

/// A kernel and its front end.
pub struct Client {
    /// None: the kernel is another client's.
    process: Option<Child>,
    endpoints: [String; 5],
    pub shell: DealerSocket,
    pub control: DealerSocket,
    pub stdin: DealerSocket,
    pub iopub: SubSocket,
    pub heartbeat: ReqSocket,
    /// The first message that came in over the broadcast socket.
    pub welcome: Received,
    session: String,
    folder: Arc<tempfile::TempDir>,
    patience: Duration,
}

impl Client {
    /// Starts a kernel with the cache that all tests share.
    pub async fn start() -> Client {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/cache");
        Client::start_with(&[("PATCHBAY_CACHE_DIR", cache.to_str().unwrap())]).await
    }

    /// Starts a kernel with these environment variables.
    pub async fn start_with(environment: &[(&str, &str)]) -> Client {
        Client::start_engine("patchbay", environment).await
    }

    /// Starts a kernel on one of the engines, with these environment variables.
    pub async fn start_engine(engine: &str, environment: &[(&str, &str)]) -> Client {
        Client::start_transport("tcp", engine, environment).await
    }

    /// Starts a kernel whose sockets are files.
    pub async fn start_ipc() -> Client {
        Client::start_transport("ipc", "patchbay", &[]).await
    }

    /// Starts a kernel on all interfaces, `*` in the connection file.
    pub async fn start_on_all_interfaces() -> Client {
        Client::start_at("*", "tcp", "patchbay", &[], |_| ()).await
    }

    /// Starts a kernel whose sockets are files, after `prepare` was called with their beginning.
    pub async fn start_ipc_after(prepare: impl FnOnce(&str)) -> Client {
        Client::start_at("", "ipc", "patchbay", &[], prepare).await
    }

    async fn start_transport(
        transport: &str,
        engine: &str,
        environment: &[(&str, &str)],
    ) -> Client {
        Client::start_at("127.0.0.1", transport, engine, environment, |_| ()).await
    }

    async fn start_at(
        ip: &str,
        transport: &str,
        engine: &str,
        environment: &[(&str, &str)],
        prepare: impl FnOnce(&str),
    ) -> Client {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let (ip, ports, endpoints) = if transport == "ipc" {
            let ip = folder.path().join("socket").to_string_lossy().into_owned();
            prepare(&ip);
            let endpoints = std::array::from_fn(|index| format!("ipc://{ip}-{}", index + 1));
            (ip, (1..=5).collect(), endpoints)
        } else {
            let ports: Vec<u16> = free_ports(5);
            let endpoints =
                std::array::from_fn(|index| format!("tcp://127.0.0.1:{}", ports[index]));
            (ip.to_owned(), ports, endpoints)
        };
        let connection = json!({
            "transport": transport, "ip": ip, "key": KEY, "signature_scheme": "hmac-sha256",
            "shell_port": ports[0], "iopub_port": ports[1], "stdin_port": ports[2],
            "control_port": ports[3], "hb_port": ports[4],
        });
        let file = folder.path().join("connection.json");
        std::fs::write(&file, connection.to_string()).unwrap();
        let process = Command::new(program())
            .args(["kernel", "--engine", engine, "--connection-file"])
            .arg(&file)
            .current_dir(folder.path())
            // rust-analyzer would only slow the other tests.
            .env("PATCHBAY_COMPLETION", "off")
            .env("PATCHBAY_HISTORY", folder.path().join("history.sqlite"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("the program is built: cargo build --release");
        let patience = if engine == "evcxr" {
            PATIENCE_WITH_EVCXR
        } else {
            PATIENCE
        };
        Client::connect(Some(process), endpoints, folder, patience).await
    }

    /// Another client of the same kernel, with a session of its own.
    pub async fn join(&self) -> Client {
        let folder = Arc::clone(&self.folder);
        Client::connect(None, self.endpoints.clone(), folder, self.patience).await
    }

    async fn connect(
        process: Option<Child>,
        endpoints: [String; 5],
        folder: Arc<tempfile::TempDir>,
        patience: Duration,
    ) -> Client {
        let session = uuid::Uuid::new_v4().simple().to_string();
        let mut shell = dealer(&session);
        let mut control = dealer(&session);
        let mut stdin = dealer(&session);
        let mut iopub = SubSocket::new();
        let mut heartbeat = ReqSocket::new();
        connect(&mut shell, &endpoints[0]).await;
        connect(&mut iopub, &endpoints[1]).await;
        connect(&mut stdin, &endpoints[2]).await;
        connect(&mut control, &endpoints[3]).await;
        connect(&mut heartbeat, &endpoints[4]).await;
        iopub.subscribe("").await.unwrap();
        let welcome = loop {
            let frames = timeout(PATIENCE, iopub.recv()).await.expect("a welcome");
            let first = parse(frames.unwrap());
            // Nothing comes before it, except to those who come later, while the kernel is at work.
            if process.is_some() || first.msg_type == "iopub_welcome" {
                break first;
            }
        };
        Client {
            process,
            endpoints,
            shell,
            control,
            stdin,
            iopub,
            heartbeat,
            welcome,
            session,
            folder,
            patience,
        }
    }

    /// The endpoints of shell, iopub, stdin, control and heartbeat: `tcp://` or `ipc://`.
    pub fn endpoints(&self) -> &[String; 5] {
        &self.endpoints
    }

    /// A signed message, to be sent raw or more than once.
    pub fn signed(&self, msg_type: &str, content: &Value) -> (String, ZmqMessage) {
        self.frames(msg_type, content, KEY)
    }

    /// A signed message with this metadata.
    pub fn signed_with_metadata(
        &self,
        msg_type: &str,
        content: &Value,
        metadata: &str,
    ) -> (String, ZmqMessage) {
        let (msg_id, message) = self.frames(msg_type, content, KEY);
        let mut frames = message.into_vec();
        frames[4] = Bytes::from(metadata.to_owned());
        frames[1] = Bytes::from(signature(&frames[2..6], KEY));
        (msg_id, ZmqMessage::try_from(frames).unwrap())
    }

    /// Whether the kernel's process is there.
    pub fn is_alive(&mut self) -> bool {
        let process = self.process.as_mut().unwrap();
        matches!(process.try_wait(), Ok(None))
    }

    /// The memory of the kernel's process without that of its children, and the most that it was, in bytes.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let number = line.split_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap() << 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// The kernel's working folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the kernel has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The kernel's process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id().unwrap()
    }

    /// Kills the kernel, which has no time for anything.
    pub async fn kill(&mut self) {
        self.process.as_mut().unwrap().kill().await.unwrap();
    }

    /// Waits for the end of the kernel; returns whether it succeeded.
    pub async fn wait_for_end(&mut self) -> bool {
        timeout(PATIENCE, self.process.as_mut().unwrap().wait())
            .await
            .expect("the kernel ends")
            .unwrap()
            .success()
    }

    fn frames(&self, msg_type: &str, content: &Value, key: &str) -> (String, ZmqMessage) {
        self.frames_with(msg_type, content, key, None, &[])
    }

    fn frames_with(
        &self,
        msg_type: &str,
        content: &Value,
        key: &str,
        subshell: Option<&str>,
        buffers: &[&'static [u8]],
    ) -> (String, ZmqMessage) {
        let msg_id = uuid::Uuid::new_v4().to_string();
        let mut header = json!({
            "msg_id": msg_id, "msg_type": msg_type, "session": self.session, "username": "test",
            "date": "2026-01-01T00:00:00Z", "version": "5.5",
        });
        if let Some(subshell) = subshell {
            header["subshell_id"] = json!(subshell);
        }
        let parts = [
            header.to_string(),
            "{}".to_owned(),
            "{}".to_owned(),
            content.to_string(),
        ];
        let signature = signature(&parts, key);
        let mut frames = vec![Bytes::from_static(b"<IDS|MSG>"), Bytes::from(signature)];
        frames.extend(parts.into_iter().map(Bytes::from));
        frames.extend(buffers.iter().map(|buffer| Bytes::from_static(buffer)));
        (msg_id, ZmqMessage::try_from(frames).unwrap())
    }

    /// Sends a request on shell and returns its id.
    pub async fn send_shell(&mut self, msg_type: &str, content: Value) -> String {
        let (msg_id, frames) = self.frames(msg_type, &content, KEY);
        self.shell.send(frames).await.unwrap();
        msg_id
    }

    /// Sends a request on shell for a subshell, with buffers, and returns its id.
    pub async fn send_to_subshell(
        &mut self,
        subshell: Option<&str>,
        msg_type: &str,
        content: Value,
        buffers: &[&'static [u8]],
    ) -> String {
        let (msg_id, frames) = self.frames_with(msg_type, &content, KEY, subshell, buffers);
        self.shell.send(frames).await.unwrap();
        msg_id
    }

    /// Sends a request with another key.
    pub async fn send_forged(&mut self, msg_type: &str, content: Value) {
        let (_, frames) = self.frames(msg_type, &content, "another key");
        self.shell.send(frames).await.unwrap();
    }

    /// Sends a request on control and waits for its reply.
    pub async fn control(&mut self, msg_type: &str, content: Value) -> Value {
        let (msg_id, frames) = self.frames(msg_type, &content, KEY);
        self.control.send(frames).await.unwrap();
        loop {
            let reply = parse(
                timeout(PATIENCE, self.control.recv())
                    .await
                    .expect("a reply")
                    .unwrap(),
            );
            if reply.parent == msg_id {
                return reply.content;
            }
        }
    }

    /// Sends an answer to an input request.
    pub async fn send_input(&mut self, value: &str) {
        let (_, frames) = self.frames("input_reply", &json!({ "value": value }), KEY);
        self.stdin.send(frames).await.unwrap();
    }

    /// Waits for an input request and returns its content.
    pub async fn input_request(&mut self) -> Value {
        let frames = timeout(PATIENCE, self.stdin.recv())
            .await
            .expect("an input request")
            .unwrap();
        parse(frames).content
    }

    /// The next reply on shell.
    pub async fn shell_reply(&mut self) -> Received {
        parse(
            timeout(self.patience, self.shell.recv())
                .await
                .expect("a reply")
                .unwrap(),
        )
    }

    /// Sends a request on shell that is no execution, and waits for its reply.
    pub async fn request(&mut self, msg_type: &str, content: Value) -> Value {
        let msg_id = self.send_shell(msg_type, content).await;
        loop {
            let reply = self.shell_reply().await;
            if reply.parent == msg_id {
                self.skip_status_of(&msg_id).await;
                return reply.content;
            }
        }
    }

    async fn skip_status_of(&mut self, msg_id: &str) {
        loop {
            let message = self.broadcast().await;
            if message.parent == msg_id && message.content["execution_state"] == "idle" {
                return;
            }
        }
    }

    /// The next broadcast.
    pub async fn broadcast(&mut self) -> Received {
        loop {
            let message = parse(
                timeout(self.patience, self.iopub.recv())
                    .await
                    .expect("a broadcast")
                    .unwrap(),
            );
            // Whether a client is there in time for the kernel's first status is a matter of luck; all hear the welcome
            // of those who come later.
            if message.content["execution_state"] != "starting"
                && message.msg_type != "iopub_welcome"
            {
                return message;
            }
        }
    }

    /// Sends a cell and returns the id of the request.
    pub async fn send_cell(&mut self, code: &str) -> String {
        self.send_shell("execute_request", cell(code)).await
    }

    /// Runs a cell to its end.
    pub async fn execute(&mut self, code: &str) -> Execution {
        let msg_id = self.send_cell(code).await;
        self.collect(&msg_id).await
    }

    /// Runs a cell with more fields in its request.
    pub async fn execute_with(&mut self, code: &str, more: Value) -> Execution {
        let mut content = cell(code);
        for (name, value) in more.as_object().unwrap() {
            content[name] = value.clone();
        }
        let msg_id = self.send_shell("execute_request", content).await;
        self.collect(&msg_id).await
    }

    /// Collects outputs and reply of a request, and checks what the protocol promises: busy first, idle
    /// last, one error message if the reply is an error and none if it is not.
    pub async fn collect(&mut self, msg_id: &str) -> Execution {
        let mut outputs = VecDeque::new();
        let first = self.broadcast().await;
        assert_eq!(
            (first.parent.as_str(), &first.content["execution_state"]),
            (msg_id, &json!("busy")),
            "{first:?}"
        );
        loop {
            let message = self.broadcast().await;
            assert_eq!(
                message.parent, msg_id,
                "a message of another request: {message:?}"
            );
            match message.msg_type.as_str() {
                "status" if message.content["execution_state"] == "idle" => break,
                "status" => assert_eq!(message.content["execution_state"], "busy"),
                "execute_input" => {}
                msg_type => outputs.push_back(Output {
                    msg_type: msg_type.to_owned(),
                    content: message.content,
                }),
            }
        }
        let reply = self.shell_reply().await;
        assert_eq!(
            (reply.msg_type.as_str(), reply.parent.as_str()),
            ("execute_reply", msg_id)
        );
        let errors = outputs
            .iter()
            .filter(|output: &&Output| output.msg_type == "error")
            .count();
        let expected = usize::from(reply.content["status"] == "error");
        assert_eq!(
            errors, expected,
            "error messages for {}: {outputs:?}",
            reply.content
        );
        Execution::new(reply.content, reply.metadata, outputs)
    }
}

/// The content of an execute request as front ends send it.
fn cell(code: &str) -> Value {
    json!({
        "code": code, "silent": false, "store_history": true, "user_expressions": {},
        "allow_stdin": true, "stop_on_error": true,
    })
}

fn signature(parts: &[impl AsRef<[u8]>], key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_ref()));
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether tests that take minutes or gigabytes are asked for.
pub fn long_tests() -> bool {
    let asked = std::env::var_os("PATCHBAY_LONG_TESTS").is_some_and(|value| value == "1");
    if !asked {
        skipped("without PATCHBAY_LONG_TESTS=1");
    }
    asked
}

/// Says that a test was skipped, and why, past the output that the test runner keeps of tests that pass.
pub fn skipped(why: impl std::fmt::Display) {
    use std::io::Write;

    let told = writeln!(std::io::stderr(), "skipped: {why}");
    told.expect("stderr can be written to");
}

fn parse(message: ZmqMessage) -> Received {
    let frames = message.into_vec();
    let delimiter = frames
        .iter()
        .position(|frame| &frame[..] == b"<IDS|MSG>")
        .expect("a delimiter");
    let signature = signature(&frames[delimiter + 2..delimiter + 6], KEY);
    assert_eq!(
        &frames[delimiter + 1][..],
        signature.as_bytes(),
        "the kernel signs what it sends"
    );
    let value = |index: usize| serde_json::from_slice::<Value>(&frames[delimiter + index]).unwrap();
    Received {
        msg_type: value(2)["msg_type"].as_str().unwrap().to_owned(),
        parent: value(3)["msg_id"].as_str().unwrap_or_default().to_owned(),
        metadata: value(4),
        content: value(5),
        buffers: frames[delimiter + 6..].to_vec(),
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect()
}

/// A socket that is known by the session's id. Front ends give all their sockets one identity: it is how
/// a kernel finds the client that it may ask for input.
fn dealer(session: &str) -> DealerSocket {
    let mut options = SocketOptions::default();
    options.peer_identity(session.parse::<PeerIdentity>().unwrap());
    DealerSocket::with_options(options)
}

/// Connects as soon as the kernel has bound the socket.
async fn connect(socket: &mut impl Socket, endpoint: &str) {
    let connected = async {
        while socket.connect(endpoint).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, connected)
        .await
        .expect("the kernel binds its sockets");
}
