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
        .send_cell(
            "steps += 1; println!(\"go\"); loop { steps += 1; std::hint::black_box(steps); }",
        )
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
async fn a_later_interrupt_kills_what_can_neither_be_stopped_nor_given_up_and_says_so() {
    let mut client = Client::start().await;
    client.execute("let precious = 1;").await.ok();
    // A thread that blocks all signals.
    let id = client
        .send_cell(
            "unsafe extern \"C\" { fn pthread_sigmask(how: i32, set: *const [u64; 16], old: *mut [u64; 16]) -> i32; }\n\
             unsafe { pthread_sigmask(2, &[u64::MAX; 16], std::ptr::null_mut()) };\n\
             println!(\"go\"); std::thread::sleep(std::time::Duration::from_secs(600));",
        )
        .await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(10)).await;
    interrupt_after(&mut client, Duration::from_millis(4500)).await;
    expect_interrupted(
        &mut client,
        &id,
        &["neither be stopped nor given up", "all variables are lost"],
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
    // An interrupt that came before the cell is taken would have nothing to stop.
    while client.broadcast().await.msg_type != "execute_input" {}
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

/// Interrupts a cell that has printed `go`, and expects that it stops.
async fn stops(client: &mut Client, code: &str) {
    let id = client.send_cell(code).await;
    wait_for_output(client).await;
    interrupt_after(client, Duration::from_millis(50)).await;
    expect_interrupted(client, &id, &["still there"]).await;
}

#[tokio::test]
async fn what_runs_long_without_a_loop_of_the_users_stops() {
    let mut client = Client::start().await;
    for code in [
        // A slot.
        "let slot = create::<dyn Loss>(\"loss/cross_entropy\", json!({}))?;\n\
         let (x, y) = (Tensor::zeros((8, 3), DType::F32, &device())?, Tensor::zeros(8, DType::U32, &device())?);\n\
         println!(\"go\"); std::iter::repeat(()).for_each(|()| drop(slot.forward(&x, &y)));",
        // A data loader.
        "let frame = forecast::Frame::new((0..400).map(|hour| hour * 3600).collect(), vec![(\"a\".to_owned(), (0..400).map(f64::from).collect())])?;\n\
         let data = forecast::Dataset::new(&frame, forecast::Split::shares(400, 0.6, 0.2)?)?;\n\
         let windows = data.windows(forecast::Part::Train, 8, 4)?;\n\
         println!(\"go\"); std::iter::repeat(()).for_each(|()| windows.batches(16).for_each(drop));",
        // A plot.
        "println!(\"go\"); std::iter::repeat(1.0).for_each(|y| drop(plot::lines().series(\"a\", [y, 2.0]).draw()));",
        "println!(\"go\"); std::iter::repeat(1.0).for_each(|y| drop(plot::bars([\"a\"], [y]).draw()));",
        // Displays.
        "println!(\"go\"); std::iter::repeat(1).for_each(|n| drop(display(&html(n.to_string()))));",
        "let shown = display(&html(\"-\")); println!(\"go\"); std::iter::repeat(1).for_each(|n| shown.update(&html(n.to_string())));",
        // A recursion.
        "fn fib(n: u64) -> u64 { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } } println!(\"go\"); fib(90)",
        // Threads, whose panics reach the cell by `join`.
        "println!(\"go\"); std::thread::spawn(|| loop { std::thread::sleep(std::time::Duration::from_millis(1)); }).join().unwrap();",
    ] {
        stops(&mut client, code).await;
    }
}

#[tokio::test]
async fn a_cell_that_ends_after_an_interrupt_keeps_its_variables_and_the_queue_does_not_run() {
    let mut client = Client::start().await;
    let first = client
        .send_cell(
            "let history = nn::training(10_000_000).run(|step| { step.log(\"loss\", 1.0); \
             if step.index == 1 { println!(\"go\"); } std::thread::sleep(std::time::Duration::from_millis(1)); Ok(()) })?;",
        )
        .await;
    let second = client.send_cell("println!(\"never\")").await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(100)).await;
    expect_interrupted(&mut client, &first, &["its variables are there"]).await;
    let aborted = client.collect(&second).await;
    assert_eq!(aborted.reply["status"], "aborted");
    aborted.nothing_more();
    client
        .execute("(history.interrupted, history.steps > 0)")
        .await
        .result("(true, true)")
        .ok();
}

#[tokio::test]
async fn no_interrupt_is_lost_whenever_it_comes() {
    let mut client = Client::start().await;
    client.execute("let mut n = 0u64;").await.ok();
    let cell = "n = 0; while n < 800_000_000 { n = std::hint::black_box(n + 1); }";
    for attempt in 0..60u64 {
        let id = client.send_cell(cell).await;
        // From before the cell is taken up to after it has begun.
        tokio::time::sleep(Duration::from_micros(attempt * 97)).await;
        interrupt_after(&mut client, Duration::ZERO).await;
        let reply = tokio::time::timeout(Duration::from_secs(240), async {
            loop {
                let reply = client.shell_reply().await;
                if reply.parent == id {
                    break reply;
                }
            }
        });
        let reply = reply.await.expect("the interrupt is not lost");
        // An interrupt that comes before the cell has nothing to stop.
        if reply.content["status"] == "ok" {
            continue;
        }
        assert_eq!(reply.content["ename"], "Interrupted");
    }
}

/// The processes whose command line has this word in it.
fn processes(word: &str) -> usize {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = folders.filter_map(|folder| std::fs::read(folder.path().join("cmdline")).ok());
    commands
        .filter(|command| {
            let mut words = command.split(|byte| *byte == 0);
            words.next() == Some(b"sleep") && words.next() == Some(word.as_bytes())
        })
        .count()
}

async fn wait_until_gone(word: &str) {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if processes(word) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`sleep {word}` is still there");
}

#[tokio::test]
async fn an_interrupt_ends_all_that_a_shell_command_has_started() {
    let mut client = Client::start().await;
    let id = client.send_cell("!echo go; sleep 43211; echo done").await;
    wait_for_output(&mut client).await;
    interrupt_after(&mut client, Duration::from_millis(50)).await;
    expect_interrupted(&mut client, &id, &["the command was interrupted"]).await;
    wait_until_gone("43211").await;
    client
        .execute("!echo on")
        .await
        .stream("stdout", "on\n")
        .ok();
}

#[tokio::test]
async fn what_cells_have_started_ends_with_the_kernel() {
    let mut client = Client::start().await;
    client
        .execute("let child = std::process::Command::new(\"sleep\").arg(\"43212\").spawn()?;")
        .await
        .ok();
    client.send_cell("!echo go; sleep 43213; echo done").await;
    wait_for_output(&mut client).await;
    while processes("43213") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(processes("43212"), 1);
    client
        .control("shutdown_request", json!({ "restart": true }))
        .await;
    assert!(client.wait_for_end().await);
    wait_until_gone("43212").await;
    wait_until_gone("43213").await;
}
