//! Interrupts stop a cell and keep its variables.

use std::time::Duration;

use patchbay_tests::Client;
use serde_json::json;

async fn interrupt_after(client: &mut Client, delay: Duration) {
    tokio::time::sleep(delay).await;
    assert_eq!(
        client.control("interrupt_request", json!({})).await["status"],
        "ok"
    );
}

/// Waits until the running cell has shown something.
async fn wait_for_output(client: &mut Client) {
    while client.broadcast().await.msg_type != "stream" {}
}

async fn expect_interrupted(client: &mut Client, id: &str, parts: &[&str]) {
    let mut text = String::new();
    loop {
        let message = client.broadcast().await;
        if message.msg_type == "error" {
            assert_eq!(message.content["ename"], "Interrupted");
            text = message.content["evalue"].as_str().unwrap().to_owned();
        }
        if message.parent == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(client.shell_reply().await.content["status"], "error");
}

#[tokio::test]
async fn a_loop_stops_and_its_variables_can_be_used() {
    let mut client = Client::start().await;
    client
        .execute("let mut steps = 0u64; let weights = vec![1, 2, 3];")
        .await
        .ok();
    let id = client
        .send_cell("println!(\"go\"); loop { steps += 1; std::hint::black_box(steps); }")
        .await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(50)).await;
    expect_interrupted(&mut client, &id, &["all variables are still there"]).await;
    client
        .execute("(steps > 0, &weights)")
        .await
        .result("(true, [1, 2, 3])")
        .ok();
}

#[tokio::test]
async fn loops_in_functions_and_progress_bars_stop() {
    let mut client = Client::start().await;
    client
        .execute("fn spin() -> u64 { println!(\"go\"); let mut n = 0u64; while n < u64::MAX { n = std::hint::black_box(n + 1) / 2 * 2; } n }")
        .await
        .ok();
    let id = client.send_cell("spin()").await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(50)).await;
    expect_interrupted(&mut client, &id, &["still there"]).await;
    let id = client
        .send_cell("println!(\"go\"); progress(0..).for_each(|_| {});")
        .await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(50)).await;
    expect_interrupted(&mut client, &id, &["still there"]).await;
}

#[tokio::test]
async fn a_second_interrupt_kills_and_says_so() {
    let mut client = Client::start().await;
    client.execute("let precious = 1;").await.ok();
    let id = client
        .send_cell("println!(\"go\"); std::thread::sleep(std::time::Duration::from_secs(600));")
        .await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(10)).await;
    interrupt_after(&mut client, Duration::from_millis(300)).await;
    expect_interrupted(
        &mut client,
        &id,
        &[
            "the second one killed its process",
            "all variables are lost",
        ],
    )
    .await;
    client
        .execute("precious")
        .await
        .error("CompileError", &["there is no `precious` any more"]);
    client.execute("1 + 1").await.result("2").ok();
}

#[tokio::test]
async fn a_cell_that_is_being_compiled_can_be_interrupted() {
    let mut client = Client::start().await;
    // Deeply nested generic calls keep the compiler busy for long.
    let code = format!(
        "fn f<T: Clone>(t: T) -> (T, T) {{ (t.clone(), t) }}\nlet x = {}1{};",
        "f(".repeat(24),
        ")".repeat(24)
    );
    let id = client.send_cell(&code).await;
    interrupt_after(&mut client, Duration::from_millis(100)).await;
    expect_interrupted(&mut client, &id, &["before it ran"]).await;
    client.execute("1 + 1").await.result("2").ok();
}

#[tokio::test]
async fn an_interrupt_without_a_cell_does_nothing() {
    let mut client = Client::start().await;
    client.execute("let x = 1;").await.ok();
    for _ in 0..3 {
        client.control("interrupt_request", json!({})).await;
    }
    while client.broadcast().await.content["execution_state"] != "idle" {}
    let mut idle = 1;
    while idle < 3 {
        idle += usize::from(client.broadcast().await.content["execution_state"] == "idle");
    }
    client.execute("x").await.result("1").ok();
}

#[tokio::test]
async fn input_can_be_interrupted() {
    let mut client = Client::start().await;
    let id = client.send_cell("input(\"? \")?").await;
    client.input_request().await;
    interrupt_after(&mut client, Duration::from_millis(10)).await;
    expect_interrupted(&mut client, &id, &["still there"]).await;
}
