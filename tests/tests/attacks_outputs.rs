//! Outputs: more than anybody reads, larger or deeper than can be shown, and sockets that a cell closes.

use std::time::Duration;

use patchbay_tests::{Client, long_tests, share_beside_work};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use zeromq::SocketRecv;

/// After this time something will never come.
const PATIENCE: Duration = Duration::from_secs(600);

/// Reads a cell's outputs to its end without keeping them; returns the bytes of its streams.
async fn count_streams(kernel: &mut Client, msg_id: &str) -> usize {
    let mut bytes = 0;
    loop {
        let message = kernel.broadcast().await;
        if message.parent != msg_id {
            continue;
        }
        if message.msg_type == "stream" && message.content["name"] == "stdout" {
            bytes += message.content["text"].as_str().unwrap().len();
        }
        assert!(
            !message.content.to_string().contains("left out"),
            "{}",
            message.content
        );
        if message.content["execution_state"] == "idle" {
            let reply = kernel.shell_reply().await;
            assert_eq!(reply.content["status"], "ok", "{}", reply.content);
            return bytes;
        }
    }
}

fn prints(megabytes: usize) -> String {
    format!(
        "let line = \"x\".repeat(9_999); for _ in 0..{} {{ println!(\"{{line}}\"); }}",
        megabytes * 100
    )
}

