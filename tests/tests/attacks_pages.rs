//! Notebooks of others: pages of them, and pipes that nobody reads.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use patchbay_tests::{long_tests, program};
use serde_json::{Value, json};

fn write(folder: &Path, cells: &Value) {
    let notebook = json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4 });
    fs::write(folder.join("in.ipynb"), notebook.to_string()).unwrap();
}

fn code(source: &str) -> Value {
    json!({ "cell_type": "code", "metadata": {}, "execution_count": null, "outputs": [], "source": source })
}

#[test]
fn a_page_holds_nothing_of_other_folders_and_no_markup_of_pictures() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.png");
    fs::write(&secret, b"secret").unwrap();
    std::os::unix::fs::symlink(&secret, folder.path().join("link.png")).unwrap();
    fs::write(folder.path().join("own.png"), b"own").unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let text = format!(
        "![a]({}) ![b](../{name}/secret.png) ![c](link.png) ![d](own.png)",
        secret.display()
    );
    let hostile = json!({
        "cell_type": "code", "metadata": { "tags": ["skip-execution"] }, "execution_count": 1, "source": "x",
        "outputs": [{ "output_type": "display_data", "metadata": {},
                      "data": { "image/png": "AAAA\" onerror=\"alert(1)" } }],
    });
    write(
        folder.path(),
        &json!([{ "cell_type": "markdown", "metadata": {}, "source": text }, hostile]),
    );
    let status = Command::new(program())
        .args(["run", "in.ipynb", "--html", "out.html"])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.path().join("out.html")).unwrap();
    // "secret" and "own" in base64.
    assert!(!page.contains("c2VjcmV0"), "{page}");
    assert!(page.contains("b3du"), "{page}");
    assert!(!page.contains("onerror"), "{page}");
}

/// Whatever the program prints to, its reader may go at any time.
#[test]
fn a_pipe_that_nobody_reads_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let cells: Vec<Value> = (0..30)
        .map(|index| code(&format!("println!(\"{index}\");")))
        .collect();
    write(folder.path(), &json!(cells));
    for arguments in [
        &["run", "in.ipynb", "-o", "out.ipynb"][..],
        &["doctor"],
        &["plugin", "list"],
        &["run", "missing.ipynb"],
        &["--help"],
    ] {
        let run = |stdout, stderr| {
            let mut child = Command::new(program())
                .args(arguments)
                .current_dir(folder.path())
                .env("RUST_BACKTRACE", "1")
                .stdout(stdout)
                .stderr(stderr)
                .spawn()
                .unwrap();
            // The other ends are closed at once, before anything is written.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().unwrap()
        };
        let expected = run(Stdio::null(), Stdio::null());
        for status in [
            run(Stdio::piped(), Stdio::piped()),
            run(Stdio::null(), Stdio::piped()),
            run(Stdio::piped(), Stdio::null()),
        ] {
            assert_eq!(status.code(), expected.code(), "{arguments:?}");
        }
    }
    assert!(folder.path().join("out.ipynb").exists());
    // With a reader on stderr, there is no panic to read either.
    let mut child = Command::new(program())
        .args(["run", "in.ipynb"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    assert!(!error.contains("panicked"), "{error}");
    assert!(child.wait().unwrap().success());
}

/// Runs a notebook and returns the most memory that the program took, without its children, in bytes.
fn peak_of_page(folder: &Path) -> u64 {
    let script = format!(
        "import resource, subprocess, sys\n\
         subprocess.run([{:?}, 'run', 'in.ipynb', '--html', 'out.html'], check=True, stderr=subprocess.DEVNULL)\n\
         print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)",
        program()
    );
    let output = Command::new("python3")
        .args(["-c", &script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

fn pages_are_small_beside_their_notebook(bytes: usize) {
    let skipped = json!({ "tags": ["skip-execution"] });
    let line = "x<1 ".repeat(bytes / 4);
    for cell in [
        json!({ "cell_type": "code", "metadata": skipped, "execution_count": 1, "source": "x", "outputs": [
            { "output_type": "stream", "name": "stdout", "text": line }] }),
        json!({ "cell_type": "code", "metadata": skipped, "execution_count": 1, "source": "x", "outputs": [
            { "output_type": "stream", "name": "stdout", "text": format!("{line}\r{line}\n") }] }),
        json!({ "cell_type": "code", "metadata": skipped, "execution_count": 1, "source": "x", "outputs": [
            { "output_type": "display_data", "metadata": {}, "data": { "image/png": "A".repeat(bytes) } }] }),
        json!({ "cell_type": "code", "metadata": skipped, "execution_count": 1, "source": line, "outputs": [] }),
        json!({ "cell_type": "raw", "metadata": {}, "source": line }),
        json!({ "cell_type": "markdown", "metadata": {}, "source": "word ".repeat(bytes / 5) }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &json!([cell]));
        let size = fs::metadata(folder.path().join("in.ipynb")).unwrap().len();
        let peak = peak_of_page(folder.path());
        let page = fs::metadata(folder.path().join("out.html")).unwrap().len();
        assert!(page >= bytes as u64, "{page}");
        assert!(
            peak < 4 * size.max(page) + (256 << 20),
            "{peak} bytes for {size} of {}",
            cell["cell_type"]
        );
    }
}

#[test]
fn a_page_of_a_long_line_takes_little_more_than_the_line() {
    pages_are_small_beside_their_notebook(40_000_000);
}

#[test]
fn a_page_of_a_line_of_300_megabytes_takes_little_more_than_the_line() {
    if long_tests() {
        pages_are_small_beside_their_notebook(300_000_000);
    }
}
