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
    BUNDLE, Bundle, Layer, LayerCrate,
    graph::{Conflict, Metadata, PackageName, Plan, Stub},
    lock, native,
    request::Request,
    wrapper,
};
use crate::snapshot::{SdkCrate, Snapshot};
use patchbay_engine::cache::Cache;

/// The lock file that the SDK was built with; this program is built with the same.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What a layer says of itself, written last.
const MANIFEST: &str = "layer.json";

/// Changes whenever layers are made in another way, so that those of before are not taken.
const LAYOUT: &str = "2";

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
    /// The crate that was finished last, or what is waited for.
    pub last: String,
    /// The number of crates that are built.
    pub done: usize,
    /// 0 before anything is built.
    pub total: usize,
}

impl Workshop {
    /// Makes the workshop of a snapshot.
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

    /// What is loaded, with the crates that are asked for now: built against the SDK and what is loaded, if they
    /// have not been.
    ///
    /// `asked` are the requests before, in order; `in_use` is what a process has used of what they brought. Where the
    /// new ones do not go with the rest, that is resolved anew, together with them.
    ///
    /// Dropping the future ends the build; what was finished of it is used by the next one.
    ///
    /// # Errors
    ///
    /// Fails where cargo finds no such crate, where it does not fit the SDK, or where it does not
    /// build, with cargo's words; and where it does not go with what is loaded.
    pub async fn provide(
        &self,
        loaded: &Bundle,
        asked: &[Request],
        new: &[Request],
        in_use: &InUse,
        settings: &Settings,
        mut progress: impl FnMut(Progress),
    ) -> Result<Bundle> {
        let all = merged(asked, new);
        if let Some(bundles) = &self.sealed {
            return bundles.get(&Request::key(&all)).cloned().context(
                "this crate was not asked for when the notebook was built; build it again: \
                 patchbay build NOTEBOOK -o DIR",
            );
        }
        for request in new {
            request.check_path()?;
        }
        let is_known = |request: &Request| {
            !request.is_local() && asked.iter().any(|known| known.is_same(request))
        };
        if new.iter().all(is_known) {
            return Ok(loaded.clone());
        }
        let place = self.folder()?;
        let fitting = fitted(loaded, new);
        let build = Build {
            workshop: self,
            place: &place,
            loaded,
            asked,
            new: &fitting,
            settings,
        };
        let conflicts = match build.layer(&mut progress).await? {
            Ok(layer) => return Ok(loaded.with(layer)),
            Err(conflicts) => conflicts,
        };
        if in_use.bundle.layers.len() < loaded.layers.len() {
            let is_in_use =
                |request: &&Request| in_use.requests.iter().any(|known| known.is_same(request));
            let later: Vec<Request> = all
                .iter()
                .filter(|request| !is_in_use(request))
                .cloned()
                .collect();
            let later = fitted(&in_use.bundle, &later);
            let build = Build {
                loaded: &in_use.bundle,
                asked: &in_use.requests,
                new: &later,
                ..build
            };
            match build.layer(&mut progress).await? {
                Ok(layer) => return Ok(in_use.bundle.with(layer)),
                Err(others) => bail!("{}", refused(&others, &all, new)),
            }
        }
        bail!("{}", refused(&conflicts, &all, new))
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

    /// What to say of each request.
    fn answers(requests: &[Request], plan: &Plan) -> Vec<(String, String)> {
        requests
            .iter()
            .filter_map(|request| {
                let name = request.name.replace('-', "_");
                let (_, package) = plan.direct.iter().find(|(direct, _)| *direct == name)?;
                let held = if plan.built.contains_key(package)
                    || plan.built_for_compiler.contains(package)
                {
                    ""
                } else if plan.in_layers.contains_key(package) {
                    ", which is loaded"
                } else {
                    ", which the SDK holds"
                };
                let text = format!("{} {}{held}: {name}", package.name, package.version);
                Some((request.name.clone(), text))
            })
            .collect()
    }
}

/// What a process has used of a session's crates, and the requests for that.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    /// The libraries that the session has loaded.
    pub bundle: Bundle,
    /// What was asked for, in order.
    pub requests: Vec<Request>,
}

