//! The notebook that everybody begins with.

use std::{fs, path::Path, process::Command};

use patchbay_tests::program;
use serde_json::Value;

#[test]
fn the_quickstart_trains_a_network_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(program())
        .args(["quickstart", "--no-install", "--output"])
        .arg(folder.path())
        .current_dir(repository)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let notebook: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("quickstart.ipynb")).unwrap())
            .unwrap();
    let outputs: Vec<&Value> = notebook["cells"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|cell| cell["outputs"].as_array().into_iter().flatten())
        .collect();
    let text: String = outputs
        .iter()
        .filter(|output| output["name"] == "stdout")
        .flat_map(|output| output["text"].as_array().unwrap())
        .filter_map(Value::as_str)
        .collect();
    let (_, accuracy) = text
        .split_once("accuracy on the held-out fifth: ")
        .expect("the accuracy is printed");
    let accuracy: f64 = accuracy.split_whitespace().next().unwrap().parse().unwrap();
    assert!(accuracy >= 97.0, "{accuracy} %");
    assert!(
        text.contains("1437 images to train on, 360 held out"),
        "{text}"
    );
    let figures = outputs
        .iter()
        .filter(|output| output["data"]["image/svg+xml"].is_array())
        .count();
    assert_eq!(figures, 2, "the curve of the loss and the confusion matrix");
    assert!(
        !outputs
            .iter()
            .any(|output| output["output_type"] == "error" || output["name"] == "stderr")
    );
    let page = fs::read_to_string(folder.path().join("quickstart.html")).unwrap();
    assert!(page.contains("data:image/svg+xml;base64,") && page.contains("data:image/png;base64,"));
}
