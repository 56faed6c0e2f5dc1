//! No test finds the largest of several numbers in a way that drops NaN.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What drops NaN. Written in two parts, so that they are not found here.
const DROPPING: [(&str, &str); 4] = [
    ("f32::", "max)"),
    ("f64::", "max)"),
    (".max", "_all()"),
    ("flatten_all().unwrap().max", "(0)"),
];

/// Files whose use of these is none of a comparison, or where every number is compared by itself, too.
const FINE: [&str; 8] = [
    // Programs that are run, not tests.
    "tests/corpus/",
    "tests/differential/",
    "tests/edits/",
    "tests/guesses/",
    "kernel/compare/",
    // The largest of what was expected or drawn; each difference is asserted.
    "kernel/ops/src/reference.rs",
    "kernel/sdk/tests/nn_parity.rs",
    // The largest of a gradient, which has to be above 0.
    "plugins/balancers/tests/parity.rs",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_test_drops_nan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let mut all = Vec::new();
    for folder in ["kernel", "plugins", "tests"] {
        sources(&root.join(folder), &mut all);
    }
    assert!(all.len() > 300, "{} sources", all.len());
    let mut dropping = Vec::new();
    let mut tests = 0;
    for path in all {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).unwrap();
        // Of a module that is no test what stands behind its tests' beginning.
        let is_test = name.contains("tests/")
            || name.ends_with("/tests.rs")
            || name == "kernel/ops/src/reference.rs";
        let test = match is_test {
            true => Some(0),
            false => text.find("#[cfg(test)]"),
        };
        let Some(start) = test.filter(|_| !FINE.iter().any(|fine| name.starts_with(fine))) else {
            continue;
        };
        tests += 1;
        let first = text[..start].lines().count();
        for (number, line) in text[start..].lines().enumerate() {
            if DROPPING
                .iter()
                .any(|(a, b)| line.contains(&format!("{a}{b}")))
            {
                dropping.push(format!("{name}:{}: {}", first + number, line.trim()));
            }
        }
    }
    assert!(tests > 100, "{tests} files with tests");
    assert!(
        dropping.is_empty(),
        "NaN is dropped; patchbay_compare::largest_difference lets it through:\n{}",
        dropping.join("\n")
    );
}
