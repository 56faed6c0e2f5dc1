//! What must be built for a request, and what the SDK holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::snapshot::SdkCrate;

/// Crates of which a process may hold one copy only: tensors of one are not those of the other.
const SINGLE: [&str; 3] = ["candle-core", "candle-nn", "patchbay"];

/// `cargo metadata`, as far as it is needed.
#[derive(Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    targets: Vec<Target>,
    /// All that the package declares, by name.
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
    root: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
    features: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Edge {
    /// The name in Rust, in the crate that depends.
    name: String,
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

/// A package by name and version, as cargo tells the compiler in `CARGO_PKG_NAME` and `_VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageName {
    pub name: String,
    pub version: String,
}

/// In what role a package is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// It is linked into cells.
    Cells,
    /// It runs in the compiler: a procedural macro, a build script, and what they stand on.
    Compiler,
}

/// A package that the SDK holds, as cargo is to see it: without sources and dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    pub package: PackageName,
    /// The name in Rust.
    pub name: String,
    pub is_macro: bool,
    pub features: Vec<String>,
}

/// What is to be done with each package.
#[derive(Debug, Default)]
pub struct Plan {
    /// Packages that are compiled for cells.
    pub built: BTreeSet<PackageName>,
    /// Packages that are compiled for build scripts and procedural macros.
    pub built_for_compiler: BTreeSet<PackageName>,
    /// Packages that the SDK holds and that nothing which runs in the compiler needs.
    pub stubs: Vec<Stub>,
    /// The crates that were asked for: name in Rust and package.
    pub direct: Vec<(String, PackageName)>,
}

impl Metadata {
    /// Sorts the packages: the SDK's own copy is used where it has the version and the features.
    ///
    /// # Errors
    ///
    /// Fails where a second candle would be needed.
    pub fn plan(&self, sdk: &[SdkCrate]) -> Result<Plan> {
        let packages: HashMap<&str, &Package> = self
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package))
            .collect();
        let nodes: HashMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let root = self
            .resolve
            .root
            .as_deref()
            .context("cargo names no root package")?;
        let held = |node: &Node, package: &Package| {
            sdk.iter().any(|held| {
                held.package == package.name
                    && held.version == package.version
                    && held.features.is_superset(&node.features)
            })
        };
        let mut plan = Plan::default();
        let mut waiting: Vec<(&str, Role)> = vec![(root, Role::Cells)];
        let mut seen: BTreeSet<(&str, Role)> = BTreeSet::new();
        let mut stubs: BTreeMap<&str, Stub> = BTreeMap::new();
        while let Some((id, role)) = waiting.pop() {
            if !seen.insert((id, role)) {
                continue;
            }
            let (package, node) = (package(&packages, id)?, node(&nodes, id)?);
            let is_macro = package.is_macro();
            if id != root {
                if held(node, package) && (role == Role::Cells || is_macro) {
                    stubs.insert(id, package.stub());
                    continue;
                }
                if role == Role::Cells && SINGLE.contains(&package.name.as_str()) {
                    return Err(second_copy(package, node, sdk));
                }
                if role == Role::Cells && !is_macro {
                    plan.built.insert(package.full_name());
                } else {
                    plan.built_for_compiler.insert(package.full_name());
                }
            }
            for edge in &node.deps {
                let target = self::package(&packages, &edge.pkg)?;
                for kind in &edge.dep_kinds {
                    let role = match kind.kind.as_deref() {
                        None if is_macro || target.is_macro() => Role::Compiler,
                        None => role,
                        Some("build") => Role::Compiler,
                        Some(_) => continue,
                    };
                    waiting.push((&edge.pkg, role));
                }
            }
        }
        // Cargo can have a package as a stub or in full, not both.
        stubs.retain(|_, stub| !plan.built_for_compiler.contains(&stub.package));
        plan.stubs = stubs.into_values().collect();
        for edge in &node(&nodes, root)?.deps {
            let package = package(&packages, &edge.pkg)?;
            plan.direct.push((edge.name.clone(), package.full_name()));
        }
        Ok(plan)
    }
}

impl Package {
    fn is_macro(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    fn stub(&self) -> Stub {
        let library = self.targets.iter().find(|target| {
            target
                .kind
                .iter()
                .any(|kind| ["lib", "rlib", "dylib", "proc-macro"].contains(&kind.as_str()))
        });
        Stub {
            package: self.full_name(),
            name: library
                .map_or(&self.name, |target| &target.name)
                .replace('-', "_"),
            is_macro: self.is_macro(),
            features: self.features.keys().cloned().collect(),
        }
    }

    fn full_name(&self) -> PackageName {
        PackageName {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

fn package<'a>(packages: &HashMap<&str, &'a Package>, id: &str) -> Result<&'a Package> {
    packages
        .get(id)
        .copied()
        .with_context(|| format!("cargo does not describe {id}"))
}

fn node<'a>(nodes: &HashMap<&str, &'a Node>, id: &str) -> Result<&'a Node> {
    nodes
        .get(id)
        .copied()
        .with_context(|| format!("cargo does not resolve {id}"))
}

