//! Compiled cells are kept, and never confused.

use patchbay_tests::Client;

fn is_cached(execution: &patchbay_tests::Execution) -> bool {
    execution.metadata["patchbay"]["cached"] == true
}

#[tokio::test]
async fn an_unchanged_notebook_is_not_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", folder.path().to_str().unwrap())];
    let cells = [
        "let x = vec![1, 2];",
        "fn f(x: &[i32]) -> i32 { x.iter().sum() }",
        "f(&x)",
    ];
    for round in 0..2 {
        let mut client = Client::start_with(&environment).await;
        for code in cells {
            let mut execution = client.execute(code).await;
            assert_eq!(is_cached(&execution), round == 1, "{code}");
            execution.rest();
        }
    }
}

#[tokio::test]
async fn what_a_cell_stands_on_is_part_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", folder.path().to_str().unwrap())];
    let mut client = Client::start_with(&environment).await;
    client.execute("fn f() -> i32 { 1 }").await.ok();
    client.execute("f()").await.result("1").ok();
    client.execute("fn f() -> i32 { 2 }").await.ok();
    client.execute("f()").await.result("2").ok();
    client.execute("let v = 1u8;").await.ok();
    client.execute("v / 2").await.result("0").ok();
    client.execute("let v = 1f32;").await.ok();
    client.execute("v / 2.0").await.result("0.5").ok();
    client
        .execute("%opt 3")
        .await
        .stream("stdout", "optimization level: 3\n")
        .ok();
    let execution = client.execute("f()").await.result("2");
    assert!(!is_cached(&execution));
    execution.ok();
}

#[tokio::test]
async fn a_damaged_or_missing_cache_is_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", folder.path().to_str().unwrap())];
    let mut client = Client::start_with(&environment).await;
    client.execute("40 + 2").await.result("42").ok();
    for entry in walk(folder.path()) {
        // A new file in its place: writing into a library that is loaded would break any process.
        std::fs::remove_file(&entry).unwrap();
        std::fs::write(entry, b"damaged").unwrap();
    }
    client.execute("40 + 2").await.result("42").ok();
    std::fs::remove_dir_all(folder.path()).unwrap();
    client.execute("40 + 2").await.result("42").ok();
    client.execute("40 + 3").await.result("43").ok();
    let mut client = Client::start_with(&[("PATCHBAY_CACHE_DIR", "/proc/no/such/folder")]).await;
    client.execute("40 + 4").await.result("44").ok();
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            files.extend(walk(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[tokio::test]
async fn two_kernels_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", folder.path().to_str().unwrap())];
    let (mut one, mut other) = tokio::join!(
        Client::start_with(&environment),
        Client::start_with(&environment)
    );
    let (first, second) = tokio::join!(one.execute("6 * 7"), other.execute("6 * 7"));
    first.result("42").ok();
    second.result("42").ok();
}

#[tokio::test]
async fn cached_programs_share_the_statics_of_a_session() {
    let code = "use std::sync::atomic::*; static N: AtomicUsize = AtomicUsize::new(0); N.fetch_add(1, Ordering::SeqCst)";
    for _ in 0..2 {
        let mut client = Client::start().await;
        client.execute(code).await.result("0").ok();
        client.execute(code).await.result("1").ok();
        client
            .execute("N.load(Ordering::SeqCst)")
            .await
            .result("2")
            .ok();
    }
}

/// candle's loops over all number types, which `maximum` and `clamp` bring along, are hundreds of
/// kilobytes and seconds of compile time. They are in the SDK; see its `instances`.
#[tokio::test]
async fn cells_do_not_compile_what_the_sdk_has_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", folder.path().to_str().unwrap())];
    let mut client = Client::start_with(&environment).await;
    for level in ["0", "2"] {
        client
            .execute(&format!("%opt {level}"))
            .await
            .stream("stdout", &format!("optimization level: {level}\n"))
            .ok();
        client
            .execute(
                "let x = Tensor::new(&[-1f32, 2.0], &device())?.maximum(0.0)?.clamp(0.0, 1.0)?; x.sum(0)?.to_scalar::<f32>()?",
            )
            .await
            .result("1.0")
            .ok();
    }
    let mut libraries = 0;
    for entry in walk(folder.path()) {
        if entry.extension().is_some_and(|extension| extension == "so") {
            let bytes = std::fs::metadata(&entry).unwrap().len();
            assert!(bytes < 60_000, "{}: {bytes} bytes", entry.display());
            libraries += 1;
        }
    }
    assert_eq!(libraries, 2);
}

/// Writes a notebook whose cells stand on each other.
fn chain(path: &std::path::Path) {
    let cells: Vec<serde_json::Value> = (0..6)
        .map(|number| {
            let source = match number {
                0 => "let v0 = 1u64;".to_owned(),
                5 => "println!(\"total {}\", v4 * 2)".to_owned(),
                n => format!("let v{n} = v{} * 10 + {n};", n - 1),
            };
            serde_json::json!({ "cell_type": "code", "id": format!("c{number}"), "execution_count": null,
                "metadata": {}, "outputs": [], "source": source })
        })
        .collect();
    let root =
        serde_json::json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    std::fs::write(path, root.to_string()).unwrap();
}

#[test]
fn a_kernel_that_is_killed_at_any_time_leaves_a_sound_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (notebook, out) = (
        folder.path().join("chain.ipynb"),
        folder.path().join("out.ipynb"),
    );
    chain(&notebook);
    let run = || {
        let mut command = std::process::Command::new(patchbay_tests::program());
        command
            .arg("run")
            .arg(&notebook)
            .arg("-o")
            .arg(&out)
            .env("PATCHBAY_CACHE_DIR", folder.path())
            .stderr(std::process::Stdio::null());
        command
    };
    // In mid-compile, in mid-write, between cells: whatever the machine makes of these times.
    for milliseconds in [5, 20, 60, 100, 130, 160, 200, 250, 300, 400, 500, 700] {
        let mut child = run().spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for _ in 0..2 {
        assert!(run().status().unwrap().success());
        let executed = std::fs::read_to_string(&out).unwrap();
        assert!(executed.contains("total 22468"), "{executed}");
    }
}

#[tokio::test]
async fn a_cache_that_is_removed_under_a_running_kernel_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let environment = [("PATCHBAY_CACHE_DIR", cache.to_str().unwrap())];
    let mut client = Client::start_with(&environment).await;
    client.execute("let v = 20;").await.ok();
    std::fs::remove_dir_all(&cache).unwrap();
    client.execute("v + 1").await.result("21").ok();
    client.execute("v + 1").await.result("21").ok();
    assert!(!walk(&cache).is_empty());
}

/// A file system of a few kilobytes, which is full at once. `None` where none can be mounted.
struct Full(tempfile::TempDir);

impl Full {
    fn mount() -> Option<Full> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            patchbay_tests::skipped("no file system can be mounted here, so no disk can be full");
            return None;
        }
        let full = Full(folder);
        let _ = std::fs::write(full.0.path().join("filler"), vec![0; 16 << 10]);
        Some(full)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0.path())
            .output();
    }
}

#[tokio::test]
async fn a_full_disk_costs_no_cell_and_no_variable() {
    let Some(full) = Full::mount() else { return };
    let environment = [("PATCHBAY_CACHE_DIR", full.0.path().to_str().unwrap())];
    let mut client = Client::start_with(&environment).await;
    client.execute("let v = 20;").await.ok();
    client.execute("v + 1").await.result("21").ok();
    client.execute("v + 1").await.result("21").ok();
}
