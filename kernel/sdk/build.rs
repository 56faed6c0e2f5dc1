//! Computes the parts of the build id; `src/build.rs` documents them.

mod crates;
mod tokens;

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let workspace = manifest_dir.join("../..");

    let compiler = output_of(Command::new(variable("RUSTC")).arg("-V"));
    let target = variable("TARGET");
    let flags = hash([
        variable("CARGO_ENCODED_RUSTFLAGS"),
        variable("PROFILE"),
        variable("OPT_LEVEL"),
        variable("DEBUG"),
    ]);
    let own_features: Vec<String> = {
        let mut names: Vec<String> = env::vars()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("CARGO_FEATURE_"))
            .collect();
        names.sort();
        names
    };
    let crates = crates::made_of(&manifest_dir, &workspace)
        .unwrap_or_else(|error| panic!("the crates of the SDK: {error}"));
    let mut manifests = vec![workspace.join("Cargo.lock"), workspace.join("Cargo.toml")];
    manifests.extend(crates.values().map(|folder| folder.join("Cargo.toml")));
    let features = hash((
        own_features,
        manifests
            .iter()
            .map(|path| contents(path))
            .collect::<Vec<_>>(),
    ));
    let mut sources = Vec::new();
    for (name, folder) in &crates {
        let first = sources.len();
        collect(&folder.join("src"), &mut sources);
        sources[first..].sort();
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        assert!(sources.len() > first, "the crate {name} has no sources");
    }
    let sources_hash = hash(
        sources
            .iter()
            .map(|path| (place_of(path, &workspace), tokens::of(&contents(path))))
            .collect::<Vec<_>>(),
    );

    let candle = locked_version(&contents(&workspace.join("Cargo.lock")), "candle-core");
    let cuda = env::var_os("CARGO_FEATURE_CUDA").is_some().to_string();

    let build_id = hash((&compiler, &target, &flags, &features, &sources_hash));
    for (name, value) in [
        ("BUILD_ID", &build_id),
        ("COMPILER", &compiler),
        ("TARGET", &target),
        ("FLAGS", &flags),
        ("FEATURES", &features),
        ("SOURCES", &sources_hash),
        ("CANDLE", &candle),
        ("CUDA", &cuda),
    ] {
        println!("cargo::rustc-env=PATCHBAY_{name}={value}");
    }
    for path in manifests.iter().chain(&sources) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Where a file is in the repository: equal in every checkout.
fn place_of(path: &Path, workspace: &Path) -> PathBuf {
    let workspace = workspace
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}", workspace.display()));
    path.strip_prefix(workspace).unwrap_or(path).to_owned()
}

/// The text of a file, empty where there is none (a lock file in a packaged crate).
fn contents(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The version that a lock file gives a package.
fn locked_version(lock_file: &str, package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = lock_file.lines().skip_while(|line| *line != name).skip(1);
    lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|line| line.strip_suffix('"'))
        .unwrap_or("unknown")
        .to_owned()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.ends_with("tests.rs") {
            // Tests in a file of their own are no part of the library.
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `DefaultHasher::new` has fixed keys, so equal inputs give equal ids in every checkout.
fn hash(value: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
