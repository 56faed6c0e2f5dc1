//! What a peer without the key may try, and what happens to the sockets otherwise.

use std::time::Duration;

use patchbay_tests::{Client, program};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use zeromq::{SocketRecv, SocketSend};

/// Generous: a test waits this long only where it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sockets, in the order of [`Client::endpoints`], with what connects to each.
const SOCKETS: [(&str, &str); 5] = [
    ("shell", "DEALER"),
    ("iopub", "SUB"),
    ("stdin", "DEALER"),
    ("control", "DEALER"),
    ("heartbeat", "REQ"),
];

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection without any of ZeroMQ.
async fn connect(endpoint: &str) -> Box<dyn Stream> {
    match endpoint.split_once("://").unwrap() {
        ("tcp", address) => Box::new(TcpStream::connect(address).await.unwrap()),
        (_, path) => Box::new(UnixStream::connect(path).await.unwrap()),
    }
}

fn greeting() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn ready(socket: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend_from_slice(&(socket.len() as u32).to_be_bytes());
    body.extend_from_slice(socket.as_bytes());
    [&[4, body.len() as u8][..], &body].concat()
}

fn long_frame(flags: u8, length: u64) -> Vec<u8> {
    [&[flags | 2][..], &length.to_be_bytes()].concat()
}

/// Sends bytes and waits until the kernel has closed the connection.
async fn is_closed_after(endpoint: &str, bytes: &[u8]) -> bool {
    let mut stream = connect(endpoint).await;
    // The kernel may close it before all has been sent.
    let _ = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .is_ok()
}

