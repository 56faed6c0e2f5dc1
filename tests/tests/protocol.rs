//! Jupyter's messaging protocol.

use std::time::Duration;

use bytes::Bytes;
use patchbay_tests::Client;
use serde_json::json;
use zeromq::{SocketRecv, SocketSend, ZmqMessage};

#[tokio::test]
async fn subscribers_are_welcomed() {
    let client = Client::start().await;
    assert_eq!(client.welcome.msg_type, "iopub_welcome");
    assert_eq!(client.welcome.content, json!({ "subscription": "" }));
}

#[tokio::test]
async fn the_kernel_says_what_it_is() {
    let mut client = Client::start().await;
    for info in [
        client.request("kernel_info_request", json!({})).await,
        client.control("kernel_info_request", json!({})).await,
    ] {
        assert_eq!(info["status"], "ok");
        assert_eq!(info["protocol_version"], "5.5");
        assert_eq!(info["implementation"], "patchbay");
        assert_eq!(info["language_info"]["name"], "rust");
        assert_eq!(info["language_info"]["file_extension"], ".rs");
        // nbconvert has no exporter of the name "rust"; its own for scripts goes by the extension.
        assert_eq!(info["language_info"]["nbconvert_exporter"], "script");
        assert!(
            info["language_info"]["version"]
                .as_str()
                .unwrap()
                .starts_with("1.")
        );
    }
}

#[tokio::test]
async fn heartbeats_come_back() {
    let mut client = Client::start().await;
    client
        .heartbeat
        .send(ZmqMessage::from("ping"))
        .await
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(240), client.heartbeat.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.into_vec(), [Bytes::from_static(b"ping")]);
}

#[tokio::test]
async fn forged_and_malformed_messages_are_dropped_and_logged() {
    let mut client = Client::start().await;
    client
        .send_forged(
            "execute_request",
            json!({ "code": "std::process::exit(1)" }),
        )
        .await;
    client.shell.send(ZmqMessage::from("noise")).await.unwrap();
    let frames: Vec<Bytes> = ["<IDS|MSG>", "00", "{", "}"]
        .map(Bytes::from_static_str)
        .into();
    client
        .shell
        .send(ZmqMessage::try_from(frames).unwrap())
        .await
        .unwrap();
    client.send_shell("nonsense_request", json!({})).await;
    loop {
        if client.broadcast().await.content["execution_state"] == "idle" {
            break;
        }
    }
    client.execute("1 + 1").await.result("2").ok();
    let log = client.log();
    for part in [
        "the signature is wrong",
        "no <IDS|MSG> frame",
        "nonsense_request",
    ] {
        assert!(log.contains(part), "{part:?} is not in {log}");
    }
}

