//! Several front ends of one kernel, front ends that vanish, sockets that are files.

use patchbay_tests::Client;
use serde_json::json;

/// What a client hears of the output of a cell, its own or another's, up to the cell's end.
async fn heard(client: &mut Client, id: &str) -> String {
    let mut text = String::new();
    loop {
        let message = client.broadcast().await;
        if message.parent != id {
            continue;
        }
        if message.content["execution_state"] == "idle" {
            return text;
        }
        if let Some(part) = message.content["text"].as_str() {
            text.push_str(part);
        }
    }
}

/// Runs a cell of `client` and lets `listener` hear it, too; the plain text of its result.
async fn run(client: &mut Client, listener: &mut Client, code: &str) -> String {
    let id = client.send_cell(code).await;
    let mut execution = client.collect(&id).await;
    heard(listener, &id).await;
    assert_eq!(execution.reply["status"], "ok", "{code}");
    let result = execution.output("execute_result");
    result["data"]["text/plain"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_clients_share_a_kernel() {
    let mut one = Client::start().await;
    let mut other = one.join().await;
    assert_eq!(
        run(
            &mut one,
            &mut other,
            "let shared = vec![1, 2, 3]; shared.len()"
        )
        .await,
        "3"
    );
    assert_eq!(run(&mut other, &mut one, "shared[2]").await, "3");
    // Both hear a cell's output; the reply is for the one that asked.
    let id = other.send_cell("println!(\"from the other\")").await;
    assert_eq!(heard(&mut one, &id).await, "from the other\n");
    assert_eq!(heard(&mut other, &id).await, "from the other\n");
    assert_eq!(other.shell_reply().await.parent, id);
    // Cells of both wait for each other, in the order in which they came.
    let slow = one
        .send_cell("println!(\"go\"); while !std::path::Path::new(\"sent\").exists() { std::thread::sleep(std::time::Duration::from_millis(1)); } let order = 1;")
        .await;
    while one.broadcast().await.msg_type != "stream" {}
    let next = other.send_cell("println!(\"{}\", order + 1)").await;
    std::fs::write(one.folder().join("sent"), "").unwrap();
    heard(&mut one, &slow).await;
    assert_eq!(heard(&mut one, &next).await, "2\n");
    assert_eq!(one.shell_reply().await.parent, slow);
    let reply = other.shell_reply().await;
    assert_eq!(
        (reply.parent, reply.content["status"].clone()),
        (next, json!("ok"))
    );
}

#[tokio::test]
async fn an_input_is_asked_of_the_client_whose_cell_it_is() {
    let one = Client::start().await;
    let mut other = one.join().await;
    let id = other.send_cell("let name = input(\"name? \")?; name").await;
    assert_eq!(other.input_request().await["prompt"], "name? ");
    other.send_input("Ada").await;
    other.collect(&id).await.result("\"Ada\"").ok();
}

#[tokio::test]
async fn a_client_that_vanishes_in_mid_cell_leaves_a_kernel_that_works() {
    let mut one = Client::start().await;
    let mut other = one.join().await;
    let id = other
        .send_cell("for line in 0..20_000 { println!(\"line {line} of an output that its client reads no more\"); } let done = true;")
        .await;
    while one.broadcast().await.msg_type != "stream" {}
    drop(other);
    assert!(heard(&mut one, &id).await.contains("line 19999 "));
    one.execute("done").await.result("true").ok();
    // An input that nobody can answer any more ends with an interrupt.
    let mut other = one.join().await;
    let id = other.send_cell("input(\"still there? \")?").await;
    other.input_request().await;
    drop(other);
    assert_eq!(
        one.control("interrupt_request", json!({})).await["status"],
        "ok"
    );
    heard(&mut one, &id).await;
    one.execute("done as u8 + 1").await.result("2").ok();
}

#[tokio::test]
async fn sockets_can_be_files() {
    let mut client = Client::start_ipc().await;
    assert_eq!(client.welcome.msg_type, "iopub_welcome");
    client.execute("6 * 7").await.result("42").ok();
    let info = client.control("kernel_info_request", json!({})).await;
    assert_eq!(info["implementation"], "patchbay");
    let reply = client
        .control("shutdown_request", json!({ "restart": false }))
        .await;
    assert_eq!(reply["status"], "ok");
    assert!(client.wait_for_end().await);
}
