//! No component adds up with candle's reductions, which lose digits and wrap integers: all take those of `ops`.
//!
//! A place where candle's form is exact enough says why, in a comment on the line or the three above it that begins with
//! "candle's sum:".

#[path = "../../sdk/crates.rs"]
mod crates;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Methods of candle's tensors.
const METHODS: [&str; 7] = [
    "sum_all",
    "mean_all",
    "sum_keepdim",
    "mean_keepdim",
    "var_keepdim",
    "log_sum_exp",
    "cumsum",
];

/// Methods of candle's tensors that others have, too, without arguments.
const WITH_ARGUMENTS: [&str; 3] = ["sum", "mean", "var"];

/// Functions of candle's that are made of them.
const FUNCTIONS: [&str; 4] = [
    "candle_nn::ops::softmax",
    "candle_nn::ops::log_softmax",
    "candle_nn::loss::",
    "candle_nn::layer_norm",
];

const EXCUSE: &str = "candle's sum:";

/// The places of a source that use candle's reductions, as line numbers with the lines. Comments, examples in raw strings and
/// tests at the end do not count.
fn uses(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_example = false;
    let lines: Vec<&str> = source.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        // Tests in a file of their own end nothing here.
        let next = lines
            .get(number + 1)
            .is_some_and(|next| next.ends_with(';'));
        if line.trim() == "#[cfg(test)]" && !next {
            break;
        }
        let was_in_example = in_example;
        if line.contains("r#\"") {
            in_example = true;
        }
        let begins = in_example;
        if line.contains("\"#") {
            in_example = false;
        }
        if was_in_example || begins || line.trim_start().starts_with("//") {
            continue;
        }
        let method = |name: &&str| {
            line.contains(&format!(".{name}(")) || line.contains(&format!("Tensor::{name}"))
        };
        let with_arguments = |name: &&str| {
            let call = format!(".{name}(");
            // An initialization makes variables.
            if line.contains("init.var(") {
                return false;
            }
            let mut calls = line
                .match_indices(&call)
                .map(|(at, _)| &line[at + call.len()..]);
            calls.any(|rest| !rest.starts_with(')')) || line.contains(&format!("Tensor::{name}("))
        };
        let is_use = METHODS.iter().any(method)
            || WITH_ARGUMENTS.iter().any(with_arguments)
            || FUNCTIONS.iter().any(|name| line.contains(name));
        let excused = lines[number.saturating_sub(3)..=number]
            .iter()
            .any(|line| line.contains(EXCUSE));
        if is_use && !excused {
            found.push((number + 1, (*line).to_owned()));
        }
    }
    found
}

/// All Rust sources below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn components_and_sdk_take_the_sums_of_ops() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    let sdk = crates::made_of(&root.join("kernel/sdk"), &root).unwrap();
    assert!(sdk.len() >= 8, "{sdk:?}");
    for folder in sdk.values() {
        sources(&folder.join("src"), &mut files);
    }
    sources(
        &root.join("kernel/toolchain/src/plugin/template"),
        &mut files,
    );
    let mut plugins = 0;
    for plugin in fs::read_dir(root.join("plugins")).unwrap() {
        let plugin = plugin.unwrap().path();
        for folder in ["src", "core/src"] {
            if plugin.join(folder).is_dir() {
                sources(&plugin.join(folder), &mut files);
                plugins += 1;
            }
        }
    }
    assert!(
        plugins >= 7 && files.len() > 200,
        "{plugins}, {}",
        files.len()
    );
    let mut all = Vec::new();
    for file in files {
        // Tests in a file of their own.
        if file.ends_with("tests.rs") || file.ends_with("kernel/ops/src/reference.rs") {
            continue;
        }
        // It has candle's forms for those who call them in cells, and is called by nobody.
        if file.ends_with("kernel/sdk/src/instances.rs") {
            continue;
        }
        for (number, line) in uses(&fs::read_to_string(&file).unwrap()) {
            all.push(format!("{}:{number}: {}", file.display(), line.trim()));
        }
    }
    assert!(
        all.is_empty(),
        "these use candle's reductions, which add up value by value in the tensor's own type: take `ops::sum` and its \
         like, or say why it is exact enough in a comment with \"{EXCUSE}\"\n{}",
        all.join("\n")
    );
}

#[test]
fn candles_forms_are_found() {
    for line in [
        "let x = y.sum_all()?;",
        "    .sum_all()?",
        "y.mean(1)?",
        "y.sum((0, 1))?",
        "    .var(D::Minus1)?",
        "y.sqr()?.mean_keepdim(last)?",
        "values.iter().map(Tensor::sum_all)",
        "Tensor::mean(&x, 0)?",
        "candle_nn::ops::softmax(&x, 1)?",
    ] {
        assert_eq!(uses(line).len(), 1, "{line}");
    }
    for text in [
        "ops::sum_all(&x)?",
        "ops::mean(&x, 1)?",
        "values.iter().sum::<f64>()",
        "values.iter().sum()",
        "losses.mean()",
        "// y.sum_all()?",
        "example: r#\"x.sum_all()?\"#,",
        "example: r#\"a\nx.sum_all()?\nb\"#,",
        "#[cfg(test)]\nx.sum_all()",
        "// candle's sum: these are three numbers.\nx.sum_all()?",
    ] {
        assert!(uses(text).is_empty(), "{text}");
    }
}