trait FromStaticStr {
    fn from_static_str(text: &'static str) -> Bytes;
}

impl FromStaticStr for Bytes {
    fn from_static_str(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }
}

#[tokio::test]
async fn texts_are_complete_incomplete_or_invalid() {
    let mut client = Client::start().await;
    for (code, status) in [
        ("1 + 1", "complete"),
        ("fn f() {", "incomplete"),
        ("let = 1;", "invalid"),
    ] {
        assert_eq!(
            client
                .request("is_complete_request", json!({ "code": code }))
                .await["status"],
            status,
            "{code}"
        );
    }
    let reply = client
        .request("is_complete_request", json!({ "code": "if true {" }))
        .await;
    assert_eq!(reply["indent"], "    ");
}

#[tokio::test]
async fn cells_are_counted_from_one_and_silent_ones_not_at_all() {
    let mut client = Client::start().await;
    let execution = client.execute("1;").await;
    assert_eq!(execution.reply["execution_count"], 1);
    execution.ok();
    let execution = client
        .execute_with("println!(\"quiet\"); 5", json!({ "silent": true }))
        .await;
    assert_eq!(execution.reply["execution_count"], 1);
    execution.ok();
    let execution = client
        .execute_with("2;", json!({ "store_history": false }))
        .await;
    assert_eq!(execution.reply["execution_count"], 1);
    execution.ok();
    let execution = client.execute("3").await.result("3");
    assert_eq!(execution.reply["execution_count"], 2);
    execution.ok();
    let history = client
        .request(
            "history_request",
            json!({ "hist_access_type": "tail", "n": 10, "output": false, "raw": true }),
        )
        .await;
    assert_eq!(history["history"], json!([[1, 1, "1;"], [1, 2, "3"]]));
}

#[tokio::test]
async fn queued_cells_are_aborted_with_a_failed_one() {
    let mut client = Client::start().await;
    let first = client.send_cell("panic!(\"stop\")").await;
    let second = client.send_cell("println!(\"never\")").await;
    client.collect(&first).await.error("Panic", &["stop"]);
    let aborted = client.collect(&second).await;
    assert_eq!(aborted.reply["status"], "aborted");
    aborted.nothing_more();
    // What is sent after the reply is meant to run.
    client.execute("1").await.result("1").ok();
    let mut content = json!({ "code": "panic!()", "stop_on_error": false, "silent": false, "store_history": true });
    let first = client.send_shell("execute_request", content.clone()).await;
    content["code"] = json!("2");
    let second = client.send_shell("execute_request", content).await;
    client.collect(&first).await.error("Panic", &[]);
    client.collect(&second).await.result("2").ok();
}

#[tokio::test]
async fn expressions_of_the_user_are_evaluated() {
    let mut client = Client::start().await;
    let execution = client
        .execute_with(
            "let x = 3;",
            json!({ "user_expressions": { "good": "x + 1", "bad": "y" } }),
        )
        .await;
    let values = &execution.reply["user_expressions"];
    assert_eq!(values["good"]["data"]["text/plain"], "4");
    assert_eq!(
        (
            values["bad"]["status"].as_str(),
            values["bad"]["ename"].as_str()
        ),
        (Some("error"), Some("CompileError"))
    );
    execution.ok();
}

#[tokio::test]
async fn expressions_of_the_user_cannot_ask() {
    let mut client = Client::start().await;
    let execution = client
        .execute_with(
            "1;",
            json!({ "user_expressions": { "asks": "input(\"?\")?" } }),
        )
        .await;
    let value = &execution.reply["user_expressions"]["asks"];
    assert_eq!(value["status"], "error");
    let text = value["evalue"].as_str().unwrap();
    assert!(text.contains("does not allow input requests"), "{text}");
    execution.ok();
}

#[tokio::test]
async fn the_last_status_of_a_cell_is_idle_whatever_is_asked_beside_it() {
    let mut client = Client::start().await;
    client.execute("1;").await.ok();
    let mut last = std::collections::HashMap::new();
    let mut cells = Vec::new();
    for _ in 0..40 {
        cells.push(client.send_cell("1;").await);
        for _ in 0..20 {
            client.control("kernel_info_request", json!({})).await;
        }
    }
    let mut replied = 0;
    while replied < cells.len() {
        replied += usize::from(cells.contains(&client.shell_reply().await.parent));
    }
    // The idle of one more cell stands behind all that was still on its way.
    let end = client.send_cell("1;").await;
    loop {
        let message = client.broadcast().await;
        if let Some(state) = message.content["execution_state"].as_str() {
            if (message.parent.as_str(), state) == (end.as_str(), "idle") {
                break;
            }
            last.insert(message.parent, state.to_owned());
        }
    }
    for cell in cells {
        assert_eq!(last[&cell], "idle");
    }
}

#[tokio::test]
async fn the_phases_of_a_cell_are_timed() {
    let mut client = Client::start().await;
    let execution = client
        .execute("std::thread::sleep(std::time::Duration::from_millis(50));")
        .await;
    let times = &execution.metadata["patchbay"];
    assert!(times["run_ms"].as_f64().unwrap() >= 50.0, "{times}");
    execution.ok();
}

#[tokio::test]
async fn questions_are_answered_while_a_cell_runs() {
    let mut client = Client::start().await;
    let id = client
        .send_cell("println!(\"go\"); while !interrupt::requested() { std::thread::sleep(std::time::Duration::from_millis(1)); }")
        .await;
    while client.broadcast().await.msg_type != "stream" {}
    let info = client.request("kernel_info_request", json!({})).await;
    assert_eq!(info["implementation"], "patchbay");
    // Front ends show the last status, and the cell is still running.
    let status = client.broadcast().await;
    assert_eq!(
        (status.parent.as_str(), &status.content["execution_state"]),
        (id.as_str(), &json!("busy"))
    );
    client.control("interrupt_request", json!({})).await;
    while client.shell_reply().await.parent != id {}
}

#[tokio::test]
async fn shutdown_answers_with_the_restart_flag() {
    let mut client = Client::start().await;
    client.execute("let x = 1;").await.ok();
    let reply = client
        .control("shutdown_request", json!({ "restart": true }))
        .await;
    assert_eq!(
        (reply["status"].as_str(), reply["restart"].as_bool()),
        (Some("ok"), Some(true))
    );
    assert!(client.wait_for_end().await);
}

#[tokio::test]
async fn shutdown_works_while_a_cell_runs() {
    let mut client = Client::start().await;
    client
        .send_cell(
            "println!(\"go\"); loop { std::thread::sleep(std::time::Duration::from_secs(60)); }",
        )
        .await;
    while client.broadcast().await.msg_type != "stream" {}
    assert_eq!(
        client
            .control("shutdown_request", json!({ "restart": false }))
            .await["status"],
        "ok"
    );
    assert!(client.wait_for_end().await);
}

#[tokio::test]
async fn a_hundred_thousand_messages_arrive_in_order() {
    let mut client = Client::start().await;
    let id = client.send_cell("let shown = display(&html(\"-\")); for i in 0..100_000 { shown.update(&html(i.to_string())); }").await;
    let mut expected = 0;
    loop {
        let message = client.broadcast().await;
        if message.msg_type == "update_display_data" {
            assert_eq!(message.content["data"]["text/html"], expected.to_string());
            expected += 1;
        }
        if message.parent == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    assert_eq!(expected, 100_000);
    client.shell_reply().await;
}
