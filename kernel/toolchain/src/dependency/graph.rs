//! What must be built for a request, and what the SDK holds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Bundle, LayerCrate, sources};
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
    /// `None` for a crate in a folder of the user's.
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    links: Option<String>,
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

/// A package that is there, as cargo is to see it: without sources and dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    pub package: PackageName,
    /// The name in Rust.
    pub name: String,
    pub is_macro: bool,
    pub features: Vec<String>,
    /// Which of the crates that there are of this package and version, where it is a layer's.
    pub digest: Option<String>,
}

/// A package that is compiled for cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    pub features: BTreeSet<String>,
    pub links: Option<String>,
    /// For a crate in a folder of the user's: the digest of its sources.
    pub sources: Option<String>,
}

/// What is to be done with each package.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Packages that are compiled for cells.
    pub built: BTreeMap<PackageName, Built>,
    /// Packages that are compiled for build scripts and procedural macros.
    pub built_for_compiler: BTreeSet<PackageName>,
    /// Packages that are held and that nothing which runs in the compiler needs.
    pub stubs: Vec<Stub>,
    /// Packages that layers hold: the name in Rust, and the file that describes the crate.
    pub in_layers: BTreeMap<PackageName, LayerCrate>,
    /// The crates that were asked for: name in Rust and package.
    pub direct: Vec<(String, PackageName)>,
    /// Why the request does not go with what is loaded.
    pub conflicts: Vec<Conflict>,
    /// The digest of the sources of all crates in folders of the user's; empty without such.
    pub sources: String,
}