/// What the user has set for builds.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Cargo must not use the network.
    pub offline: bool,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

/// Requests without what the kernel has added to those for crates that are loaded: it is no reason to refuse them.
fn fitted(loaded: &Bundle, requests: &[Request]) -> Vec<Request> {
    let fit = |request: &Request| match loaded.newest(request.package()) {
        Some(_) => request.as_made(),
        None => request.clone(),
    };
    requests.iter().map(fit).collect()
}

/// All requests, of which a later one stands for an earlier one of its name.
pub fn merged(asked: &[Request], new: &[Request]) -> Vec<Request> {
    let stays = |request: &&Request| new.iter().all(|newer| newer.name != request.name);
    let joined = new.iter().map(|newer| {
        let before = asked.iter().find(|known| known.name == newer.name);
        before.map_or_else(|| newer.clone(), |before| before.followed_by(newer))
    });
    asked.iter().filter(stays).cloned().chain(joined).collect()
}

/// Why a request was refused, and what to type.
fn refused(conflicts: &[Conflict], all: &[Request], new: &[Request]) -> String {
    let mut text = conflicts
        .iter()
        .map(|conflict| format!("{conflict}\n"))
        .collect::<String>();
    text.push_str(
        "A crate that is loaded stays as it is, because variables, statics and threads use it. Nothing was changed.\n",
    );
    for conflict in conflicts {
        match conflict {
            Conflict::Name { name, package, .. } => {
                let other = new
                    .iter()
                    .find(|request| request.name.replace('-', "_") == *name);
                if let Some(line) =
                    other.and_then(|other| other.under_another_name(&package.version))
                {
                    text.push_str(&format!(
                        "To have both, give it another name:\n:dep {line}\n"
                    ));
                }
            }
            Conflict::Changed { name } => {
                let own = all.iter().find(|request| request.name == *name);
                let line = own.map_or(name.as_str(), |request| &request.text);
                text.push_str(&format!(
                    "To load it as it is now, type first:\n:dep {line}\n"
                ));
                return text;
            }
            _ => {}
        }
    }
    text.push_str(
        "To begin with a new process for the cells (variables are lost, functions and types stay), type in one cell:\n:restart\n",
    );
    let again = all
        .iter()
        .filter(|request| new.iter().any(|newer| newer.name == request.name));
    for request in again {
        text.push_str(&format!(":dep {}\n", request.text));
    }
    text.trim_end().to_owned()
}

/// How often cargo is called again because a file of its folder belongs to another session's crates.
const MOST_ROUNDS: usize = 4;

/// One request on its way to a layer.
#[derive(Clone, Copy)]
struct Build<'a> {
    workshop: &'a Workshop,
    place: &'a Path,
    loaded: &'a Bundle,
    asked: &'a [Request],
    new: &'a [Request],
    settings: &'a Settings,
}

/// How what is loaded is kept from being built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Cargo sees all requests in full, and finds what is loaded as it has built it before. So what stands on it is
    /// found, too, whatever session it was built for.
    Found,
    /// Cargo sees nothing in the place of what is loaded.
    LeftOut,
}

