//! From requests to a bundle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, bail};
use patchbay_files::{check_folder, create_private_folders, replace, unique_name};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};
use toml::{Table, Value};

use super::{
    BUNDLE, Bundle,
    graph::{Metadata, PackageName, Plan, Stub},
    request::Request,
    wrapper,
};
use crate::{
    engine::cache::Cache,
    snapshot::{SdkCrate, Snapshot},
};

/// The lock file that the SDK was built with; this program is built with the same.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What a bundle says of itself, written last.
const MANIFEST: &str = "bundle.json";

/// Where crates for cells are built.
#[derive(Clone, Debug)]
pub struct Workshop {
    crates: Vec<SdkCrate>,
    prefix: PathBuf,
    rustc: PathBuf,
    target: String,
    library: PathBuf,
    dependencies: PathBuf,
    /// All that can be provided, where nothing can be built.
    sealed: Option<BTreeMap<String, Bundle>>,
}

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The crate that was finished last.
    pub last: String,
    pub done: usize,
    pub total: usize,
}

impl Workshop {
    pub fn new(snapshot: &Snapshot) -> Workshop {
        Workshop {
            crates: snapshot.manifest.crates.clone(),
            prefix: snapshot.prefix.clone(),
            rustc: snapshot.manifest.rustc.path.clone(),
            target: snapshot.manifest.sdk.target.clone(),
            library: snapshot.library(),
            dependencies: snapshot.dependencies(),
            sealed: None,
        }
    }

    /// A workshop where nothing is built: it provides these bundles, by their requests.
    pub fn sealed(snapshot: &Snapshot, bundles: BTreeMap<String, Bundle>) -> Workshop {
        Workshop {
            sealed: Some(bundles),
            ..Workshop::new(snapshot)
        }
    }

    /// The crates that were asked for, built against the SDK if they have not been.
    ///
    /// Dropping the future ends the build; what was finished of it is used by the next one.
    ///
    /// # Errors
    ///
    /// Fails where cargo finds no such crate, where it does not fit the SDK, or where it does not
    /// build; with cargo's words.
    pub async fn provide(
        &self,
        requests: &[Request],
        mut progress: impl FnMut(Progress),
    ) -> Result<Bundle> {
        if let Some(bundles) = &self.sealed {
            return bundles.get(&Request::key(requests)).cloned().context(
                "this crate was not asked for when the notebook was built; build it again: \
                 patchbay build NOTEBOOK -o DIR",
            );
        }
        for request in requests {
            request.check_path()?;
        }
        let wanted = Request::dependencies(requests);
        let key = digest(&[wanted.as_bytes(), LOCK.as_bytes()]);
        let place = self.folder()?;
        let is_local = requests.iter().any(Request::is_local);
        if !is_local && let Some(bundle) = read(&place.join(&key)) {
            return Ok(bundle);
        }
        let project = place.join("projects").join(&key);
        let name = format!("{BUNDLE}_{key}");
        let manifest = Request::manifest(requests, BUNDLE, &name);
        write(&project.join("Cargo.toml"), &manifest)?;
        write(&project.join("Cargo.lock"), LOCK)?;
        write(&project.join("lib.rs"), "")?;
        let plan = self.metadata(&project).await?.plan(&self.crates)?;
        let answers = self.answers(requests, &plan);
        if plan.built.is_empty() && plan.built_for_compiler.is_empty() {
            let bundle = Bundle {
                externs: self.externs(&plan, &[])?,
                answers,
                ..Bundle::default()
            };
            return self.keep(bundle, &place, &key, None, &[]);
        }
        let names = plan
            .direct
            .iter()
            .map(|(name, _)| format!("pub use ::{name};\n"));
        write(
            &project.join("lib.rs"),
            &format!(
                "#![allow(unused_imports)]\nextern crate patchbay as _;\n{}",
                names.collect::<String>()
            ),
        )?;
        // A process tells libraries apart by this name, and may hold several states of a local crate.
        let soname = if is_local {
            format!("lib{name}-{}.so", uuid::Uuid::new_v4().simple())
        } else {
            format!("lib{name}.so")
        };
        let stubs = write_stubs(&place.join("stubs"), &plan.stubs)?;
        write(&project.join("Cargo.toml"), &format!("{manifest}\n{stubs}"))?;
        let built = self
            .cargo_build(&project, &plan, &soname, &mut progress)
            .await?;
        let library = built
            .iter()
            .find(|artifact| artifact.crate_name() == name)
            .and_then(|artifact| artifact.file("so"))
            .context("cargo built everything, but no library came of it")?;
        let key = if is_local {
            let bytes = fs::read(&library).with_context(|| format!("{}", library.display()))?;
            digest(&[key.as_bytes(), &bytes])
        } else {
            key
        };
        let bundle = Bundle {
            externs: self.externs(&plan, &built)?,
            answers,
            ..Bundle::default()
        };
        self.keep(bundle, &place, &key, Some((&library, &soname)), &built)
    }