async fn all_arrives(megabytes: usize) {
    let mut kernel = Client::start().await;
    let (before, _) = kernel.memory();
    let msg_id = kernel.send_cell(&prints(megabytes)).await;
    assert_eq!(
        count_streams(&mut kernel, &msg_id).await,
        megabytes * 1_000_000
    );
    let (_, most) = kernel.memory();
    assert!(
        most < before + (300 << 20),
        "{before} bytes before, {most} at most"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_reaches_a_client_that_reads() {
    all_arrives(400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_reaches_a_client_that_reads() {
    if long_tests() {
        all_arrives(1100).await;
    }
}

/// A subscriber of everything that reads nothing until it is told to.
async fn silent_subscriber(kernel: &Client) -> TcpStream {
    let address = kernel.endpoints()[1].strip_prefix("tcp://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut greeting = vec![0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB".to_vec();
    let ready = [&[4, ready.len() as u8 - 2][..], &ready[2..]].concat();
    stream
        .write_all(&[greeting, ready, vec![0, 1, 1]].concat())
        .await
        .unwrap();
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_loses_alone_and_is_told() {
    let mut kernel = Client::start().await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(silent_subscriber(&kernel).await);
    }
    let (before, _) = kernel.memory();
    let msg_id = kernel.send_cell(&prints(700)).await;
    assert_eq!(count_streams(&mut kernel, &msg_id).await, 700_000_000);
    kernel.execute("1 + 1").await.result("2").ok();
    let (_, most) = kernel.memory();
    assert!(
        most < before + (700 << 20),
        "{before} bytes before, {most} at most"
    );
    // Reading on, each finds a note for either cell, and the statuses of both.
    for mut stream in silent {
        let read = async {
            let (mut tail, mut idle, mut told) = (Vec::new(), 0, 0);
            let mut piece = vec![0; 1 << 20];
            while idle < 2 {
                let count = stream.read(&mut piece).await.unwrap();
                assert!(count > 0, "the connection is kept");
                let kept = tail.len();
                tail.extend_from_slice(&piece[..count]);
                let found = |needle: &[u8]| {
                    // A match that ends in what was searched before is counted already.
                    let ends = tail.windows(needle.len()).enumerate();
                    ends.filter(|(at, window)| at + needle.len() > kept && *window == needle)
                        .count()
                };
                idle += found(b"\"execution_state\":\"idle\"");
                told += found(b"were left out for this client");
                let start = tail.len().saturating_sub(100);
                tail.drain(..start);
            }
            told
        };
        let told = timeout(PATIENCE, read).await.expect("both cells' ends");
        assert!((1..=2).contains(&told), "told {told} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_cannot_be_shown_fail_their_cell() {
    let mut kernel = Client::start().await;
    kernel.execute("let kept = 7;").await.ok();
    let nested = |levels: usize| {
        format!(
            "let mut value = serde_json::json!(1);\nfor _ in 0..{levels} {{ value = serde_json::json!([value]); }}\n\
             let plain = patchbay::display::json_tree(value);\n"
        )
    };
    // What this client's own parser takes, with some levels around it.
    for levels in [1, 100, 120] {
        let execution = kernel
            .execute(&format!("{}display(&plain);", nested(levels)))
            .await;
        assert_eq!(
            execution.reply["status"], "ok",
            "{levels}: {}",
            execution.reply
        );
        execution.any_end();
    }
    for levels in [128, 200, 2000] {
        let execution = kernel
            .execute(&format!("{}display(&plain);", nested(levels)))
            .await;
        let value = execution.reply["evalue"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            value.contains(&format!("nested {levels} levels deep")),
            "{}",
            execution.reply
        );
        assert!(value.contains("application/json"), "{value}");
        execution.any_end();
    }
    kernel.execute("kept").await.result("7").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_too_large_fails_its_cell() {
    if !long_tests() {
        return;
    }
    let mut kernel = Client::start().await;
    kernel.execute("let kept = 7;").await.ok();
    let msg_id = kernel.send_cell("html(\"x\".repeat((1 << 30) + 10))").await;
    let reply = timeout(PATIENCE, kernel.shell.recv())
        .await
        .unwrap()
        .unwrap();
    let reply = String::from_utf8_lossy(&reply.into_vec()[5]).into_owned();
    assert!(
        reply.contains("left out") && reply.contains("1.0 GiB"),
        "{reply}"
    );
    loop {
        let message = kernel.broadcast().await;
        if message.parent == msg_id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    kernel.execute("kept").await.result("7").ok();
}

/// Whatever a cell does to its process's descriptors, the kernel goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_closes_the_way_to_the_kernel_can_be_stopped() {
    let mut kernel = Client::start().await;
    for (function, arguments) in [("shutdown", ", how: i32"), ("close", "")] {
        for (how, ends) in [
            (
                1,
                "loop { std::thread::sleep(std::time::Duration::from_millis(10)); }",
            ),
            (2, ""),
            (0, "1"),
        ] {
            if function == "close" && how == 0 {
                continue;
            }
            let passed = if arguments.is_empty() {
                String::new()
            } else {
                format!(", {how}")
            };
            let code = format!(
                "unsafe extern \"C\" {{ fn {function}(fd: i32{arguments}) -> i32; }}\n\
                 for fd in 3..64 {{ unsafe {{ {function}(fd{passed}); }} }}\n{ends}"
            );
            let msg_id = kernel.send_cell(&code).await;
            // A thread that waits in a call keeps what is closed open: then nothing shows before an interrupt.
            let by_itself = timeout(Duration::from_secs(5), kernel.shell_reply()).await;
            let reply = match by_itself {
                Ok(reply) => reply,
                Err(_) => {
                    kernel.control("interrupt_request", json!({})).await;
                    kernel.shell_reply().await
                }
            };
            assert_eq!(
                (reply.parent, &reply.content["status"]),
                (msg_id.clone(), &json!("error"))
            );
            loop {
                let message = kernel.broadcast().await;
                if message.parent == msg_id && message.content["execution_state"] == "idle" {
                    break;
                }
            }
            kernel.execute("1 + 1").await.result("2").ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_closes_its_standard_streams_costs_nothing() {
    let mut kernel = Client::start().await;
    kernel
        .execute(
            "unsafe extern \"C\" { fn close(fd: i32) -> i32; }\nunsafe { close(1); close(2); }",
        )
        .await
        .any_end();
    let share = share_beside_work(kernel.pid());
    assert!(share < 0.5, "{share} of a processor at rest");
    kernel.execute("40 + 2").await.result("42").ok();
}
