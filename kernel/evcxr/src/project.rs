//! What rust-analyzer reads of a package: its dependencies as cargo tells them, without those that no
//! cell can name.
//!
//! Half of what candle depends on (kernels, tokenizers, archives) shows in no signature. rust-analyzer
//! would read it all the same, which doubles its memory and triples the time to the first answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use ra_ap_paths::{AbsPathBuf, Utf8PathBuf};
use ra_ap_project_model::{CargoConfig, ProjectJson, ProjectJsonData, ProjectWorkspace};
use serde_json::{Map, Value, json};

/// Dependencies of dependencies whose types show in signatures.
const SHOWN: &[&str] = &[
    "float8",
    "half",
    "num-traits",
    "plotters-backend",
    "plotters-svg",
    "serde_core",
    "yoke",
];

/// The crates that the SDK is made of; a cell names them through it.
const OWN: &str = "patchbay-";

/// Whether types of a dependency's dependency show in signatures.
fn is_shown(name: &str) -> bool {
    name.starts_with(OWN) || SHOWN.contains(&name)
}

/// The crates of the standard library that cells see, with what each depends on.
const STANDARD: [(&str, &[&str]); 4] = [
    ("core", &[]),
    ("alloc", &["core"]),
    ("proc_macro", &["core", "std"]),
    ("std", &["core", "alloc"]),
];

/// Loads the package in a folder.
///
/// # Errors
///
/// Fails where cargo cannot describe the package without a network, or the sources of the standard
/// library are missing.
pub fn load(package: &Path, sysroot: &Path) -> Result<ProjectWorkspace> {
    let metadata = metadata(package)?;
    let data: ProjectJsonData = serde_json::from_value(project(&metadata, sysroot)?)
        .context("the description of the package is not what rust-analyzer reads")?;
    let base = Utf8PathBuf::from_path_buf(package.to_owned())
        .ok()
        .and_then(|path| AbsPathBuf::try_from(path).ok())
        .context("the package's path is not absolute or not UTF-8")?;
    let project = ProjectJson::new(None, &base, data);
    Ok(ProjectWorkspace::load_inline(
        project,
        &CargoConfig::default(),
        &|_| {},
    ))
}

fn metadata(package: &Path) -> Result<Value> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new("cargo")
        .args([
            "metadata",
            "--format-version=1",
            "--filter-platform",
            &target,
        ])
        .current_dir(package)
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        bail!(
            "cargo metadata fails in {}:\n{}",
            package.display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo's metadata is not readable")
}

/// The description in the format of `rust-project.json`.
fn project(metadata: &Value, sysroot: &Path) -> Result<Value> {
    let library = sysroot.join("lib/rustlib/src/rust/library");
    if !library.is_dir() {
        bail!(
            "the sources of the standard library are missing: expected {}\ntype: rustup component add \
             rust-src",
            library.display()
        );
    }
    let standard: Vec<Value> = STANDARD
        .iter()
        .map(|(name, dependencies)| {
            let deps: Vec<Value> = STANDARD
                .iter()
                .enumerate()
                .filter(|(_, (name, _))| dependencies.contains(name))
                .map(|(index, (name, _))| json!({ "crate": index, "name": name }))
                .collect();
            json!({
                "display_name": name,
                "root_module": library.join(name).join("src/lib.rs"),
                "edition": "2024",
                "deps": deps,
                "is_workspace_member": false,
            })
        })
        .collect();
    Ok(json!({
        "sysroot": sysroot,
        "sysroot_src": library,
        "sysroot_project": { "crates": standard },
        "crates": crates(metadata)?,
    }))
}