impl Build<'_> {
    /// The layer of the request: found, or built. The inner error says why it does not go with what is loaded.
    async fn layer(
        &self,
        progress: &mut impl FnMut(Progress),
    ) -> Result<std::result::Result<Layer, Vec<Conflict>>> {
        let wanted = Request::dependencies(self.new);
        let mut parts = vec![LAYOUT.as_bytes(), wanted.as_bytes(), LOCK.as_bytes()];
        parts.extend(self.loaded.layers.iter().map(|layer| layer.key.as_bytes()));
        let environment: String = self
            .settings
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        parts.push(environment.as_bytes());
        let key = digest(&parts);
        let is_local = self.new.iter().any(Request::is_local);
        if !is_local && let Some(layer) = read(&self.place.join(&key)) {
            return Ok(Ok(layer));
        }
        let locks: Vec<String> = self
            .loaded
            .layers
            .iter()
            .filter_map(|layer| fs::read_to_string(&layer.lock).ok())
            .collect();
        // The newest first: of two entries for one package it is the first that counts.
        let mut texts: Vec<&str> = locks.iter().rev().map(String::as_str).collect();
        texts.push(LOCK);
        let lock = lock::merge(&texts);
        let project = self.place.join("projects").join(&key);
        let plan = self.plan(&project, self.new, &key, &lock).await?;
        if !plan.conflicts.is_empty() {
            return Ok(Err(plan.conflicts));
        }
        // A crate in a folder is another one once its sources have changed.
        let key = if plan.sources.is_empty() {
            key
        } else {
            digest(&[key.as_bytes(), plan.sources.as_bytes()])
        };
        if let Some(layer) = read(&self.place.join(&key)) {
            return Ok(Ok(layer));
        }
        let answers = Workshop::answers(self.new, &plan);
        let lock_file = project.join("Cargo.lock");
        let chosen =
            fs::read_to_string(&lock_file).with_context(|| format!("{}", lock_file.display()))?;
        if plan.built.is_empty() && plan.built_for_compiler.is_empty() {
            let layer = Layer {
                key: key.clone(),
                externs: self.externs(&plan, &[])?,
                answers,
                ..Layer::default()
            };
            return self.keep(layer, &chosen, None, &[], &plan).map(Ok);
        }
        let _lock = self.lock(progress).await?;
        let mut built = None;
        if !self.loaded.layers.is_empty() {
            let all = merged(self.asked, self.new);
            let project = self.place.join("projects").join(format!("{key}-all"));
            let whole = self.plan(&project, &all, &key, &lock).await;
            if let Ok(whole) = whole
                && whole.conflicts.is_empty()
                && whole
                    .in_layers
                    .keys()
                    .all(|package| !whole.built.contains_key(package))
            {
                built = self
                    .build(&project, &all, &key, whole, Way::Found, progress)
                    .await?;
            }
        }
        if built.is_none() {
            built = self
                .build(
                    &project,
                    self.new,
                    &key,
                    plan.clone(),
                    Way::LeftOut,
                    progress,
                )
                .await?;
        }
        let built = built
            .context("what cargo has built before does not fit; remove the folder of the builds")?;
        let library = built
            .iter()
            .find(|artifact| artifact.crate_name() == format!("{BUNDLE}_{key}"))
            .and_then(|artifact| artifact.file("so"))
            .context("cargo built everything, but no library came of it")?;
        let layer = Layer {
            externs: self.externs(&plan, &built)?,
            key,
            answers,
            ..Layer::default()
        };
        self.keep(layer, &chosen, Some(&library), &built, &plan)
            .map(Ok)
    }

    /// Keeps other processes from building in the same folder.
    async fn lock(&self, progress: &mut impl FnMut(Progress)) -> Result<fs::File> {
        let path = self.place.join(".lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{}", path.display()))?;
        let mut waits = false;
        while let Err(error) = file.try_lock() {
            match error {
                fs::TryLockError::WouldBlock => {
                    if !std::mem::replace(&mut waits, true) {
                        progress(Progress {
                            last: "waiting for the build of another session".to_owned(),
                            done: 0,
                            total: 0,
                        });
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                // A file system without locks.
                fs::TryLockError::Error(_) => break,
            }
        }
        Ok(file)
    }

    /// Writes a project that asks for crates, and sorts what cargo finds for it.
    async fn plan(
        &self,
        project: &Path,
        requests: &[Request],
        key: &str,
        lock: &str,
    ) -> Result<Plan> {
        let manifest = Request::manifest(requests, BUNDLE, &format!("{BUNDLE}_{key}"));
        write(&project.join("Cargo.toml"), &manifest)?;
        write(&project.join("Cargo.lock"), lock)?;
        write(&project.join("lib.rs"), "")?;
        let names: Vec<&str> = self.new.iter().map(Request::package).collect();
        self.metadata(project)
            .await?
            .plan(&self.workshop.crates, self.loaded, &names)
    }

    fn cargo(&self, project: &Path, verb: &str) -> Command {
        let mut command = self.workshop.cargo();
        command.current_dir(project).arg(verb);
        if self.settings.offline {
            command.arg("--offline");
        }
        command.envs(
            self.settings
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command
    }

    async fn metadata(&self, project: &Path) -> Result<Metadata> {
        let output = self
            .cargo(project, "metadata")
            .args(["--format-version=1", "--filter-platform"])
            .arg(&self.workshop.target)
            .output()
            .await
            .context("cargo does not start")?;
        if !output.status.success() {
            bail!("{}", words(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata is not understood")
    }

    /// Where cargo builds.
    fn target(&self) -> PathBuf {
        self.place.join("target")
    }

    /// Where it puts what is for cells.
    fn for_cells(&self) -> PathBuf {
        self.target().join(&self.workshop.target).join("release")
    }

    /// Builds what a plan has to be built; `None` where what is loaded would be built again.
    async fn build(
        &self,
        project: &Path,
        requests: &[Request],
        key: &str,
        plan: Plan,
        way: Way,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<Vec<Artifact>>> {
        let name = format!("{BUNDLE}_{key}");
        let own: Vec<String> = self
            .new
            .iter()
            .map(|request| request.name.replace('-', "_"))
            .collect();
        let mut source = "#![allow(unused_imports)]\nextern crate patchbay as _;\n".to_owned();
        for (layer, _) in self.loaded.libraries() {
            source.push_str(&format!("extern crate {layer} as _;\n"));
        }
        for (direct, _) in plan
            .direct
            .iter()
            .filter(|(direct, _)| own.contains(direct))
        {
            source.push_str(&format!("pub use ::{direct};\n"));
        }
        write(&project.join("lib.rs"), &source)?;
        let is_stub = |stub: &&Stub| way == Way::LeftOut || stub.digest.is_none();
        let stubs: Vec<&Stub> = plan.stubs.iter().filter(is_stub).collect();
        let stubs = write_stubs(&self.place.join("stubs"), &stubs)?;
        let manifest = Request::manifest(requests, BUNDLE, &name);
        write(&project.join("Cargo.toml"), &format!("{manifest}\n{stubs}"))?;
        for _ in 0..MOST_ROUNDS {
            let Some(built) = self
                .cargo_build(project, &plan, &name, way, progress)
                .await?
            else {
                return Ok(None);
            };
            match self.check(&built, &plan, way)? {
                Check::Sound => return Ok(Some(built)),
                Check::Other => return Ok(None),
                Check::Again => {}
            }
        }
        Ok(None)
    }

    async fn cargo_build(
        &self,
        project: &Path,
        plan: &Plan,
        name: &str,
        way: Way,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<Vec<Artifact>>> {
        let workshop = self.workshop;
        let names: BTreeSet<PackageName> = plan
            .built
            .keys()
            .chain(&plan.built_for_compiler)
            .cloned()
            .collect();
        let mut held: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
        for known in &workshop.crates {
            // A package that is built, because the SDK's copy lacks a feature, is not replaced.
            let package = PackageName {
                name: known.package.clone(),
                version: known.version.clone(),
            };
            if !plan.built.contains_key(&package) && !plan.in_layers.contains_key(&package) {
                held.entry(package.to_string())
                    .or_default()
                    .insert(known.name.clone(), workshop.prefix.join(&known.file));
            }
        }
        let mut refused = BTreeSet::new();
        for (package, known) in &plan.in_layers {
            match way {
                Way::Found => drop(refused.insert(package.to_string())),
                Way::LeftOut => {
                    held.entry(package.to_string())
                        .or_default()
                        .insert(known.name.clone(), known.file.clone());
                }
            }
        }
        let instructions = wrapper::Instructions {
            held,
            library: workshop.library.clone(),
            dependencies: workshop.dependencies.clone(),
            soname: format!("lib{name}.so"),
            layers: self
                .loaded
                .libraries()
                .map(|(name, library)| (name, library.to_owned()))
                .collect(),
            layer_dependencies: self
                .loaded
                .layers
                .iter()
                .filter(|layer| layer.library.is_some())
                .map(|layer| layer.dependencies.clone())
                .collect(),
            refused,
            sources: plan
                .built
                .iter()
                .filter_map(|(package, built)| Some((package.to_string(), built.sources.clone()?)))
                .collect(),
            natives: self.for_cells().join("natives"),
        };
        let file = project.join("instructions.json");
        write(&file, &serde_json::to_string(&instructions)?)?;
        let note = project.join(wrapper::REFUSED);
        let _ = fs::remove_file(&note);
        let program = this_program()?;
        let mut child = self
            .cargo(project, "build")
            .args(["--release", "--message-format=json-render-diagnostics"])
            .args(["--color=always", "--target"])
            .arg(&workshop.target)
            .env("CARGO_TARGET_DIR", self.target())
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
                    last: package.to_string(),
                    done: done.len(),
                    total: names.len(),
                });
            }
            built.push(artifact);
        }
        let status = child.wait().await?;
        let errors = errors.await.unwrap_or_default();
        if status.success() {
            return Ok(Some(built));
        }
        if way == Way::Found && note.is_file() {
            return Ok(None);
        }
        bail!("{}", words(&errors));
    }

    /// Compares what cargo has found in its folder with what is loaded: another session may have put there what is
    /// not of use here.
    fn check(&self, built: &[Artifact], plan: &Plan, way: Way) -> Result<Check> {
        let for_cells = self.for_cells();
        let mut check = Check::Sound;
        for artifact in built.iter().filter(|artifact| !artifact.is_script()) {
            let Some(file) = artifact.file("rmeta").or_else(|| artifact.file("rlib")) else {
                continue;
            };
            if !file.starts_with(&for_cells) {
                continue;
            }
            let Some(package) = artifact.package() else {
                continue;
            };
            let mark = file.with_extension(wrapper::MARK);
            let stands_for = fs::read_to_string(&mark).ok().map(PathBuf::from);
            let in_layer = plan.in_layers.get(&package);
            let is_sound = match (&stands_for, in_layer) {
                (Some(other), Some(known)) => *other == known.file,
                (None, Some(known)) => {
                    let bytes = fs::read(&file).with_context(|| format!("{}", file.display()))?;
                    digest(&[&bytes]) == known.digest
                }
                // The SDK's are the same in all sessions.
                (Some(other), None) => other.starts_with(self.workshop.prefix.join("deps")),
                (None, None) => true,
            };
            if is_sound {
                continue;
            }
            if way == Way::Found && in_layer.is_some() {
                return Ok(Check::Other);
            }
            for extension in ["rmeta", "rlib", "d", wrapper::MARK, native::LIST] {
                let _ = fs::remove_file(file.with_extension(extension));
            }
            check = Check::Again;
        }
        Ok(check)
    }

    /// The file that describes each crate that was asked for now.
    fn externs(&self, plan: &Plan, built: &[Artifact]) -> Result<Vec<(String, PathBuf)>> {
        let own: Vec<String> = self
            .new
            .iter()
            .map(|request| request.name.replace('-', "_"))
            .collect();
        plan.direct
            .iter()
            .filter(|(name, _)| own.contains(name))
            .map(|(name, package)| {
                let in_layer = plan.in_layers.get(package).map(|known| known.file.clone());
                let is_made =
                    plan.built.contains_key(package) || plan.built_for_compiler.contains(package);
                let made = || {
                    let artifact = is_made.then(|| self.artifact(built, package)).flatten();
                    artifact.and_then(Artifact::description)
                };
                let held = || {
                    let held = self.workshop.crates.iter().find(|held| {
                        held.package == package.name && held.version == package.version
                    })?;
                    Some(self.workshop.prefix.join(&held.file))
                };
                let file = in_layer
                    .or_else(made)
                    .or_else(held)
                    .with_context(|| format!("cargo built {package}, but no library came of it"))?;
                Ok((name.clone(), file))
            })
            .collect()
    }

    /// What was built of a package for cells, or of a procedural macro.
    fn artifact<'a>(&self, built: &'a [Artifact], package: &PackageName) -> Option<&'a Artifact> {
        let for_cells = self.for_cells();
        built.iter().find(|artifact| {
            artifact.package().as_ref() == Some(package)
                && !artifact.is_script()
                && artifact
                    .description()
                    .is_some_and(|file| artifact.is_macro() || file.starts_with(&for_cells))
        })
    }

    /// Puts a layer in its place, in one step.
    fn keep(
        &self,
        mut layer: Layer,
        lock: &str,
        library: Option<&Path>,
        built: &[Artifact],
        plan: &Plan,
    ) -> Result<Layer> {
        let place = self.place;
        let folder = place.join(&layer.key);
        let staging = tempfile::Builder::new()
            .prefix(".staging-")
            .tempdir_in(place)
            .with_context(|| format!("{} is not writable", place.display()))?;
        let deps = staging.path().join("deps");
        create_private_folders(&deps)?;
        let packages = plan.built.keys().chain(&plan.built_for_compiler);
        for package in packages {
            let Some(artifact) = self.artifact(built, package) else {
                // A procedural macro's own dependencies.
                continue;
            };
            let Some(file) = artifact.description() else {
                continue;
            };
            let name = file.file_name().unwrap_or_default().to_owned();
            let kept = folder.join("deps").join(&name);
            copy(&file, &deps.join(&name))?;
            for (_, known) in layer.externs.iter_mut().filter(|(_, known)| *known == file) {
                known.clone_from(&kept);
            }
            let Some(own) = plan.built.get(package) else {
                continue;
            };
            let mut natives = String::new();
            for native in fs::read_to_string(file.with_extension(native::LIST))
                .unwrap_or_default()
                .lines()
            {
                let source = Path::new(native);
                let name = source.file_name().unwrap_or_default();
                copy(source, &staging.path().join(name))?;
                natives.push_str(&format!("{}\n", folder.join(name).display()));
                layer.natives.push(folder.join(name));
            }
            if !natives.is_empty() {
                write(&deps.join(&name).with_extension(native::LIST), &natives)?;
            }
            let bytes = fs::read(&file).with_context(|| format!("{}", file.display()))?;
            layer.crates.push(LayerCrate {
                package: package.name.clone(),
                version: package.version.clone(),
                name: artifact.crate_name(),
                features: own.features.clone(),
                links: own.links.clone(),
                sources: own.sources.clone(),
                file: kept,
                digest: digest(&[&bytes]),
            });
        }
        if let Some(library) = library {
            let name = library.file_name().unwrap_or_default();
            copy(library, &staging.path().join(name))?;
            layer.library = Some(folder.join(name));
        }
        layer.dependencies = folder.join("deps");
        write(&staging.path().join("Cargo.lock"), lock)?;
        layer.lock = folder.join("Cargo.lock");
        write(
            &staging.path().join(MANIFEST),
            &serde_json::to_string_pretty(&layer)?,
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
        Ok(layer)
    }
}

/// This program, also where its file has been replaced since it was started.
fn this_program() -> Result<PathBuf> {
    let running = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().context("the path of this program is not known")
}

/// What a look at cargo's folder has found.
enum Check {
    Sound,
    /// Files were removed that belong to other crates; cargo must make them again.
    Again,
    /// What is loaded is not what cargo would have here.
    Other,
}

/// Writes packages without sources and dependencies for those that the SDK holds, so that cargo has
/// nothing to do around them. Returns the part of the manifest that puts them in place.
fn write_stubs(folder: &Path, stubs: &[&Stub]) -> Result<String> {
    let mut patches = Table::new();
    for stub in stubs {
        let PackageName { name, version } = &stub.package;
        // Cargo tells packages apart by their folders, and so knows what was built on which crate.
        let place = match &stub.digest {
            Some(digest) => folder.join(format!("{name}-{version}-{digest}")),
            None => folder.join(format!("{name}-{version}")),
        };
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

    fn is_macro(&self) -> bool {
        self.target.kind.iter().any(|kind| kind == "proc-macro")
    }

    /// The file that describes the crate to the compiler.
    fn description(&self) -> Option<PathBuf> {
        self.file("rmeta").or_else(|| self.file("so"))
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

/// A finished layer whose files are there.
fn read(folder: &Path) -> Option<Layer> {
    let layer: Layer =
        serde_json::from_slice(&patchbay_files::read(&folder.join(MANIFEST)).ok()?).ok()?;
    let files = layer
        .externs
        .iter()
        .map(|(_, file)| file)
        .chain(&layer.library)
        .chain(&layer.natives)
        .chain(layer.crates.iter().map(|known| &known.file));
    files
        .into_iter()
        .all(|file| file.is_file())
        .then_some(layer)
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
