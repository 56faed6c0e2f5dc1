//! What a cell was using when it was given up serves the cells after it: tensors, threads that share work, locks, panics.

use std::{fmt::Write as _, time::Duration};

use patchbay_tests::{Client, share_beside_work};
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
async fn the_variables_of_a_model_can_be_read_and_changed() {
    let mut client = Client::start().await;
    client
        .execute(
            "let values = Tensor::ones((600, 600), DType::F32, &Device::Cpu)?; let var = Var::from_tensor(&values)?; \
             let varmap = VarMap::new(); let layer = nn::linear(600, 600, nn::builder(&varmap, DType::F32, &Device::Cpu))?; \
             let mut optimizer = nn::SGD::new(varmap.all_vars(), 0.001)?; \
             let frozen = vec![Var::from_tensor(&values)?, Var::from_tensor(&values)?];",
        )
        .await
        .ok();
    let process = runtime_of(&client);
    for code in [
        "(0..u64::MAX).for_each(|_| drop(var.matmul(&var)));",
        "(0..u64::MAX).for_each(|_| drop(ops::matmul(&var, &values)));",
        "(0..u64::MAX).for_each(|_| var.set(&values).unwrap());",
        "(0..u64::MAX).for_each(|_| drop(layer.forward(&values).unwrap().sqr().unwrap().mean_all()));",
        "(0..u64::MAX).for_each(|_| drop(layer.forward(&values).unwrap().mean_all().unwrap().backward()));",
        "(0..u64::MAX).for_each(|_| drop((frozen[0].matmul(&frozen[1]), frozen[1].exp())));",
    ] {
        give_up(&mut client, &format!("println!(\"go\"); {code}")).await;
        client
            .execute(
                "for var in frozen.iter().chain([&var]).chain(&varmap.all_vars()) { var.set(&var.ones_like()?)?; }\n\
                 let loss = layer.forward(&values)?.mean_all()?;\n\
                 nn::SGD::new(varmap.all_vars(), 0.001)?.backward_step(&loss)?;\n\
                 (loss.to_scalar::<f32>()?, var.matmul(&frozen[0])?.mean_all()?.to_scalar::<f32>()?)",
            )
            .await
            .result("(601.0, 600.0)")
            .ok();
        assert_eq!(runtime_of(&client), process, "{code}");
    }
}

/// An op that takes longer than a good moment is looked for.
#[tokio::test]
async fn a_variable_that_is_being_read_all_the_time_is_named_and_can_be_read() {
    let mut client = Client::start().await;
    client
        .execute("let values = Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?; let var = Var::from_tensor(&values)?; let other = 5;")
        .await
        .ok();
    let process = runtime_of(&client);
    let traceback = give_up(
        &mut client,
        "let (_reads, _) = var.storage_and_layout(); println!(\"go\"); std::thread::park();",
    )
    .await;
    assert!(
        traceback.contains("in the middle of an op that reads variables of `var`"),
        "{traceback}"
    );
    client
        .execute("(other, (&var + 1.0)?.to_vec1::<f32>()?)")
        .await
        .result("(5, [2.0, 3.0])")
        .ok();
    assert_eq!(runtime_of(&client), process);
    // The advice.
    client
        .execute("let var = Var::from_tensor(&var.copy()?)?; var.set(&(&values * 10.0)?)?; var.to_vec1::<f32>()?")
        .await
        .result("[10.0, 20.0]")
        .ok();
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
        let id = client
            .send_cell(&format!("println!(\"go\"); {code}"))
            .await;
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

/// Cells that occupy threads of rayon, on machines with this number of threads.
async fn occupy_threads(count: &str) {
    let cache = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/cache");
    let environment = [
        ("RAYON_NUM_THREADS", count),
        ("PATCHBAY_CACHE_DIR", cache.to_str().unwrap()),
    ];
    let mut client = Client::start_with(&environment).await;
    let Some(mut execution) = crate::crates::from_registry(&mut client, ":dep rayon = \"1\"").await
    else {
        return;
    };
    execution.rest();
    client
        .execute(
            "use rayon::prelude::*; let a = Tensor::ones((300, 300), DType::F32, &Device::Cpu)?; \
             let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);",
        )
        .await
        .ok();
    let process = runtime_of(&client);
    for code in [
        "(0..64).into_par_iter().for_each(|_| std::thread::sleep(std::time::Duration::from_secs(3600)));",
        "(0..u64::MAX).into_par_iter().for_each(|n| { std::hint::black_box(n); });",
        "(0..u64::MAX).into_par_iter().for_each(|n| { std::hint::black_box(vec![n; 100]); });",
        "rayon::join(|| std::thread::park(), || std::thread::park());",
        "rayon::scope(|scope| { for _ in 0..8 { scope.spawn(|_| std::thread::park()); } });",
        "rayon::spawn(|| std::thread::park()); rayon::spawn(|| std::thread::park()); std::thread::park();",
        "pool.install(|| rayon::join(|| std::thread::park(), || std::thread::park()));",
        "(0..u64::MAX).into_par_iter().for_each(|_| drop(a.matmul(&a)));",
        "(0..4).into_par_iter().for_each(|_| (0..u64::MAX).for_each(|_| drop(ops::matmul(&a, &a))));",
    ] {
        give_up(&mut client, &format!("println!(\"go\"); {code}")).await;
        // On the thread of the cells, on one of the cell's own, and in tensors' ops on both.
        client
            .execute(
                "let sum: u64 = (0..100_000u64).into_par_iter().sum(); let joined = rayon::join(|| 1, || 2);\n\
                 let (sender, receiver) = std::sync::mpsc::channel(); rayon::spawn(move || sender.send(3).unwrap());\n\
                 let product = |a: Tensor| ops::matmul(&a, &a).unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();\n\
                 let of_thread = std::thread::spawn({ let a = a.clone(); move || product(a) }).join().unwrap();\n\
                 (sum, joined, receiver.recv()?, product(a.clone()), of_thread, a.matmul(&a)?.mean_all()?.to_scalar::<f32>()?)",
            )
            .await
            .result("(4999950000, (1, 2), 3, 300.0, 300.0, 300.0)")
            .ok();
        assert_eq!(runtime_of(&client), process, "{count} threads: {code}");
        let share = share_beside_work(process);
        assert!(share < 0.5, "{count} threads: {code}: {share} of a processor at rest");
    }
}

#[tokio::test]
async fn threads_of_rayon_that_a_cell_occupies_are_replaced() {
    occupy_threads("4").await;
}

#[tokio::test]
async fn a_single_thread_of_rayon_that_a_cell_occupies_is_replaced() {
    occupy_threads("1").await;
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
    let workers = names.lines().filter(|name| name.starts_with("ops-")).count();
    assert!((1..8).contains(&workers), "{names}");
    client.control("shutdown_request", json!({ "restart": false })).await;
}
