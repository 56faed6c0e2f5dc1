//! The structure of the code: which crate may stand on which, and no circles between files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use patchbay_tests::arrows;

/// The crates of the repository, lowest first: a crate depends on those of earlier lines only.
const LAYERS: &[&[&str]] = &[
    &[
        "compare", "files", "protocol", "rand", "weights", "codec", "derive",
    ],
    &["contract", "evcxr-protocol", "ops", "cell", "dehaze-core"],
    &["show"],
    &["tensor"],
    &["nn"],
    &["plugin", "data"],
    &["forecast", "evaluation", "checkpoint"],
    &["metrics"],
    &["engine", "runtime-client", "jupyter", "sdk"],
    &["toolchain", "notebook", "runtime"],
    &["side", "dehaze-command"],
    &["completion"],
    &["session"],
    &["host"],
];

/// Circles of more than two files that are still there. None may be added, and one that is gone is taken out here.
const KNOWN: &[(&str, usize)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of the crates by their names without `patchbay-`; the SDK's is `patchbay`.
fn crates() -> Vec<(String, PathBuf)> {
    let kernel = fs::read_dir(root().join("kernel")).unwrap();
    let folders = kernel
        .map(|entry| entry.unwrap().path())
        .chain(["core", "command"].map(|name| root().join("plugins/dehaze").join(name)));
    folders
        .filter(|folder| folder.join("src").is_dir() && folder.join("Cargo.toml").is_file())
        // A workspace of its own.
        .filter(|folder| !folder.ends_with("evcxr"))
        .map(|folder| (name_of(&folder), folder))
        .collect()
}

fn name_of(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .unwrap();
    let name = name.trim_matches('"');
    match name {
        "patchbay" => "sdk".to_owned(),
        _ => name.trim_start_matches("patchbay-").to_owned(),
    }
}

fn layer(name: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&name))
        .unwrap_or_else(|| {
            panic!("the crate {name} has no place in LAYERS in tests/tests/arrows.rs")
        })
}

/// The crates of ours that a manifest names outside of its dev-dependencies.
fn dependencies(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let mut is_counted = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            is_counted = line == "[dependencies]" || line == "[build-dependencies]";
        }
        let name = line.split([' ', '.', '=']).next().unwrap_or_default();
        if is_counted && (name == "patchbay" || name.starts_with("patchbay-")) {
            let name = match name {
                "patchbay" => "sdk",
                _ => name.trim_start_matches("patchbay-"),
            };
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_on_lower_ones_only() {
    let crates = crates();
    assert!(crates.len() >= 18, "{crates:?}");
    for (name, folder) in &crates {
        for dependency in dependencies(folder) {
            assert!(
                layer(&dependency) < layer(name),
                "{name} depends on {dependency}, which does not stand below it"
            );
        }
    }
}

/// The server serves whatever runs cells; what compiles cells does not know Jupyter.
#[test]
fn jupyter_knows_no_rust_and_the_engine_no_jupyter() {
    for (name, folder) in crates() {
        let dependencies = dependencies(&folder);
        let has = |other: &str| dependencies.contains(other);
        match name.as_str() {
            "jupyter" => assert!(!has("engine") && !has("session") && !has("toolchain")),
            "engine" | "session" | "notebook" => assert!(!has("jupyter"), "{name}"),
            "host" => assert!(!has("sdk") && !has("ops"), "the host links no candle"),
            _ => {}
        }
    }
}

/// What is in the SDK's library is in no other: plugins and the runtime stand on the facade.
#[test]
fn plugins_and_the_runtime_know_the_facade_only() {
    let inside = dependencies(&root().join("kernel/sdk"));
    assert!(inside.contains("cell") && inside.len() >= 8, "{inside:?}");
    let plugins = fs::read_dir(root().join("plugins")).unwrap();
    let plugins = plugins.map(|entry| entry.unwrap().path());
    for folder in plugins.chain([root().join("kernel/runtime")]) {
        let dependencies = dependencies(&folder);
        assert!(dependencies.contains("sdk"), "{}", folder.display());
        // Messages are plain data, without statics.
        let twice: Vec<&String> = dependencies
            .intersection(&inside)
            .filter(|name| *name != "protocol")
            .collect();
        assert!(twice.is_empty(), "{}: {twice:?}", folder.display());
    }
}

#[test]
fn files_stand_in_no_circles() {
    let mut found: Vec<(String, usize, Vec<PathBuf>)> = Vec::new();
    for (name, folder) in crates() {
        if name == "dehaze-core" {
            continue;
        }
        for circle in arrows::of_crate(&folder.join("src")).circles(2) {
            found.push((name.clone(), circle.len(), circle));
        }
    }
    let mut known: Vec<(&str, usize)> = KNOWN.to_vec();
    for (name, size, files) in found {
        let position = known
            .iter()
            .position(|(of, most)| *of == name && *most == size);
        let Some(position) = position else {
            panic!("a circle of {size} files in {name}, that is not known: {files:#?}");
        };
        known.remove(position);
    }
    assert!(
        known.is_empty(),
        "these circles are gone, take them out: {known:?}"
    );
}
