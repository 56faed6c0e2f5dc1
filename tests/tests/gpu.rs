//! The suites for a GPU, on the processor: what they compare is then equal, and that they run is what is tested.

use std::{path::Path, process::Command};

use crate::compiled::run;

/// Compiles a notebook of `tests/gpu`, runs it as on a machine without Rust, and returns what it shows.
fn compiled_and_run(name: &str, parameters: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("gpu/{name}.ipynb"));
    let job = folder.path().join(name);
    let mut build = Command::new(patchbay_tests::program());
    let (built, _, said) = run(build.arg("build").arg(notebook).arg("-o").arg(&job));
    assert!(built, "{said}");
    let (ran, shown, said) = run(Command::new(job.join("run")).args(parameters));
    assert!(ran, "{said}");
    shown
}

#[test]
fn the_parity_suite_compares_ops_losses_and_components() {
    let shown = compiled_and_run("parity", &[]);
    assert!(shown.contains(", 0 beyond 1e-3"), "{shown}");
    for name in [
        "layer_norm",
        "AdamW",
        "loss/lovasz_softmax",
        "encoder/vit",
        "encoder/fusion_cross_attention",
        "forecaster/tide",
        "forecaster/ridge",
        "objective/albef, a step",
        "image/aod_net",
        "image/dark_channel_prior",
    ] {
        assert!(shown.contains(name), "{name} was not compared:\n{shown}");
    }
}

#[test]
fn the_benchmark_suite_times_its_cases_also_without_pytorch() {
    let shown = compiled_and_run("benchmark", &["-p", "python=no-such-python"]);
    assert!(shown.contains("PyTorch's side did not run"), "{shown}");
    for name in [
        "ViT step bf16",
        "ALBEF step",
        "TiDE step",
        "dark channel prior",
    ] {
        let row = shown.lines().find(|line| line.contains(name));
        let row = row.unwrap_or_else(|| panic!("{name} was not timed:\n{shown}"));
        assert!(
            row.contains(" % of "),
            "{name} has no share of the peak: {row}"
        );
    }
}

/// What `has_driver.sh` says with these folders in the loader's path.
fn has_driver(folders: &str) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/cuda/has_driver.sh");
    let mut sh = Command::new("sh");
    sh.arg(script).env("LD_LIBRARY_PATH", folders);
    sh.status().unwrap().success()
}

#[test]
fn a_driver_in_the_loaders_path_is_seen_so_that_nothing_stands_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let with = folder.path().join("a folder with");
    std::fs::create_dir(&with).unwrap();
    std::fs::write(with.join("libcuda.so.1"), "").unwrap();
    assert!(has_driver(&format!("/nowhere:{}", with.display())));
    // An empty place in the path is the working directory to the loader, and no folder to search for a driver.
    let here = has_driver("");
    assert_eq!(has_driver("/nowhere"), here);
}
