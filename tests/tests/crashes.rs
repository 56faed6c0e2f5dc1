//! What ends the process of the cells is an error of its cell, and the next cell runs.

use patchbay_tests::Client;

async fn crash(code: &str, parts: &[&str]) {
    let mut client = Client::start().await;
    client
        .execute("let precious = 1; fn helper() -> i32 { 5 }")
        .await
        .ok();
    let mut execution = client.execute(code).await;
    let outputs = execution.rest();
    let error = outputs.last().unwrap();
    assert_eq!(error.content["ename"], "ProcessEnded");
    let text = error.content["evalue"].as_str().unwrap();
    for part in parts.iter().chain(&["All variables are lost"]) {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    drop(execution);
    client.execute("precious").await.error(
        "CompileError",
        &["there is no `precious` any more: the process that held it has ended"],
    );
    client.execute("helper()").await.result("5").ok();
}

#[tokio::test]
async fn exit() {
    crash("std::process::exit(3)", &["exited with status 3"]).await;
}

#[tokio::test]
async fn abort() {
    crash("std::process::abort()", &["SIGABRT"]).await;
}

#[tokio::test]
async fn segmentation_fault() {
    crash("unsafe { *(8 as *mut i32) = 1 };", &["SIGSEGV"]).await;
}

#[tokio::test]
async fn stack_overflow() {
    crash(
        "fn deep(n: u64) -> u64 { if n == u64::MAX { 0 } else { 1 + deep(std::hint::black_box(n + 1)) } }\ndeep(0)",
        &["SIG"],
    )
    .await;
}

#[tokio::test]
async fn what_was_printed_before_is_shown() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute("println!(\"last words\"); std::process::exit(1)")
        .await;
    assert_eq!(execution.output("stream")["text"], "last words\n");
    execution.error("ProcessEnded", &["exited with status 1"]);
}
