//! History, subshells and usage: requests that are answered without a cell.

use patchbay_tests::Client;
use serde_json::json;

#[tokio::test]
async fn cells_of_earlier_sessions_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.sqlite");
    let setting = [("PATCHBAY_HISTORY", file.to_str().unwrap())];
    let mut first = Client::start_with(&setting).await;
    first.execute("6 * 7").await.result("42").ok();
    first
        .execute_with("let hidden = 1;", json!({ "store_history": false }))
        .await
        .ok();
    first
        .control("shutdown_request", json!({ "restart": false }))
        .await;
    assert!(first.wait_for_end().await);

    let mut second = Client::start_with(&setting).await;
    second.execute("let größe = 6 * 7;").await.ok();
    let tail = json!({ "hist_access_type": "tail", "n": 5, "output": true, "raw": true });
    let history = second.request("history_request", tail).await;
    assert_eq!(
        history["history"],
        json!([
            [1, 1, ["6 * 7", "42"]],
            [2, 1, ["let größe = 6 * 7;", null]]
        ])
    );
    let range = json!({ "hist_access_type": "range", "session": -1, "start": 1, "stop": 9 });
    let history = second.request("history_request", range).await;
    assert_eq!(history["history"], json!([[1, 1, "6 * 7"]]));
    let search = json!({ "hist_access_type": "search", "pattern": "*6?*", "n": 1, "unique": true });
    let history = second.request("history_request", search).await;
    assert_eq!(history["history"], json!([[2, 1, "let größe = 6 * 7;"]]));
}

#[tokio::test]
async fn subshells_are_made_listed_and_deleted_and_errors_stay_on_their_own() {
    let mut client = Client::start().await;
    let info = client.request("kernel_info_request", json!({})).await;
    let features = info["supported_features"].as_array().unwrap();
    assert!(features.contains(&json!("kernel subshells")));
    let made = client.control("create_subshell_request", json!({})).await;
    let id = made["subshell_id"].as_str().unwrap().to_owned();
    let list = client.control("list_subshell_request", json!({})).await;
    assert_eq!(list["subshell_id"], json!([id]));

    let cell = |code: &str| json!({ "code": code, "stop_on_error": true });
    let failing = client.send_shell("execute_request", cell("panic!()")).await;
    let other = client
        .send_to_subshell(Some(&id), "execute_request", cell("1 + 1"), &[])
        .await;
    let waiting = client.send_shell("execute_request", cell("2")).await;
    let replies = [
        client.shell_reply().await,
        client.shell_reply().await,
        client.shell_reply().await,
    ];
    let status = |id: &str| {
        let reply = replies.iter().find(|reply| reply.parent == id).unwrap();
        reply.content["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        [status(&failing), status(&other), status(&waiting)],
        ["error", "ok", "aborted"]
    );

    let deleted = client
        .control("delete_subshell_request", json!({ "subshell_id": id }))
        .await;
    assert_eq!(deleted["status"], "ok");
    let again = client
        .control("delete_subshell_request", json!({ "subshell_id": id }))
        .await;
    assert_eq!(again["status"], "error");
    let lost = client
        .send_to_subshell(Some(&id), "execute_request", cell("3"), &[])
        .await;
    let reply = client.shell_reply().await;
    assert_eq!(
        (reply.parent, &reply.content["status"]),
        (lost, &json!("error"))
    );
}

#[tokio::test]
async fn the_usage_covers_the_processes_of_the_kernel() {
    let mut client = Client::start().await;
    let before = client.control("usage_request", json!({})).await;
    assert_eq!(before["pid"], client.pid());
    let cell = client
        .send_cell("let big = Tensor::ones((1 << 25,), DType::F32, &Device::Cpu)?;")
        .await;
    while client.shell_reply().await.parent != cell {}
    let after = client.control("usage_request", json!({})).await;
    let memory = |usage: &serde_json::Value| usage["kernel_memory"].as_f64().unwrap();
    // The tensor, 128 MiB, is in another process than the one that answers.
    assert!(memory(&after) - memory(&before) > 1e8, "{before} {after}");
    assert!(after["host_virtual_memory"]["total"].as_f64().unwrap() > memory(&after));
}