async fn frames_that_announce_too_much(mut kernel: Client) {
    let endpoints = kernel.endpoints().clone();
    for (endpoint, (name, peer)) in endpoints.iter().zip(SOCKETS) {
        for before in [
            vec![],
            greeting(),
            [greeting(), ready(peer)].concat(),
            // In the middle of a message.
            [greeting(), ready(peer), vec![1, 1, b'a']].concat(),
        ] {
            for length in [(1 << 30) + 1, 1 << 32, 1 << 40, 1 << 62, u64::MAX] {
                for flags in [0, 1, 4] {
                    let bytes = [&before[..], &long_frame(flags, length)].concat();
                    let closed = is_closed_after(endpoint, &bytes).await;
                    assert!(closed, "{name}: {length} after {} bytes", before.len());
                }
            }
        }
    }
    assert!(kernel.is_alive());
    let (_, most) = kernel.memory();
    assert!(most < 200 << 20, "{most} bytes of memory");
    kernel.execute("1 + 1").await.result("2").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_announce_too_much_end_their_connection_only() {
    frames_that_announce_too_much(Client::start().await).await;
    frames_that_announce_too_much(Client::start_ipc().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_and_does_not_come_takes_no_memory() {
    let mut kernel = Client::start().await;
    let (before, _) = kernel.memory();
    let mut open = Vec::new();
    for (endpoint, (_, peer)) in kernel.endpoints().clone().iter().zip(SOCKETS) {
        for _ in 0..10 {
            let mut stream = connect(endpoint).await;
            let bytes = [
                greeting(),
                ready(peer),
                long_frame(0, 1 << 30),
                vec![7; 100],
            ]
            .concat();
            let _ = stream.write_all(&bytes).await;
            open.push(stream);
        }
    }
    kernel.execute("1 + 1").await.result("2").ok();
    let (_, most) = kernel.memory();
    assert!(most < before + (64 << 20), "{before} bytes, then {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_zmtp_is_shown_the_door() {
    let mut kernel = Client::start().await;
    let mut other = greeting();
    other[12..17].copy_from_slice(b"PLAIN");
    let mut old = greeting();
    old[10] = 1;
    for (endpoint, (name, peer)) in kernel.endpoints().clone().iter().zip(SOCKETS) {
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![0; 10],
            other.clone(),
            old.clone(),
            [greeting(), ready("PULL")].concat(),
            [greeting(), vec![4, 200]].concat().repeat(4),
            [greeting(), b"\x04\x06\x05READY\xff".to_vec(), vec![0; 300]].concat(),
            [greeting(), ready(peer), vec![0xf8, 1, 1]].concat(),
        ] {
            let closed = is_closed_after(endpoint, &bytes).await;
            assert!(closed, "{name}: {bytes:?}");
        }
    }
    kernel.execute("1 + 1").await.result("2").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_shut_nobody_out() {
    let mut kernel = Client::start().await;
    let endpoints = kernel.endpoints().clone();
    let folder = format!("/proc/{}/fd", kernel.pid());
    let descriptors = || std::fs::read_dir(&folder).unwrap().count();
    // Beside those of connections the kernel has one for each file of the library that it holds.
    let before = descriptors();
    let mut open = Vec::new();
    for index in 0..1000 {
        open.push(connect(&endpoints[index % 5]).await);
    }
    let most = descriptors() - before;
    // 32 a socket, and those that are being accepted.
    assert!(most < 180, "{most} descriptors");
    // The old client and a new one are heard, while all of them are open.
    kernel.execute("1 + 1").await.result("2").ok();
    let mut newcomer = kernel.join().await;
    newcomer.execute("2 + 2").await.result("4").ok();
    // The heartbeat comes back, and what never says anything is closed in the end.
    kernel.heartbeat.send("alive".into()).await.unwrap();
    let beat = timeout(PATIENCE, kernel.heartbeat.recv()).await;
    assert_eq!(&beat.unwrap().unwrap().into_vec()[0][..], b"alive");
    for mut stream in open {
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok());
    }
}

/// As many as there may be, all with a handshake: those without the key give way.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_shake_hands_give_way() {
    let mut kernel = Client::start().await;
    // Whose message had the key's signature is no stranger.
    kernel.execute("1").await.result("1").ok();
    let endpoint = kernel.endpoints()[0].clone();
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut stream = connect(&endpoint).await;
        let bytes = [greeting(), ready("DEALER")].concat();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = [0; 64];
        stream.read_exact(&mut answer).await.unwrap();
        open.push(stream);
    }
    kernel.execute("1 + 1").await.result("2").ok();
    let mut newcomer = kernel.join().await;
    newcomer.execute("2 + 2").await.result("4").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_recorded_runs_once() {
    let mut kernel = Client::start().await;
    kernel.execute("let mut runs = 0;").await.ok();
    let content = json!({
        "code": "runs += 1;", "silent": false, "store_history": true, "user_expressions": {},
        "allow_stdin": false, "stop_on_error": true,
    });
    let (msg_id, message) = kernel.signed("execute_request", &content);
    for _ in 0..3 {
        kernel.shell.send(message.clone()).await.unwrap();
    }
    kernel.collect(&msg_id).await.ok();
    // By another connection and another socket, too; not earlier, or the reply would be theirs.
    let mut newcomer = kernel.join().await;
    newcomer.shell.send(message.clone()).await.unwrap();
    kernel.control.send(message).await.unwrap();
    // Once this is answered the copy before it has been read.
    let later = newcomer.send_shell("kernel_info_request", json!({})).await;
    loop {
        let heard = kernel.broadcast().await;
        assert!(
            heard.msg_type == "status" && heard.parent == later,
            "{heard:?}"
        );
        if heard.content["execution_state"] == "idle" {
            break;
        }
    }
    kernel.execute("runs").await.result("1").ok();
    let log = kernel.log();
    assert!(log.contains("has come before"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_name_of_a_client_does_not_get_its_replies() {
    let mut kernel = Client::start().await;
    kernel.execute("1").await.result("1").ok();
    let (_, message) = kernel.signed("kernel_info_request", &json!({}));
    let header: serde_json::Value = serde_json::from_slice(message.get(2).unwrap()).unwrap();
    let session = header["session"].as_str().unwrap().as_bytes().to_vec();
    let mut body =
        b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00".to_vec();
    body.push(session.len() as u8);
    body.extend_from_slice(&session);
    let bytes = [greeting(), vec![4, body.len() as u8], body].concat();
    let mut thief = connect(&kernel.endpoints()[0]).await;
    thief.write_all(&bytes).await.unwrap();
    let mut answer = [0; 64];
    thief.read_exact(&mut answer).await.unwrap();
    for _ in 0..3 {
        kernel.execute("1 + 1").await.result("2").ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_interfaces_are_a_star_in_the_connection_file() {
    let mut kernel = Client::start_on_all_interfaces().await;
    kernel.execute("1 + 1").await.result("2").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_a_dead_kernel_has_left_are_replaced() {
    let mut kernel = Client::start_ipc_after(|beginning| {
        for port in 1..=5 {
            let path = format!("{beginning}-{port}");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            assert!(std::path::Path::new(&path).exists());
        }
    })
    .await;
    kernel.execute("1 + 1").await.result("2").ok();
    let path = kernel.endpoints()[0]
        .strip_prefix("ipc://")
        .unwrap()
        .to_owned();
    kernel
        .control("shutdown_request", json!({ "restart": false }))
        .await;
    assert!(kernel.wait_for_end().await);
    assert!(!std::path::Path::new(&path).exists(), "its own are removed");
}

#[test]
fn a_socket_that_is_in_use_or_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let beginning = folder.path().join("s");
    let file = folder.path().join("c.json");
    let connection = json!({
        "transport": "ipc", "ip": beginning, "key": "", "signature_scheme": "hmac-sha256",
        "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
    });
    std::fs::write(&file, connection.to_string()).unwrap();
    let start = || {
        let output = std::process::Command::new(program())
            .args(["kernel", "--connection-file"])
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let path = folder.path().join("s-1");
    std::fs::write(&path, "thesis").unwrap();
    let error = start();
    assert!(
        error.contains("s-1") && error.contains("no socket"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "thesis");
    std::fs::remove_file(&path).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = start();
    assert!(error.contains("another process listens"), "{error}");
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_signed() {
    use zeromq::{DealerSocket, Socket, ZmqMessage};
    let folder = tempfile::tempdir().unwrap();
    let beginning = folder.path().join("s").to_string_lossy().into_owned();
    let file = folder.path().join("c.json");
    let connection = json!({
        "transport": "ipc", "ip": beginning, "key": "", "signature_scheme": "hmac-sha256",
        "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
    });
    std::fs::write(&file, connection.to_string()).unwrap();
    let _kernel = tokio::process::Command::new(program())
        .args(["kernel", "--connection-file"])
        .arg(&file)
        .current_dir(folder.path())
        .env("PATCHBAY_COMPLETION", "off")
        .env("PATCHBAY_HISTORY", folder.path().join("history.sqlite"))
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut control = DealerSocket::new();
    let endpoint = format!("ipc://{beginning}-4");
    let connected = async {
        while control.connect(&endpoint).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, connected).await.unwrap();
    let header = r#"{"msg_id": "1", "msg_type": "kernel_info_request", "session": "s"}"#;
    let frames = ["<IDS|MSG>", "", header, "{}", "{}", "{}"];
    // Messages without a signature may be equal.
    for _ in 0..2 {
        let frames: Vec<bytes::Bytes> = frames.map(|frame| frame.into()).into();
        control
            .send(ZmqMessage::try_from(frames).unwrap())
            .await
            .unwrap();
        let reply = timeout(PATIENCE, control.recv()).await.unwrap().unwrap();
        let reply = reply.into_vec();
        assert_eq!(
            (&reply[0][..], &reply[1][..]),
            (&b"<IDS|MSG>"[..], &b""[..])
        );
        let header: serde_json::Value = serde_json::from_slice(&reply[2]).unwrap();
        assert_eq!(header["msg_type"], "kernel_info_reply");
    }
}
