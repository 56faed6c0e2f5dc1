//! Texts that overflow stacks, and messages that are nested deeply.

use std::time::Duration;

use patchbay_tests::{Client, program};
use serde_json::{Value, json};
use zeromq::SocketSend;

fn around(open: &str, inner: &str, close: &str, levels: usize) -> String {
    [&open.repeat(levels), inner, &close.repeat(levels)].concat()
}

/// Constructs that parsers descend into, so many levels deep.
fn nested(levels: usize) -> Vec<(&'static str, String)> {
    let around = |open, inner, close| around(open, inner, close, levels);
    vec![
        ("parentheses", around("(", "1", ")")),
        ("brackets", around("[", "1", "]")),
        ("braces", around("{", "1", "}")),
        (
            "generics",
            format!("let a: Option<{}> = None;", around("Vec<", "u8", ">")),
        ),
        ("if", around("if true { ", "1", " } else { 0 }")),
        ("else if", around("if false { 1 } else ", "{ 1 }", "")),
        (
            "closures",
            format!("let f = {};", around("|_: u8| ", "1", "")),
        ),
        ("sums", around("1+", "1", "")),
        ("signs", around("-", "1i32", "")),
        ("methods", around("", "1u8", ".clone()")),
        (
            "calls",
            format!("fn f(x: u8) -> u8 {{ x }}\n{}", around("f(", "1", ")")),
        ),
        ("match", around("match 1 { _ => ", "1", " }")),
        ("references", format!("let a = {};", around("& ", "1", ""))),
        (
            "function types",
            format!("let a: Option<{}> = None;", around("fn() -> ", "u8", "")),
        ),
        ("patterns", format!("let {} = 1;", around("(", "a", ")"))),
        ("modules", around("mod a { ", "", " }")),
        ("macros", format!("vec![{}];", around("(", "1", ")"))),
        (
            "blocks in strings' place",
            around("println!(\"{}\", ", "1", ");"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_is_an_error_of_the_cell() {
    let mut kernel = Client::start().await;
    kernel.execute("let kept = 7;").await.ok();
    let pid = kernel.pid();
    for levels in [20_000, 33_000] {
        for (name, text) in nested(levels) {
            kernel
                .request("is_complete_request", json!({ "code": text }))
                .await;
            let place = json!({ "code": text, "cursor_pos": text.len(), "detail_level": 0 });
            kernel.request("inspect_request", place.clone()).await;
            kernel.request("complete_request", place).await;
            let execution = kernel.execute(&text).await;
            assert_eq!(execution.reply["status"], "error", "{name}");
            let value = execution.reply["evalue"].as_str().unwrap();
            assert!(
                value.contains("nested too deeply") && value.contains("4096"),
                "{name}: {value}"
            );
            execution.any_end();
        }
    }
    assert_eq!(kernel.pid(), pid);
    kernel.execute("kept").await.result("7").ok();
}

/// What the host still reads may be more than rustc does: its crash is the cell's error.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_compiler_cannot_take_is_an_error_of_the_cell() {
    let mut kernel = Client::start().await;
    kernel.execute("let kept = 7;").await.ok();
    for levels in [300, 700, 1900] {
        for (name, text) in nested(levels) {
            // These are right, and take the compiler minutes.
            if levels > 300 && matches!(name, "references" | "closures" | "function types") {
                continue;
            }
            let status = kernel
                .request("is_complete_request", json!({ "code": text }))
                .await;
            assert!(status["status"].is_string(), "{name}: {status}");
            let execution = kernel.execute(&text).await;
            let reply = execution.reply.clone();
            assert!(
                reply["status"] == "ok" || reply["ename"].is_string(),
                "{name}: {reply}"
            );
            execution.any_end();
        }
    }
    kernel.execute("kept").await.result("7").ok();
}

#[test]
fn notebooks_and_built_programs_say_so_too() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in nested(20_000).into_iter().take(6) {
        for cell in [text.clone(), format!("%%plugin loss/deep\n{text}")] {
            let notebook = json!({
                "cells": [{ "cell_type": "code", "metadata": { "tags": ["parameters"] }, "execution_count": null,
                            "outputs": [], "source": cell }],
                "metadata": {}, "nbformat": 4, "nbformat_minor": 4,
            });
            std::fs::write(folder.path().join("deep.ipynb"), notebook.to_string()).unwrap();
            for arguments in [
                &["run", "deep.ipynb"][..],
                &["build", "deep.ipynb", "-o", "out"],
            ] {
                let output = std::process::Command::new(program())
                    .args(arguments)
                    .current_dir(folder.path())
                    .output()
                    .unwrap();
                let error = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(1), "{name}: {error}");
                assert!(error.contains("nested too deeply"), "{name}: {error}");
            }
        }
    }
}

#[test]
fn a_notebook_of_deep_json_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["[".repeat(500_000), "{\"a\":".repeat(200_000)] {
        std::fs::write(folder.path().join("deep.ipynb"), text).unwrap();
        let output = std::process::Command::new(program())
            .args(["run", "deep.ipynb"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("recursion limit"), "{error}");
    }
}

fn deep_json(levels: usize) -> String {
    around("{\"a\":", "1", "}", levels)
}

/// The runtime holds the variables: no message of a front end may end it.
#[tokio::test(flavor = "multi_thread")]
async fn deep_comm_messages_keep_the_variables() {
    let mut kernel = Client::start().await;
    kernel.execute("let kept = 7;").await.ok();
    kernel
        .execute("patchbay::comm::register_target(\"deep\", |comm, message| comm.send(json!(message.metadata.to_string().len())));")
        .await
        .ok();
    for levels in [1, 100, 120, 124, 125, 126, 127, 128, 1000, 100_000] {
        for kind in ["comm_open", "comm_msg", "comm_close"] {
            let data = if levels < 126 {
                deep_json(levels)
            } else {
                "{}".to_owned()
            };
            let content = json!({
                "comm_id": format!("c{levels}"), "target_name": "deep",
                "data": serde_json::from_str::<Value>(&data).unwrap_or_default(),
            });
            let (_, message) = kernel.signed_with_metadata(kind, &content, &deep_json(levels));
            kernel.shell.send(message).await.unwrap();
        }
    }
    // What the comms say comes before.
    let msg_id = kernel.send_cell("kept").await;
    let mut result = None;
    loop {
        let message = kernel.broadcast().await;
        if message.parent == msg_id && message.msg_type == "execute_result" {
            result = Some(message.content["data"]["text/plain"].clone());
        }
        if message.parent == msg_id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    assert_eq!(result, Some(json!("7")));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_leaves_no_memory_behind() {
    let mut kernel = Client::start().await;
    let small = "let x = 1;\n".repeat(20_000);
    kernel
        .request("is_complete_request", json!({ "code": small }))
        .await;
    kernel
        .request("is_complete_request", json!({ "code": small }))
        .await;
    let (before, _) = kernel.memory();
    for index in 0..20 {
        let text = format!("// {index}\n{small}");
        kernel
            .request("is_complete_request", json!({ "code": text }))
            .await;
    }
    let long = format!("let x = \"{}\";", "x".repeat(50 << 20));
    let answer = kernel
        .request("is_complete_request", json!({ "code": long }))
        .await;
    assert_eq!(answer["status"], "complete");
    // The answer comes before the text is dropped.
    let bound = before + (24 << 20);
    for _ in 0..200 {
        if kernel.memory().0 < bound {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{before} bytes before, {} after", kernel.memory().0);
}

/// The name of a type can be longer than all else: an error that tells it is cut.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_with_types_of_megabytes_is_short() {
    let mut kernel = Client::start().await;
    let text = format!(
        "let f = {}1;\n{}",
        "|_: u8| ".repeat(60),
        "let _: u8 = f(&f);\n".repeat(200)
    );
    let execution = kernel.execute(&text).await;
    let bytes = execution.reply.to_string().len();
    assert_eq!(execution.reply["ename"], "CompileError");
    assert!(bytes < 2 << 20, "{bytes} bytes");
    execution.any_end();
}
