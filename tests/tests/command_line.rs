//! The command line, with good and bad input.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use patchbay_tests::program;
use serde_json::{Value, json};

fn patchbay(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    patchbay_tests::without_colors(&String::from_utf8_lossy(&output.stderr))
}

fn notebook(folder: &Path, cells: &[&str]) {
    let cells: Vec<Value> = cells
        .iter()
        .map(|code| json!({ "cell_type": "code", "metadata": {}, "execution_count": null, "outputs": [], "source": code }))
        .collect();
    let content =
        json!({ "cells": cells, "metadata": { "kept": 1 }, "nbformat": 4, "nbformat_minor": 4 });
    fs::write(folder.join("in.ipynb"), content.to_string()).unwrap();
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_notebook_is_executed() {
    let folder = tempfile::tempdir().unwrap();
    notebook(
        folder.path(),
        &[
            "let x = 20;\nprintln!(\"hi\");",
            "x + 1",
            "display(&html(\"<b>bold</b>\"));",
        ],
    );
    let output = patchbay(
        folder.path(),
        &["run", "in.ipynb", "-o", "out.ipynb", "--html", "out.html"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let executed = read(&folder.path().join("out.ipynb"));
    assert_eq!(executed["metadata"]["kept"], 1);
    assert_eq!(executed["cells"][0]["outputs"][0]["text"], json!(["hi\n"]));
    assert_eq!(
        executed["cells"][1]["outputs"][0]["data"]["text/plain"],
        json!(["21"])
    );
    assert_eq!(executed["cells"][1]["execution_count"], 2);
    let page = fs::read_to_string(folder.path().join("out.html")).unwrap();
    assert!(page.contains("<b>bold</b>") && page.contains("21"));
}

#[test]
fn the_first_error_stops_the_run_unless_errors_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    notebook(
        folder.path(),
        &["let v = vec![1];", "v[5]", "println!(\"after\");"],
    );
    let output = patchbay(folder.path(), &["run", "in.ipynb", "-o", "out.ipynb"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("cell [2] failed") && text.contains("index out of bounds"),
        "{text}"
    );
    let executed = read(&folder.path().join("out.ipynb"));
    assert_eq!(executed["cells"][1]["outputs"][0]["ename"], "Panic");
    assert_eq!(executed["cells"][2]["outputs"], json!([]));
    let output = patchbay(
        folder.path(),
        &["run", "in.ipynb", "-o", "out.ipynb", "--allow-errors"],
    );
    assert!(output.status.success());
    assert_eq!(
        read(&folder.path().join("out.ipynb"))["cells"][2]["outputs"][0]["text"],
        json!(["after\n"])
    );
}

#[test]
fn a_cell_that_takes_too_long_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    notebook(folder.path(), &["loop { std::hint::black_box(1); }"]);
    let output = patchbay(folder.path(), &["run", "in.ipynb", "--timeout", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("the cell took longer than 2 s"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn bad_notebooks_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.ipynb"), "{ \"cells\": [").unwrap();
    let output = patchbay(folder.path(), &["run", "in.ipynb"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("in.ipynb is not a notebook that can be run"),
        "{}",
        stderr(&output)
    );
    let output = patchbay(folder.path(), &["run", "missing.ipynb"]);
    assert!(
        stderr(&output).contains("missing.ipynb"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_connection_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = patchbay(
        folder.path(),
        &["kernel", "--connection-file", "missing.json"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no connection file at missing.json"),
        "{}",
        stderr(&output)
    );
}

/// A copy of the snapshot that the program uses, as links.
fn snapshot_copy(folder: &Path) -> std::path::PathBuf {
    let output = Command::new(program())
        .args(["install", "--prefix"])
        .arg(folder.join("jupyter"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let spec = read(&folder.join("jupyter/share/jupyter/kernels/patchbay/kernel.json"));
    let program = spec["argv"][0].as_str().unwrap();
    let prefix = Path::new(program).parent().unwrap().parent().unwrap();
    let copy = folder.join("prefix");
    assert!(
        Command::new("cp")
            .arg("-rL")
            .arg(prefix)
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    copy
}

#[test]
fn a_missing_or_damaged_snapshot_and_another_compiler_are_told() {
    let folder = tempfile::tempdir().unwrap();
    notebook(folder.path(), &["1 + 1"]);
    let run = |prefix: &Path| {
        let output = Command::new(program())
            .args(["run", "in.ipynb"])
            .current_dir(folder.path())
            .env("PATCHBAY_PREFIX", prefix)
            .output()
            .unwrap();
        (output.status.success(), stderr(&output))
    };
    let (succeeded, text) = run(Path::new("/no/such/prefix"));
    assert!(
        !succeeded && text.contains("no SDK snapshot") && text.contains("cargo build --release"),
        "{text}"
    );

    let prefix = snapshot_copy(folder.path());
    let (succeeded, text) = run(&prefix);
    assert!(succeeded, "{text}");

    let record_path = prefix.join("sdk.json");
    let record = read(&record_path);
    let mut other = record.clone();
    other["rustc"]["version"] = json!("rustc 1.80.0 (000000000 2024-01-01)");
    other["rustc"]["bytes"] = json!(1);
    fs::write(&record_path, other.to_string()).unwrap();
    let (succeeded, text) = run(&prefix);
    assert!(
        !succeeded && text.contains("expected rustc 1.80.0") && text.contains("found rustc 1."),
        "{text}"
    );

    fs::write(&record_path, record.to_string()).unwrap();
    fs::write(prefix.join("lib/libpatchbay.so"), b"cut").unwrap();
    let (succeeded, text) = run(&prefix);
    assert!(
        !succeeded && text.contains("lib/libpatchbay.so should have"),
        "{text}"
    );
}

#[test]
fn the_kernel_is_registered_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().to_str().unwrap();
    let output = patchbay(folder.path(), &["install", "--prefix", prefix]);
    assert!(output.status.success(), "{}", stderr(&output));
    let spec = read(
        &folder
            .path()
            .join("share/jupyter/kernels/patchbay/kernel.json"),
    );
    assert_eq!(spec["display_name"], "Rust (Patchbay)");
    assert_eq!(spec["language"], "rust");
    assert_eq!(spec["interrupt_mode"], "message");
    assert!(Path::new(spec["argv"][0].as_str().unwrap()).exists());
    assert!(
        patchbay(folder.path(), &["uninstall", "--prefix", prefix])
            .status
            .success()
    );
    assert!(
        !folder
            .path()
            .join("share/jupyter/kernels/patchbay")
            .exists()
    );
}

#[test]
fn doctor_and_help_say_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = patchbay(folder.path(), &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("compiler") && text.contains("SDK snapshot"),
        "{text}"
    );
    let help = String::from_utf8_lossy(&patchbay(folder.path(), &["--help"]).stdout).into_owned();
    for command in [
        "quickstart",
        "run",
        "lab",
        "install",
        "uninstall",
        "doctor",
        "kernel",
    ] {
        assert!(help.contains(command), "{command}");
    }
}

#[test]
fn a_page_of_help_is_an_output_of_an_executed_notebook() {
    let folder = tempfile::tempdir().unwrap();
    notebook(folder.path(), &["%help"]);
    let output = patchbay(folder.path(), &["run", "in.ipynb", "-o", "out.ipynb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let executed = read(&folder.path().join("out.ipynb"));
    let text = executed["cells"][0]["outputs"][0]["text"].to_string();
    assert!(text.contains("%timeit EXPRESSION"), "{text}");
}

#[test]
fn shells_and_man_know_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, part) in [
        ("bash", "complete -F _patchbay"),
        ("zsh", "#compdef patchbay"),
        ("fish", "complete -c patchbay"),
    ] {
        let output = patchbay(folder.path(), &["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(part), "{text}");
        assert!(text.contains("quickstart"), "{text}");
    }
    let output = patchbay(folder.path(), &["completions", "cmd"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("possible values"));
    let output = patchbay(folder.path(), &["man"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(".TH patchbay"));
    let output = patchbay(folder.path(), &["man", "--folder", "pages"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(folder.path().join("pages/patchbay-run.1").is_file());
}

#[test]
fn a_reader_that_has_read_enough_ends_a_run_quietly() {
    let folder = tempfile::tempdir().unwrap();
    notebook(
        folder.path(),
        &["for i in 0..100_000 { println!(\"line {i}\"); }"],
    );
    let output = Command::new("sh")
        .args(["-c", "\"$0\" run in.ipynb | head -n 1"])
        .arg(program())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = stderr(&output);
    assert!(
        !errors.contains("panicked") && !errors.contains("Broken pipe"),
        "{errors}"
    );
}
