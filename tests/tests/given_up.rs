//! What a cell was using when it was given up serves the cells after it: locks, panics, threads.

use std::{fmt::Write as _, time::Duration};

use patchbay_tests::Client;
use serde_json::json;

use crate::blocked::{begin, end, interrupt, runtime_of};

/// Gives up a cell that has printed `go`. Returns its traceback.
async fn give_up(client: &mut Client, code: &str) -> String {
    let id = begin(client, code).await;
    // Until it is in the middle of what it does.
    tokio::time::sleep(Duration::from_millis(100)).await;
    interrupt(client).await;
    let (reply, traceback) = end(client, &id).await;
    assert_eq!(reply["ename"], "Interrupted", "{code}: {traceback}");
    traceback
}

#[tokio::test]
async fn cells_that_panic_or_look_at_their_frames_without_end_leave_panics_as_they_are() {
    let mut client = Client::start().await;
    client
        .execute("fn fails(n: u64) { if n < u64::MAX { panic!(\"number {n}\") } }")
        .await
        .ok();
    for code in [
        "(0..u64::MAX).for_each(|n| drop(std::panic::catch_unwind(|| fails(n))));",
        "(0..u64::MAX).for_each(|_| drop(std::backtrace::Backtrace::force_capture()));",
        "(0..u64::MAX).for_each(|_| drop(std::backtrace::Backtrace::force_capture().to_string()));",
        "(0..u64::MAX).for_each(|n| drop(std::thread::spawn(move || fails(n)).join()));",
    ] {
        // Threads that panic say so, with and without a front end's patience.
        let id = client.send_cell(&format!("println!(\"go\"); {code}")).await;
        while client.broadcast().await.msg_type != "stream" {}
        interrupt(&mut client).await;
        let (reply, traceback) = end(&mut client, &id).await;
        assert_eq!(reply["ename"], "Interrupted", "{code}: {traceback}");
        let id = client.send_cell("fails(7)").await;
        let (reply, traceback) = end(&mut client, &id).await;
        assert_eq!(reply["evalue"], "number 7", "{code}: {traceback}");
        assert!(traceback.contains("fails"), "{code}: {traceback}");
        client
            .execute(
                "let before = std::panic::take_hook(); std::panic::set_hook(before); std::thread::spawn(|| panic!()).join().is_err()",
            )
            .await
            .stream_with("stderr", &["explicit panic"])
            .result("true");
    }
}

#[tokio::test]
async fn a_lock_that_a_cell_keeps_for_ever_blocks_cells_that_can_be_interrupted() {
    let mut client = Client::start().await;
    client
        .execute(
            "use std::sync::{Arc, Mutex, RwLock}; let shared = Arc::new(Mutex::new(vec![1])); let both = Arc::new(RwLock::new(2)); \
             let other = 5;",
        )
        .await
        .ok();
    let process = runtime_of(&client);
    give_up(
        &mut client,
        "let _one = shared.lock().unwrap(); let _two = both.write().unwrap(); println!(\"go\"); std::thread::park();",
    )
    .await;
    for code in [
        "shared.lock().unwrap().push(2);",
        "let _ = *both.read().unwrap();",
        "std::thread::scope(|scope| { scope.spawn(|| shared.lock().unwrap().push(3)); });",
        "shared.lock().unwrap().push(2);",
    ] {
        give_up(&mut client, &format!("println!(\"go\"); {code}")).await;
        client
            .execute("(other, shared.try_lock().is_err(), both.try_read().is_err())")
            .await
            .result("(5, true, true)")
            .ok();
    }
    assert_eq!(runtime_of(&client), process);
    client
        .execute("let shared = Arc::new(Mutex::new(0)); *shared.lock().unwrap() += 1; let sum = *shared.lock().unwrap(); sum")
        .await
        .result("1")
        .ok();
}

#[tokio::test]
async fn cells_that_are_given_up_leave_no_idle_threads() {
    let mut client = Client::start_with(&[("RAYON_NUM_THREADS", "8")]).await;
    client
        .execute("let a = Tensor::ones((64, 64), DType::F32, &Device::Cpu)?;")
        .await
        .ok();
    let threads = |process: u32| {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let mut names = String::new();
        for task in tasks.flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            writeln!(names, "{}", name.trim()).unwrap();
        }
        names
    };
    let process = runtime_of(&client);
    for _ in 0..4 {
        give_up(
            &mut client,
            "ops::matmul(&a, &a)?; println!(\"go\"); std::thread::park();",
        )
        .await;
        client.execute("ops::matmul(&a, &a)?;").await.ok();
    }
    let names = threads(process);
    let workers = names
        .lines()
        .filter(|name| name.starts_with("ops-"))
        .count();
    assert!((1..8).contains(&workers), "{names}");
    client
        .control("shutdown_request", json!({ "restart": false }))
        .await;
}