/// Why a request does not go with what is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// A crate is loaded without some features.
    Features {
        package: PackageName,
        missing: Vec<String>,
    },
    /// A crate is loaded in another version, which is to be one with this.
    Version {
        package: PackageName,
        loaded: String,
    },
    /// Another version stands under the name already.
    Name {
        name: String,
        package: PackageName,
        loaded: PackageName,
    },
    /// A native library can be in a process once.
    Links {
        package: PackageName,
        loaded: PackageName,
        library: String,
    },
    /// A crate in a folder has changed since it was loaded.
    Changed { name: String },
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Conflict::Features { package, missing } => write!(
                f,
                "this needs {package} with the feature{} {}, and {package} is loaded without",
                if missing.len() == 1 { "" } else { "s" },
                missing.join(", ")
            ),
            Conflict::Version { package, loaded } => write!(
                f,
                "this needs {package}, and {} {loaded} is loaded",
                package.name
            ),
            Conflict::Name {
                name,
                package,
                loaded,
            } => write!(
                f,
                "this asks for {package} as `{name}`, and `{name}` is {loaded}, which is loaded"
            ),
            Conflict::Links {
                package,
                loaded,
                library,
            } => write!(
                f,
                "{package} links the native library `{library}`, which {loaded} has loaded"
            ),
            Conflict::Changed { name } => write!(
                f,
                "`{name}`, on which this stands, has changed in its folder since it was loaded"
            ),
        }
    }
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Metadata {
    /// Sorts the packages: the SDK's own copy, or that of a layer, is used where it has the version
    /// and the features. `requested` are the names of the packages that were asked for now.
    ///
    /// # Errors
    ///
    /// Fails where a second candle would be needed.
    pub fn plan(&self, sdk: &[SdkCrate], loaded: &Bundle, requested: &[&str]) -> Result<Plan> {
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
        let graph = Graph {
            packages,
            nodes,
            root,
        };
        let held = |node: &Node, package: &Package| {
            sdk.iter().any(|held| {
                held.package == package.name
                    && held.version == package.version
                    && held.features.is_superset(&node.features)
            })
        };
        let digests = graph.sources()?;
        let mut plan = Plan {
            sources: digests.values().map(String::as_str).collect(),
            ..Plan::default()
        };
        let mut waiting: Vec<(&str, Role)> = vec![(root, Role::Cells)];
        let mut seen: BTreeSet<(&str, Role)> = BTreeSet::new();
        let mut stubs: BTreeMap<&str, Stub> = BTreeMap::new();
        while let Some((id, role)) = waiting.pop() {
            if !seen.insert((id, role)) {
                continue;
            }
            let (package, node) = (graph.package(id)?, graph.node(id)?);
            let is_macro = package.is_macro();
            if id != root {
                let wanted = Built {
                    features: node.features.clone(),
                    links: package.links.clone(),
                    sources: digests.get(id).cloned(),
                };
                let in_layer = (role == Role::Cells && !is_macro)
                    .then(|| loaded.crate_for(package, &wanted))
                    .flatten();
                if let Some(known) = in_layer {
                    plan.in_layers.insert(package.full_name(), known.clone());
                    // Only what is from the registry can be put out of cargo's sight.
                    if package.is_from_registry() {
                        let digest = Some(known.digest.clone());
                        stubs.insert(
                            id,
                            Stub {
                                digest,
                                ..package.stub()
                            },
                        );
                    }
                    continue;
                }
                if held(node, package) && (role == Role::Cells || is_macro) {
                    stubs.insert(id, package.stub());
                    continue;
                }
                if role == Role::Cells && SINGLE.contains(&package.name.as_str()) {
                    return Err(second_copy(package, node, sdk));
                }
                if role == Role::Cells && !is_macro {
                    plan.conflicts
                        .extend(loaded.conflict(package, &wanted, requested, sdk));
                    plan.built.insert(package.full_name(), wanted);
                } else {
                    plan.built_for_compiler.insert(package.full_name());
                }
            }
            for edge in &node.deps {
                let target = graph.package(&edge.pkg)?;
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
        for edge in &graph.node(root)?.deps {
            let is_local = graph.package(&edge.pkg)?.source.is_none();
            let package = graph.package(&edge.pkg)?.full_name();
            let before = loaded.package_named(&edge.name, sdk);
            if let Some(before) = before.filter(|before| {
                before.name != package.name
                    || !is_local && !are_compatible(&before.version, &package.version)
            }) {
                plan.conflicts.push(Conflict::Name {
                    name: edge.name.clone(),
                    package: package.clone(),
                    loaded: before,
                });
            }
            plan.direct.push((edge.name.clone(), package));
        }
        Ok(plan)
    }
}

/// What is loaded, against which a request is planned.
trait Loaded {
    /// The crate that is loaded and can be used where this is wanted.
    fn crate_for(&self, package: &Package, wanted: &Built) -> Option<&LayerCrate>;

    fn crates_of(&self, package: &str) -> impl Iterator<Item = &LayerCrate>;

    /// Why a crate cannot be loaded beside what is.
    fn conflict(
        &self,
        package: &Package,
        wanted: &Built,
        requested: &[&str],
        sdk: &[SdkCrate],
    ) -> Option<Conflict>;

    /// The package that was asked for under a name.
    fn package_named(&self, name: &str, sdk: &[SdkCrate]) -> Option<PackageName>;
}

impl Loaded for Bundle {
    fn crate_for(&self, package: &Package, wanted: &Built) -> Option<&LayerCrate> {
        self.crates_of(&package.name)
            .filter(|known| {
                known.version == package.version
                    && known.features.is_superset(&wanted.features)
                    && known.sources == wanted.sources
            })
            .last()
    }

    fn crates_of(&self, package: &str) -> impl Iterator<Item = &LayerCrate> {
        let crates = self.layers.iter().flat_map(|layer| &layer.crates);
        crates.filter(move |known| known.package == package)
    }

    fn conflict(
        &self,
        package: &Package,
        wanted: &Built,
        requested: &[&str],
        sdk: &[SdkCrate],
    ) -> Option<Conflict> {
        let name = package.full_name();
        let known = self
            .crates_of(&package.name)
            .filter(|known| are_compatible(&known.version, &package.version))
            .last();
        if let Some(known) = known {
            let missing: Vec<String> = wanted
                .features
                .difference(&known.features)
                .cloned()
                .collect();
            if known.sources != wanted.sources {
                // Who asks for a crate in a folder again wants it as it is now.
                let is_asked_for = self.externs.iter().any(|(_, file)| {
                    self.crates_of(&package.name)
                        .any(|known| known.file == *file)
                });
                return (is_asked_for && !requested.contains(&package.name.as_str())).then(|| {
                    Conflict::Changed {
                        name: package.name.clone(),
                    }
                });
            }
            return Some(if known.version != package.version {
                Conflict::Version {
                    package: name,
                    loaded: known.version.clone(),
                }
            } else {
                Conflict::Features {
                    package: name,
                    missing,
                }
            });
        }
        // A crate of the SDK's that was asked for is in use, too: a second copy would have a logger of its own, say.
        let of_sdk = sdk.iter().find(|known| {
            known.package == package.name
                && are_compatible(&known.version, &package.version)
                && self
                    .externs
                    .iter()
                    .any(|(_, file)| file.ends_with(&known.file))
        });
        if let Some(known) = of_sdk {
            return Some(if known.version != package.version {
                Conflict::Version {
                    package: name,
                    loaded: known.version.clone(),
                }
            } else {
                Conflict::Features {
                    package: name,
                    missing: wanted
                        .features
                        .difference(&known.features)
                        .cloned()
                        .collect(),
                }
            });
        }
        let library = wanted.links.as_ref()?;
        let other = self
            .layers
            .iter()
            .flat_map(|layer| &layer.crates)
            .find(|known| known.links.as_ref() == Some(library))?;
        Some(Conflict::Links {
            package: name,
            loaded: PackageName {
                name: other.package.clone(),
                version: other.version.clone(),
            },
            library: library.clone(),
        })
    }

    fn package_named(&self, name: &str, sdk: &[SdkCrate]) -> Option<PackageName> {
        let (_, file) = self.externs.iter().find(|(known, _)| known == name)?;
        let in_layer = self
            .layers
            .iter()
            .flat_map(|layer| &layer.crates)
            .find(|known| known.file == *file)
            .map(|known| (&known.package, &known.version));
        let in_sdk = || {
            let known = sdk.iter().find(|known| file.ends_with(&known.file))?;
            Some((&known.package, &known.version))
        };
        let (name, version) = in_layer.or_else(in_sdk)?;
        Some(PackageName {
            name: name.clone(),
            version: version.clone(),
        })
    }
}

/// Whether cargo takes one version for the other: the first number that is not zero is the same.
fn are_compatible(one: &str, other: &str) -> bool {
    fn start(version: &str) -> Vec<&str> {
        let version = version.split(['+', '-']).next().unwrap_or(version);
        let mut numbers = Vec::new();
        for number in version.split('.') {
            numbers.push(number);
            if number != "0" {
                break;
            }
        }
        numbers
    }
    start(one) == start(other)
}

/// Cargo's resolution, by package id.
struct Graph<'a> {
    packages: HashMap<&'a str, &'a Package>,
    nodes: HashMap<&'a str, &'a Node>,
    root: &'a str,
}

impl<'a> Graph<'a> {
    fn package(&self, id: &str) -> Result<&'a Package> {
        self.packages
            .get(id)
            .copied()
            .with_context(|| format!("cargo does not describe {id}"))
    }

    fn node(&self, id: &str) -> Result<&'a Node> {
        self.nodes
            .get(id)
            .copied()
            .with_context(|| format!("cargo does not resolve {id}"))
    }

    /// The digests of the sources of all crates in folders of the user's: their own, and those of
    /// such crates that they stand on.
    fn sources(&self) -> Result<BTreeMap<&'a str, String>> {
        let mut digests = BTreeMap::new();
        let mut local: Vec<&str> = self.packages.keys().copied().collect();
        local.sort_unstable();
        for id in local {
            self.add_sources(id, &mut digests, &mut BTreeSet::new())?;
        }
        Ok(digests)
    }

    fn add_sources(
        &self,
        id: &'a str,
        digests: &mut BTreeMap<&'a str, String>,
        open: &mut BTreeSet<&'a str>,
    ) -> Result<()> {
        let package = self.package(id)?;
        if id == self.root
            || package.source.is_some()
            || package.manifest_path.as_os_str().is_empty()
            || digests.contains_key(id)
            || !open.insert(id)
        {
            return Ok(());
        }
        let folder = package.manifest_path.parent().unwrap_or(Path::new("/"));
        let mut text = sources::digest(folder);
        if let Ok(node) = self.node(id) {
            for edge in &node.deps {
                let target = self.package(&edge.pkg)?;
                self.add_sources(&target.id, digests, open)?;
                if let Some(other) = digests.get(edge.pkg.as_str()) {
                    text.push_str(other);
                }
            }
        }
        digests.insert(&package.id, sources::digest_of_text(&text));
        Ok(())
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
            digest: None,
        }
    }

    fn is_from_registry(&self) -> bool {
        let source = self.source.as_deref().unwrap_or_default();
        source.contains("github.com/rust-lang/crates.io-index")
            || source.contains("index.crates.io")
    }

    fn full_name(&self) -> PackageName {
        PackageName {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
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
            json!({ "id": id, "name": name, "source": "registry+x",
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

    fn names<'a>(set: impl IntoIterator<Item = &'a PackageName>) -> Vec<&'a str> {
        set.into_iter()
            .map(|package| package.name.as_str())
            .collect()
    }

    fn loaded(package: &str, version: &str, features: &[&str]) -> LayerCrate {
        LayerCrate {
            package: package.to_owned(),
            version: version.to_owned(),
            name: package.replace('-', "_"),
            features: features
                .iter()
                .map(|feature| (*feature).to_owned())
                .collect(),
            links: None,
            sources: None,
            file: format!("/layer/{package}.rmeta").into(),
            digest: "1".to_owned(),
        }
    }

    fn bundle(crates: Vec<LayerCrate>) -> Bundle {
        let externs = crates
            .iter()
            .map(|known| (known.name.clone(), known.file.clone()))
            .collect();
        let layer = super::super::Layer {
            crates,
            ..Default::default()
        };
        Bundle {
            externs,
            layers: vec![layer],
        }
    }

    #[test]
    fn what_is_loaded_is_used_or_the_request_is_refused() {
        let sdk = [held("candle-core", &[])];
        let plan = |app: LayerCrate| {
            metadata("1.0.0", &[])
                .plan(&sdk, &bundle(vec![app]), &["app"])
                .unwrap()
        };
        let fits = plan(loaded("app", "1.0.0", &["more"]));
        assert!(fits.built.is_empty() && fits.conflicts.is_empty());
        assert_eq!(names(fits.in_layers.keys()), ["app"]);
        let words = |plan: Plan| {
            plan.conflicts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(plan(loaded("app", "1.2.0", &[]))),
            ["this needs app 1.0.0, and app 1.2.0 is loaded"]
        );
        assert_eq!(
            words(plan(loaded("app", "2.0.0", &[]))),
            ["this asks for app 1.0.0 as `app`, and `app` is app 2.0.0, which is loaded"]
        );
        // So does a crate of the SDK's that was asked for.
        let mut of_sdk = held("app", &[]);
        of_sdk.version = "1.4.0".to_owned();
        of_sdk.file = "deps/app.rmeta".into();
        let asked_for = Bundle {
            externs: vec![("app".to_owned(), "/sdk/deps/app.rmeta".into())],
            layers: Vec::new(),
        };
        let with_app = [held("candle-core", &[]), of_sdk];
        assert_eq!(
            words(
                metadata("1.0.0", &[])
                    .plan(&with_app, &asked_for, &["x"])
                    .unwrap()
            ),
            ["this needs app 1.0.0, and app 1.4.0 is loaded"]
        );
        let mut other = loaded("app", "1.0.0", &[]);
        other.sources = Some("before".to_owned());
        // The request is for this very crate, as it is now.
        assert_eq!(words(plan(other.clone())), [""; 0]);
        let plan = metadata("1.0.0", &[])
            .plan(&sdk, &bundle(vec![other]), &["x"])
            .unwrap();
        assert!(words(plan)[0].contains("`app`, on which this stands, has changed"));
    }

    #[test]
    fn versions_are_compatible_up_to_the_first_number() {
        for (one, other, are) in [
            ("1.2.3", "1.9.0", true),
            ("1.0.0", "2.0.0", false),
            ("0.4.1", "0.4.9", true),
            ("0.4.1", "0.5.0", false),
            ("0.0.1", "0.0.2", false),
            ("1.0.0-beta.1", "1.0.0", true),
        ] {
            assert_eq!(are_compatible(one, other), are, "{one} {other}");
        }
    }

    #[test]
    fn what_the_sdk_holds_is_not_built() {
        let plan = metadata("1.0.0", &["std"])
            .plan(
                &[held("candle-core", &["std", "more"]), held("syn", &[])],
                &Bundle::default(),
                &[],
            )
            .unwrap();
        assert_eq!(names(plan.built.keys()), ["app"]);
        // The macro runs in the compiler, where the SDK's crates are not.
        assert_eq!(names(&plan.built_for_compiler), ["cc", "derive", "syn"]);
        let plan = metadata("1.0.0", &[])
            .plan(
                &[held("candle-core", &[]), held("derive", &[])],
                &Bundle::default(),
                &[],
            )
            .unwrap();
        assert_eq!(names(&plan.built_for_compiler), ["cc"]);
        let stubs: Vec<&str> = plan.stubs.iter().map(|stub| stub.name.as_str()).collect();
        assert_eq!(stubs, ["candle_core", "derive"]);
    }

    #[test]
    fn a_second_candle_is_refused() {
        let sdk = [held("candle-core", &["std"])];
        let error = metadata("2.0.0", &[])
            .plan(&sdk, &Bundle::default(), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("needs candle-core 2.0.0, and the SDK holds candle-core 1.0.0"),
            "{error}"
        );
        let error = metadata("1.0.0", &["cuda"])
            .plan(&sdk, &Bundle::default(), &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("with the features cuda"), "{error}");
    }
}