fn crates(metadata: &Value) -> Result<Vec<Value>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]).to_owned(), package))
        .collect();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]).to_owned(), node))
        .collect();
    let root = text(&metadata["resolve"]["root"]);
    let root_node = nodes.get(root).context("cargo's metadata has no root")?;
    let direct: BTreeSet<String> = dependencies(root_node).map(|(_, id)| id).collect();
    let kept: Vec<&String> = packages
        .iter()
        .filter(|(id, package)| {
            *id == root || direct.contains(*id) || is_shown(text(&package["name"]))
        })
        .map(|(id, _)| id)
        .collect();
    let found = kept.iter().filter_map(|id| {
        let (package, node) = (packages.get(*id)?, nodes.get(*id)?);
        let target = list(&package["targets"]).into_iter().find(is_library)?;
        let deps: Vec<Value> = dependencies(node)
            .filter_map(|(name, id)| {
                let index = kept.iter().position(|kept| **kept == id)?;
                Some(json!({ "crate": index, "name": name }))
            })
            .collect();
        let cfg: Vec<String> = list(&node["features"])
            .iter()
            .map(|feature| format!("feature=\"{}\"", text(feature)))
            .collect();
        Some(json!({
            "display_name": text(&target["name"]).replace('-', "_"),
            "root_module": target["src_path"],
            "edition": target["edition"],
            "deps": deps,
            "cfg": cfg,
            "env": environment(package),
            "is_workspace_member": *id == root,
        }))
    });
    let found: Vec<Value> = found.collect();
    if found.len() != kept.len() {
        bail!("a dependency of the notebook has no library");
    }
    Ok(found)
}

/// Name and package id of what a package depends on when it runs.
fn dependencies(node: &Value) -> impl Iterator<Item = (String, String)> {
    node["deps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| {
            let kinds = dependency["dep_kinds"].as_array();
            kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        })
        .map(|dependency| {
            (
                text(&dependency["name"]).to_owned(),
                text(&dependency["pkg"]).to_owned(),
            )
        })
}

fn is_library(target: &Value) -> bool {
    target["kind"].as_array().is_some_and(|kinds| {
        kinds
            .iter()
            .any(|kind| ["lib", "rlib", "dylib"].contains(&text(kind)))
    })
}

/// What `env!` finds in a package.
fn environment(package: &Value) -> Map<String, Value> {
    let folder = Path::new(text(&package["manifest_path"])).parent();
    let mut variables = Map::new();
    variables.insert(
        "CARGO_MANIFEST_DIR".to_owned(),
        json!(folder.unwrap_or(Path::new(""))),
    );
    variables.insert("CARGO_PKG_VERSION".to_owned(), package["version"].clone());
    variables.insert("CARGO_PKG_NAME".to_owned(), package["name"].clone());
    variables
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_cell_can_name_is_read() {
        let package = |name: &str, kind: &str| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "manifest_path": format!("/{name}/Cargo.toml"),
                "targets": [{
                    "name": name, "kind": [kind], "src_path": format!("/{name}/src/lib.rs"), "edition": "2021",
                }],
            })
        };
        let depends = |names: &[&str]| -> Vec<Value> {
            names
                .iter()
                .map(|name| json!({ "name": name, "pkg": name, "dep_kinds": [{ "kind": null }] }))
                .collect()
        };
        let metadata = json!({
            "packages": [
                package("notebook", "lib"), package("sdk", "dylib"), package("half", "lib"),
                package("kernels", "lib"),
            ],
            "resolve": { "root": "notebook", "nodes": [
                { "id": "notebook", "deps": depends(&["sdk"]), "features": [] },
                { "id": "sdk", "deps": depends(&["half", "kernels"]), "features": ["std"] },
                { "id": "half", "deps": [], "features": [] },
                { "id": "kernels", "deps": [], "features": [] },
            ] },
        });
        let crates = crates(&metadata).unwrap();
        let names: Vec<&str> = crates
            .iter()
            .map(|found| text(&found["display_name"]))
            .collect();
        assert_eq!(names, ["half", "notebook", "sdk"]);
        assert_eq!(crates[2]["deps"], json!([{ "crate": 0, "name": "half" }]));
        assert_eq!(crates[2]["cfg"], json!(["feature=\"std\""]));
        assert_eq!(crates[1]["is_workspace_member"], true);
    }
}
