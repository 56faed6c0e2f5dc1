//! Many cells at once.

use std::collections::HashSet;

use patchbay_tests::{Client, ticks};

/// Sends all cells at once; returns the kernel's processor time until the last has ended.
async fn run_all(kernel: &mut Client, cells: &[String]) -> u64 {
    let before = ticks(kernel.pid());
    let mut waiting = HashSet::new();
    for cell in cells {
        waiting.insert(kernel.send_cell(cell).await);
    }
    while !waiting.is_empty() {
        let message = kernel.broadcast().await;
        assert_ne!(message.msg_type, "error", "{}", message.content);
        if message.content["execution_state"] == "idle" {
            waiting.remove(&message.parent);
        }
    }
    let taken = ticks(kernel.pid()) - before;
    for _ in cells {
        assert_eq!(kernel.shell_reply().await.content["status"], "ok");
    }
    taken
}

/// Cells that are found compiled cost the same each, however many wait behind them.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_of_cached_cells_costs_as_much_a_cell_as_a_short_one() {
    let cache = tempfile::tempdir().unwrap();
    let environment = [("PATCHBAY_CACHE_DIR", cache.path().to_str().unwrap())];
    // Items only are checked, not compiled to a library: many of them are cached in little time.
    let cells: Vec<String> = (0..240)
        .map(|number| format!("fn queued{number}() -> usize {{ {number} }}"))
        .collect();
    run_all(&mut Client::start_with(&environment).await, &cells).await;
    let short = {
        let mut kernel = Client::start_with(&environment).await;
        kernel.execute("1").await.result("1").ok();
        run_all(&mut kernel, &cells[..40]).await
    };
    let long = {
        let mut kernel = Client::start_with(&environment).await;
        kernel.execute("1").await.result("1").ok();
        run_all(&mut kernel, &cells).await
    };
    // Six times as many; looking at all that waits for each of them made it thirty times as long. A tick is not exact.
    assert!(
        long < 15 * short.max(5),
        "{short} ticks for 40 cells, {long} for 240"
    );
}