/// Why a crate that must be there once only would be there twice.
fn second_copy(package: &Package, node: &Node, sdk: &[SdkCrate]) -> anyhow::Error {
    let (name, version) = (&package.name, &package.version);
    let Some(held) = sdk.iter().find(|held| held.package == *name) else {
        return anyhow::anyhow!(
            "{name} {version} cannot be used from here: it is the SDK itself, which cells have as `patchbay`"
        );
    };
    if held.version != *version {
        return anyhow::anyhow!(
            "this needs {name} {version}, and the SDK holds {name} {}. Two of them in a process would give \
             silently wrong gradients; ask for a version of the crate that fits {name} {}",
            held.version,
            held.version
        );
    }
    let missing: Vec<&str> = node
        .features
        .difference(&held.features)
        .map(String::as_str)
        .collect();
    anyhow::anyhow!(
        "this needs {name} {version} with the features {}, which the SDK was built without; add them to \
         {name} in kernel/sdk/Cargo.toml and build again",
        missing.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(package: &str, features: &[&str]) -> SdkCrate {
        SdkCrate {
            package: package.to_owned(),
            version: "1.0.0".to_owned(),
            name: package.replace('-', "_"),
            features: features
                .iter()
                .map(|feature| (*feature).to_owned())
                .collect(),
            file: "deps/x.rmeta".into(),
        }
    }

    /// The graph of a root that depends on `app`, which depends on candle-core (with features), on a
    /// macro with a dependency, and on a crate for its build script.
    fn metadata(candle_version: &str, candle_features: &[&str]) -> Metadata {
        let package = |id: &str, name: &str, version: &str, kind: &str| {
            json!({ "id": id, "name": name,
            "version": version, "targets": [{ "name": name, "kind": [kind] }] })
        };
        let edge = |name: &str, id: &str, kind: Option<&str>| {
            json!({ "name": name, "pkg": id,
            "dep_kinds": [{ "kind": kind }] })
        };
        serde_json::from_value(json!({
            "packages": [
                package("root", "bundle", "0.0.0", "dylib"),
                package("app", "app", "1.0.0", "lib"),
                package("candle", "candle-core", candle_version, "lib"),
                package("macro", "derive", "1.0.0", "proc-macro"),
                package("syn", "syn", "1.0.0", "lib"),
                package("cc", "cc", "1.0.0", "lib"),
            ],
            "resolve": { "root": "root", "nodes": [
                { "id": "root", "deps": [edge("app", "app", None)], "features": [] },
                { "id": "app", "features": [], "deps": [
                    edge("candle_core", "candle", None), edge("derive", "macro", None),
                    edge("cc", "cc", Some("build")), edge("syn", "syn", Some("dev"))
                ] },
                { "id": "candle", "features": candle_features, "deps": [edge("syn", "syn", None)] },
                { "id": "macro", "features": [], "deps": [edge("syn", "syn", None)] },
                { "id": "syn", "features": [], "deps": [] },
                { "id": "cc", "features": [], "deps": [] },
            ] }
        }))
        .unwrap()
    }

    fn names(set: &BTreeSet<PackageName>) -> Vec<&str> {
        set.iter().map(|package| package.name.as_str()).collect()
    }

    #[test]
    fn what_the_sdk_holds_is_not_built() {
        let plan = metadata("1.0.0", &["std"])
            .plan(&[held("candle-core", &["std", "more"]), held("syn", &[])])
            .unwrap();
        assert_eq!(names(&plan.built), ["app"]);
        // The macro runs in the compiler, where the SDK's crates are not.
        assert_eq!(names(&plan.built_for_compiler), ["cc", "derive", "syn"]);
        let plan = metadata("1.0.0", &[])
            .plan(&[held("candle-core", &[]), held("derive", &[])])
            .unwrap();
        assert_eq!(names(&plan.built_for_compiler), ["cc"]);
        let stubs: Vec<&str> = plan.stubs.iter().map(|stub| stub.name.as_str()).collect();
        assert_eq!(stubs, ["candle_core", "derive"]);
    }

    #[test]
    fn a_second_candle_is_refused() {
        let sdk = [held("candle-core", &["std"])];
        let error = metadata("2.0.0", &[]).plan(&sdk).unwrap_err().to_string();
        assert!(
            error.contains("needs candle-core 2.0.0, and the SDK holds candle-core 1.0.0"),
            "{error}"
        );
        let error = metadata("1.0.0", &["cuda"])
            .plan(&sdk)
            .unwrap_err()
            .to_string();
        assert!(error.contains("with the features cuda"), "{error}");
    }
}