    /// A folder for bundles: in the snapshot, or where that cannot be written, the user's.
    fn folder(&self) -> Result<PathBuf> {
        let own = self.prefix.join("dependencies");
        let is_ours = create_private_folders(&own).is_ok()
            && fs::symlink_metadata(&own)
                .is_ok_and(|found| found.is_dir() && found.uid() == patchbay_files::user());
        let folder = if is_ours && tempfile::tempfile_in(&own).is_ok() {
            own
        } else {
            Cache::base()
                .context(
                    "no folder for crates: the snapshot cannot be written and HOME is not set",
                )?
                .join("dependencies")
                .join(self.prefix.file_name().unwrap_or_default())
        };
        create_private_folders(&folder).with_context(|| format!("{}", folder.display()))?;
        // What is built here is loaded and run.
        check_folder(&folder).map_err(|text| anyhow!(text))?;
        Ok(folder)
    }

    fn cargo(&self) -> Command {
        let beside = self.rustc.with_file_name("cargo");
        let mut command = Command::new(if beside.is_file() {
            beside
        } else {
            PathBuf::from("cargo")
        });
        command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .env("RUSTC", &self.rustc)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTC_BOOTSTRAP");
        command
    }

    async fn metadata(&self, project: &Path) -> Result<Metadata> {
        let output = self
            .cargo()
            .current_dir(project)
            .args(["metadata", "--format-version=1", "--filter-platform"])
            .arg(&self.target)
            .output()
            .await
            .context("cargo does not start")?;
        if !output.status.success() {
            bail!("{}", words(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")
    }

    async fn cargo_build(
        &self,
        project: &Path,
        plan: &Plan,
        soname: &str,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Vec<Artifact>> {
        let names: BTreeSet<PackageName> = plan
            .built
            .iter()
            .chain(&plan.built_for_compiler)
            .cloned()
            .collect();
        let mut held: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
        for known in &self.crates {
            // A package that is built, because the SDK's copy lacks a feature, is not replaced.
            let package = PackageName {
                name: known.package.clone(),
                version: known.version.clone(),
            };
            if !plan.built.contains(&package) {
                held.entry(format!("{} {}", known.package, known.version))
                    .or_default()
                    .insert(known.name.clone(), self.prefix.join(&known.file));
            }
        }
        let instructions = wrapper::Instructions {
            held,
            library: self.library.clone(),
            dependencies: self.dependencies.clone(),
            soname: soname.to_owned(),
        };
        let file = project.join("instructions.json");
        write(&file, &serde_json::to_string(&instructions)?)?;
        let program = std::env::current_exe().context("the path of this program is not known")?;
        let mut child = self
            .cargo()
            .current_dir(project)
            .args([
                "build",
                "--release",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--color=always", "--target"])
            .arg(&self.target)
            .env("CARGO_TARGET_DIR", project.join("../../target"))
            .env("RUSTC_WRAPPER", program)
            .env(wrapper::VARIABLE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cargo does not start")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(mut stderr)) = (stdout, stderr) else {
            bail!("cargo has no output");
        };
        let errors = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes).await;
            bytes
        });
        let mut lines = BufReader::new(stdout).lines();
        let (mut built, mut done) = (Vec::new(), BTreeSet::new());
        while let Some(line) = lines.next_line().await? {
            let Ok(artifact) = serde_json::from_str::<Artifact>(&line) else {
                continue;
            };
            let Some(package) = artifact.package().filter(|_| !artifact.is_script()) else {
                continue;
            };
            if names.contains(&package) && done.insert(package.clone()) {
                progress(Progress {
                    last: format!("{} {}", package.name, package.version),
                    done: done.len(),
                    total: names.len(),
                });
            }
            if names.contains(&package) || package.name == BUNDLE {
                built.push(artifact);
            }
        }
        let status = child.wait().await?;
        let errors = errors.await.unwrap_or_default();
        if !status.success() {
            bail!("{}", words(&errors));
        }
        Ok(built)
    }

    /// What to say of each request.
    fn answers(&self, requests: &[Request], plan: &Plan) -> Vec<(String, String)> {
        requests
            .iter()
            .filter_map(|request| {
                let name = request.name.replace('-', "_");
                let (_, package) = plan.direct.iter().find(|(direct, _)| *direct == name)?;
                let is_built =
                    plan.built.contains(package) || plan.built_for_compiler.contains(package);
                let held = if is_built {
                    ""
                } else {
                    ", which the SDK holds"
                };
                let text = format!("{} {}{held}: {name}", package.name, package.version);
                Some((request.name.clone(), text))
            })
            .collect()
    }

    /// The file that describes each crate that was asked for.
    fn externs(&self, plan: &Plan, built: &[Artifact]) -> Result<Vec<(String, PathBuf)>> {
        plan.direct
            .iter()
            .map(|(name, package)| {
                let own = built.iter().find(|artifact| {
                    artifact.package().as_ref() == Some(package) && !artifact.is_script()
                });
                let own =
                    own.and_then(|artifact| artifact.file("rmeta").or_else(|| artifact.file("so")));
                let held = || {
                    let held = self.crates.iter().find(|held| {
                        held.package == package.name && held.version == package.version
                    })?;
                    Some(self.prefix.join(&held.file))
                };
                let file = own.or_else(held).with_context(|| {
                    format!(
                        "cargo built {} {}, but no library came of it",
                        package.name, package.version
                    )
                })?;
                Ok((name.clone(), file))
            })
            .collect()
    }

    /// Puts a bundle in its place, in one step.
    fn keep(
        &self,
        mut bundle: Bundle,
        place: &Path,
        key: &str,
        library: Option<(&Path, &str)>,
        built: &[Artifact],
    ) -> Result<Bundle> {
        let folder = place.join(key);
        let staging = tempfile::Builder::new()
            .prefix(".staging-")
            .tempdir_in(place)
            .with_context(|| format!("{} is not writable", place.display()))?;
        let deps = staging.path().join("deps");
        create_private_folders(&deps)?;
        for artifact in built
            .iter()
            .filter(|artifact| !artifact.crate_name().starts_with(BUNDLE))
        {
            for file in ["rmeta", "so"]
                .iter()
                .filter_map(|kind| artifact.file(kind))
            {
                let name = file.file_name().unwrap_or_default().to_owned();
                copy(&file, &deps.join(&name))?;
                for (_, known) in bundle
                    .externs
                    .iter_mut()
                    .filter(|(_, known)| *known == file)
                {
                    *known = folder.join("deps").join(&name);
                }
            }
        }
        if let Some((library, name)) = library {
            copy(library, &staging.path().join(name))?;
            bundle.library = Some(folder.join(name));
        }
        bundle.dependencies = folder.join("deps");
        write(
            &staging.path().join(MANIFEST),
            &serde_json::to_string_pretty(&bundle)?,
        )?;
        if fs::rename(staging.path(), &folder).is_ok() {
            let _ = staging.keep();
        } else if read(&folder).is_none() {
            // Another process was not faster: what is there is damaged. It gets another name, and goes if it is a bundle.
            let aside = place.join(format!(".staging-{}", unique_name()?));
            fs::rename(&folder, &aside).with_context(|| format!("{}", folder.display()))?;
            fs::rename(staging.path(), &folder).with_context(|| format!("{}", folder.display()))?;
            let _ = staging.keep();
            if fs::symlink_metadata(aside.join(MANIFEST)).is_ok_and(|found| found.is_file()) {
                let _ = fs::remove_dir_all(&aside);
            }
        }
        Ok(bundle)
    }
}

/// Writes packages without sources and dependencies for those that the SDK holds, so that cargo has
/// nothing to do around them. Returns the part of the manifest that puts them in place.
fn write_stubs(folder: &Path, stubs: &[Stub]) -> Result<String> {
    let mut patches = Table::new();
    for stub in stubs {
        let PackageName { name, version } = &stub.package;
        let place = folder.join(format!("{name}-{version}"));
        let features: Table = stub
            .features
            .iter()
            .map(|feature| (feature.clone(), Value::Array(Vec::new())))
            .collect();
        let features = Table::from_iter([("features".to_owned(), Value::Table(features))]);
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n\n\
             [lib]\nname = \"{}\"\npath = \"lib.rs\"\nproc-macro = {}\n\n{features}",
            stub.name, stub.is_macro
        );
        // Written once, so that cargo sees no change.
        if fs::read_to_string(place.join("Cargo.toml")).ok().as_deref() != Some(&manifest) {
            write(&place.join("lib.rs"), "")?;
            write(&place.join("Cargo.toml"), &manifest)?;
        }
        let patch = Table::from_iter([
            ("package".to_owned(), Value::String(name.clone())),
            (
                "path".to_owned(),
                Value::String(place.display().to_string()),
            ),
        ]);
        patches.insert(
            format!("{name}-{version}").replace(['.', '+'], "-"),
            Value::Table(patch),
        );
    }
    let patches = Table::from_iter([("crates-io".to_owned(), Value::Table(patches))]);
    Ok(Table::from_iter([("patch".to_owned(), Value::Table(patches))]).to_string())
}

/// A line of cargo's about something that was compiled.
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: ArtifactTarget,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    name: String,
    kind: Vec<String>,
}

impl Artifact {
    /// Package ids end in `#name@version`, or in `#version` where the folder has the name.
    fn package(&self) -> Option<PackageName> {
        let (source, end) = self.package_id.rsplit_once('#')?;
        let (name, version) = end.split_once('@').or_else(|| {
            let folder = source.split(['?', '#']).next()?.rsplit('/').next()?;
            Some((folder, end))
        })?;
        Some(PackageName {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    fn is_script(&self) -> bool {
        self.target.kind.iter().any(|kind| kind == "custom-build")
    }

    fn crate_name(&self) -> String {
        self.target.name.replace('-', "_")
    }

    fn file(&self, extension: &str) -> Option<PathBuf> {
        self.filenames
            .iter()
            .find(|file| file.extension().is_some_and(|found| found == extension))
            .cloned()
    }
}

/// A finished bundle whose files are there.
fn read(folder: &Path) -> Option<Bundle> {
    let bundle: Bundle =
        serde_json::from_slice(&patchbay_files::read(&folder.join(MANIFEST)).ok()?).ok()?;
    let files = bundle
        .externs
        .iter()
        .map(|(_, file)| file)
        .chain(&bundle.library);
    files
        .into_iter()
        .all(|file| file.is_file())
        .then_some(bundle)
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    patchbay_files::read(source)
        .and_then(|bytes| replace(target, &bytes, 0o600))
        .with_context(|| format!("{} -> {}", source.display(), target.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    path.parent()
        .map_or(Ok(()), create_private_folders)
        .and_then(|()| replace(path, text.as_bytes(), 0o600))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Cargo's own words, without its talk of what goes well.
fn words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let useful: Vec<&str> = text
        .lines()
        .filter(|line| {
            let plain = anstream::adapter::strip_str(line).to_string();
            let plain = plain.trim_start();
            ![
                "Compiling ",
                "Downloading ",
                "Downloaded ",
                "Updating ",
                "Locking ",
                "Adding ",
                "Finished ",
            ]
            .iter()
            .any(|talk| plain.starts_with(talk))
        })
        .collect();
    useful.join("\n").trim().to_owned()
}
