//! `patchbay build`: notebooks as programs.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

fn notebook(path: &Path, cells: &[(&str, &[&str])]) {
    let cells: Vec<Value> = cells
        .iter()
        .enumerate()
        .map(|(index, (source, tags))| {
            json!({ "cell_type": "code", "id": format!("c{index}"), "execution_count": null,
                "metadata": { "tags": tags }, "outputs": [], "source": source })
        })
        .collect();
    let root = json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    std::fs::write(path, root.to_string()).unwrap();
}

/// Runs a command; returns whether it succeeded, and what it printed.
pub fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_compiled_notebook_runs_without_a_compiler_and_takes_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("train.ipynb");
    notebook(
        &source,
        &[
            (
                "let rate = 0.5;\nlet steps = 3; let name = \"plain\";",
                &["parameters"],
            ),
            (
                "%%plugin loss/compiled\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {\n\
                     (prediction - target)?.sqr()?.mean_all()\n}",
                &[],
            ),
            ("fn double(x: f64) -> f64 { 2.0 * x }", &[]),
            (
                "let x = Tensor::new(&[double(rate) as f32, 0.0], &device())?;\n\
                 let loss = create::<dyn Loss>(\"loss/compiled\", json!({}))?;\n\
                 println!(\"{name}: {steps} steps, {}\", loss.forward(&x, &x.zeros_like()?)?.to_scalar::<f32>()?);\n\
                 plot::lines().series(\"a\", &[1.0, 4.0, 9.0]).draw()?",
                &[],
            ),
            ("%opt 2\n(0..steps).sum::<i32>()", &[]),
        ],
    );
    let job = folder.path().join("job");
    let (built, path, said) = run(Command::new(patchbay_tests::program())
        .args(["build", source.to_str().unwrap(), "-o"])
        .arg(&job));
    assert!(built, "{said}");
    assert_eq!(path.trim(), format!("{}/run", job.display()));

    // Another folder, and no toolchain in reach.
    let moved = folder.path().join("moved");
    std::fs::rename(&job, &moved).unwrap();
    std::fs::remove_file(&source).unwrap();
    let start = || {
        let mut command = Command::new(moved.join("run"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(folder.path());
        command
    };
    let (succeeded, text, said) = run(&mut start());
    assert!(succeeded, "{said}");
    assert!(text.contains("plain: 3 steps, 0.5\n"), "{text}");
    assert!(text.contains("\n3\n"), "{text}");

    let (succeeded, text, said) = run(start()
        .args(["-p", "rate=1.5", "-p", "steps=5", "-p", "name=other"])
        .args(["-o", "out.ipynb", "--pictures", "pictures"]));
    assert!(succeeded, "{said}");
    assert!(text.contains("other: 5 steps, 4.5\n"), "{text}");
    assert!(text.contains("\n10\n"), "{text}");
    let executed: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("out.ipynb")).unwrap()).unwrap();
    let outputs = &executed["cells"][3]["outputs"];
    assert!(outputs[1]["data"]["image/svg+xml"].is_array(), "{outputs}");
    // What is written is the notebook as it was, not what was made of it.
    assert!(
        executed["cells"][0]["source"]
            .to_string()
            .contains("let rate = 0.5;"),
        "{executed}"
    );
    let picture = std::fs::read_to_string(folder.path().join("pictures/cell-04-1.svg")).unwrap();
    assert!(picture.starts_with("<svg"), "{picture}");

    for (parameter, words) in [
        (
            "rte=1",
            "no parameter rte; it has rate=0.5, steps=3, name=\"plain\"",
        ),
        ("steps=many", "steps is an integer; it was given many"),
    ] {
        let (succeeded, _, said) = run(start().args(["-p", parameter]));
        assert!(!succeeded && said.contains(words), "{said}");
    }

    // A cell that has changed since was not compiled.
    let inner = moved.join("notebook.ipynb");
    let changed = std::fs::read_to_string(&inner)
        .unwrap()
        .replace("2.0 * x", "3.0 * x");
    std::fs::write(&inner, changed).unwrap();
    let (succeeded, _, said) = run(&mut start());
    assert!(
        !succeeded && said.contains("this cell was not compiled"),
        "{said}"
    );
}

#[test]
fn a_cell_that_does_not_compile_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("wrong.ipynb");
    let marker = folder.path().join("ran");
    notebook(
        &source,
        &[
            (
                &format!("std::fs::write({:?}, \"\")?;", marker.display().to_string()),
                &[],
            ),
            ("let x: i32 = \"text\";", &[]),
        ],
    );
    let job = folder.path().join("job");
    let build = || {
        let mut command = Command::new(patchbay_tests::program());
        command
            .args(["build", source.to_str().unwrap(), "-o"])
            .arg(&job);
        command
    };
    let (built, _, said) = run(&mut build());
    assert!(!built);
    assert!(
        said.contains("mismatched types") && said.contains("cell [2]"),
        "{said}"
    );
    assert!(!marker.exists() && !job.exists());

    // A folder of somebody else's is left alone.
    std::fs::create_dir(&job).unwrap();
    std::fs::write(job.join("thesis.txt"), "").unwrap();
    let (built, _, said) = run(&mut build());
    assert!(
        !built && said.contains("has not made; choose another folder"),
        "{said}"
    );
    assert!(job.join("thesis.txt").is_file());
}

#[test]
fn parameters_can_be_given_without_building() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("train.ipynb");
    notebook(
        &source,
        &[
            ("let rate = 0.5;", &["parameters"]),
            ("println!(\"rate {rate}\")", &[]),
        ],
    );
    let out = folder.path().join("out.ipynb");
    let (succeeded, _, said) = run(Command::new(patchbay_tests::program())
        .args(["run", source.to_str().unwrap(), "-p", "rate=0.25", "-o"])
        .arg(&out));
    assert!(succeeded, "{said}");
    let executed = std::fs::read_to_string(out).unwrap();
    assert!(executed.contains("rate 0.25"), "{executed}");
}
