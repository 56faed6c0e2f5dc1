//! Both engines show the same: here ours against what is committed. The comparison with evcxr is
//! `target/release/examples/differential --engine evcxr`.

use patchbay_tests::{Client, differential};

/// The fewest cases; the suite is not to shrink unseen.
const FEWEST: usize = 190;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_engine_shows_what_is_committed() {
    let mut count = 0;
    let mut problems = Vec::new();
    for file in differential::files() {
        let mut client = Client::start().await;
        for case in differential::read(&file) {
            count += 1;
            if let Some(problem) = differential::run(&mut client, &case, "patchbay").await {
                let file = file.file_name().unwrap().to_string_lossy();
                problems.push(format!("{file}: {}: {problem}", case.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= FEWEST, "{count} cases");
}
