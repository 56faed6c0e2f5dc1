//! The SDK snapshot: what cells are compiled against and run with.
//!
//! A build tree changes under a running kernel; a snapshot does not. It is a folder of its own for
//! every build, made of hard links where the file system allows it:
//!
//! ```text
//! <prefix>/bin/patchbay, patchbay-runtime
//!          lib/libpatchbay.so, libstd-*.so
//!          deps/*.rmeta, *.so        what rustc reads about the SDK's dependencies
//!          plugins/*.so
//!          sdk.json                  build id, compiler, the crates that cells can name
//! ```

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};

use crate::engine::compile::Compiler;

/// Crates of the SDK that a cell can name as it would in a crate of its own.
const NAMEABLE: [&str; 7] = [
    "candle_core",
    "candle_nn",
    "plotters",
    "serde",
    "serde_json",
    "schemars",
    "safetensors",
];

/// Snapshots that no kernelspec uses are removed this long after they were made.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

const BUILD_COMMAND: &str = "cargo build --release && target/release/patchbay install";

/// A snapshot that has been checked.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub prefix: PathBuf,
    pub record: Record,
}

/// `sdk.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub identity: Identity,
    pub rustc: Rustc,
    /// Crates that a cell can name, with their files in `deps`.
    pub externs: BTreeMap<String, String>,
    /// Every file of the snapshot with its size, to notice a damaged one.
    pub files: BTreeMap<String, u64>,
}

/// What the SDK says of itself; the parts of its build id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub build_id: String,
    pub compiler: String,
    pub target: String,
    pub flags: String,
    pub features: String,
    pub sources: String,
}

/// The compiler that built the SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rustc {
    /// The compiler itself, not a proxy that chooses one.
    pub path: PathBuf,
    pub sysroot: PathBuf,
    /// What it prints with `-vV`.
    pub version: String,
    pub bytes: u64,
    pub modified_nanoseconds: u128,
}

impl Snapshot {
    /// Finds the snapshot of the running program: the one it lies in, or one made from the build
    /// tree it lies in. `$PATCHBAY_PREFIX` overrides both.
    ///
    /// # Errors
    ///
    /// Fails, with the command that mends it, where there is no SDK, a file of it is missing or the
    /// compiler is not the one that built it.
    pub fn locate() -> anyhow::Result<Snapshot> {
        let snapshot = match env::var_os("PATCHBAY_PREFIX") {
            Some(prefix) => Snapshot::open(Path::new(&prefix))?,
            None => {
                let program = env::current_exe().context("the program's own path is unknown")?;
                let folder = program.parent().unwrap_or(Path::new("."));
                match folder
                    .parent()
                    .filter(|prefix| prefix.join("sdk.json").exists())
                {
                    Some(prefix) => Snapshot::open(prefix)?,
                    None => Snapshot::of_build(folder)?,
                }
            }
        };
        snapshot.check_compiler()?;
        Ok(snapshot)
    }

    /// Opens a snapshot and checks that its files are there.
    ///
    /// # Errors
    ///
    /// Names the file that is missing or damaged.
    pub fn open(prefix: &Path) -> anyhow::Result<Snapshot> {
        let path = prefix.join("sdk.json");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "there is no SDK snapshot at {}; make one: {BUILD_COMMAND}",
                prefix.display()
            )
        })?;
        let record: Record = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged; make the snapshot anew: {BUILD_COMMAND}",
                path.display()
            )
        })?;
        for (name, bytes) in &record.files {
            let found = fs::metadata(prefix.join(name))
                .map(|metadata| metadata.len())
                .ok();
            ensure!(
                found == Some(*bytes),
                "the SDK snapshot at {} is damaged: {name} should have {bytes} bytes and {}; make it \
                 anew: rm -r {} && {BUILD_COMMAND}",
                prefix.display(),
                found.map_or("is missing".to_owned(), |found| format!("has {found}")),
                prefix.display(),
            );
        }
        Ok(Snapshot {
            prefix: prefix.to_path_buf(),
            record,
        })
    }

    /// The snapshot of a build tree, made if there is none.
    fn of_build(folder: &Path) -> anyhow::Result<Snapshot> {
        let library = folder.join("libpatchbay.so");
        ensure!(
            library.exists(),
            "there is no SDK beside the program: {} is missing; build all of it: {BUILD_COMMAND}",
            library.display()
        );
        let identity = read_identity(&library)?;
        let mut stamp = short_hash(&identity.build_id);
        let mut files = vec![
            library,
            folder.join("patchbay"),
            folder.join("patchbay-runtime"),
        ];
        files.extend(plugins_in(folder));
        for file in &files {
            let metadata = fs::metadata(file).with_context(|| {
                format!(
                    "{} is missing; build all of it: {BUILD_COMMAND}",
                    file.display()
                )
            })?;
            stamp = short_hash(&format!(
                "{stamp}{}{}",
                metadata.len(),
                nanoseconds(metadata.modified()?)
            ));
        }
        let root = snapshots_folder()?;
        let prefix = root.join(format!("{}-{stamp}", identity.build_id));
        if let Ok(snapshot) = Snapshot::open(&prefix) {
            return Ok(snapshot);
        }
        let snapshot = make(folder, &root, &prefix, identity)?;
        remove_old(&root, &prefix);
        Ok(snapshot)
    }

    /// Checks that the compiler is the one that built the SDK. Runs it only if its file has changed.
    fn check_compiler(&self) -> anyhow::Result<()> {
        let recorded = &self.record.rustc;
        let found = Rustc::at(&recorded.path, &recorded.sysroot, String::new());
        if let Ok(found) = &found
            && (found.bytes, found.modified_nanoseconds)
                == (recorded.bytes, recorded.modified_nanoseconds)
        {
            return Ok(());
        }
        let version = found
            .and_then(|_| version_of(&recorded.path))
            .unwrap_or_default();
        ensure!(
            version == recorded.version,
            "the SDK was built by another compiler than the one at {}: expected {}, found {}. A Rust \
             dylib fits only the compiler that made it; build it anew: {BUILD_COMMAND}",
            recorded.path.display(),
            first_line(&recorded.version),
            if version.is_empty() {
                "none"
            } else {
                first_line(&version)
            },
        );
        Ok(())
    }

    pub fn library(&self) -> PathBuf {
        self.prefix.join("lib/libpatchbay.so")
    }

    pub fn dependencies(&self) -> PathBuf {
        self.prefix.join("deps")
    }

    pub fn library_folder(&self) -> PathBuf {
        self.prefix.join("lib")
    }

    pub fn runtime(&self) -> PathBuf {
        self.prefix.join("bin/patchbay-runtime")
    }

    pub fn program(&self) -> PathBuf {
        self.prefix.join("bin/patchbay")
    }

    /// The compiler for cells.
    pub fn compiler(&self) -> Compiler {
        Compiler {
            rustc: self.record.rustc.path.clone(),
            library: self.library(),
            dependencies: self.dependencies(),
            externs: self
                .record
                .externs
                .iter()
                .map(|(name, file)| (name.clone(), self.dependencies().join(file)))
                .collect(),
            build_id: self.record.identity.build_id.clone(),
        }
    }

    /// The compiler's version number, for instance `1.95.0`.
    pub fn language_version(&self) -> String {
        self.record
            .identity
            .compiler
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }
}

impl Rustc {
    fn at(path: &Path, sysroot: &Path, version: String) -> anyhow::Result<Rustc> {
        let metadata = fs::metadata(path)?;
        Ok(Rustc {
            path: path.to_path_buf(),
            sysroot: sysroot.to_path_buf(),
            version,
            bytes: metadata.len(),
            modified_nanoseconds: nanoseconds(metadata.modified()?),
        })
    }

    /// The compiler that cargo uses here: `$RUSTC`, else `rustc`.
    fn find() -> anyhow::Result<Rustc> {
        let name = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(&name).args(["--print", "sysroot"]).output().with_context(|| {
            format!(
                "the compiler {} does not start; install Rust (rustup reads rust-toolchain.toml)",
                name.display()
            )
        })?;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let path = sysroot.join("bin/rustc");
        let version = version_of(&path)?;
        Rustc::at(&path, &sysroot, version)
    }
}

fn version_of(rustc: &Path) -> anyhow::Result<String> {
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .with_context(|| format!("the compiler {} does not start", rustc.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Reads what an SDK library says of itself, without loading it.
///
/// # Errors
///
/// Fails where the file is no library or no SDK.
pub fn read_identity(library: &Path) -> anyhow::Result<Identity> {
    let content =
        fs::read(library).with_context(|| format!("{} cannot be read", library.display()))?;
    let file = object::File::parse(&*content)
        .with_context(|| format!("{} is not a shared library", library.display()))?;
    let section = file
        .section_by_name(".patchbay.sdk")
        .with_context(|| format!("{} is not an SDK of Patchbay", library.display()))?;
    Ok(serde_json::from_slice(section.data()?)?)
}

/// `patchbay/sdk` in the user's data folder.
pub fn snapshots_folder() -> anyhow::Result<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".local/share")))
        .context("there is no home folder; set XDG_DATA_HOME")?;
    Ok(data.join("patchbay/sdk"))
}

/// The plugins in a build tree: libraries with the section that describes one.
fn plugins_in(folder: &Path) -> Vec<PathBuf> {
    let mut plugins: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
        .filter(|path| {
            let content = fs::read(path).unwrap_or_default();
            object::File::parse(&*content)
                .is_ok_and(|file| file.section_by_name(".patchbay.plugin").is_some())
        })
        .collect();
    plugins.sort();
    plugins
}

/// Makes a snapshot beside its final place and renames it.
fn make(build: &Path, root: &Path, prefix: &Path, identity: Identity) -> anyhow::Result<Snapshot> {
    fs::create_dir_all(root).with_context(|| format!("{} cannot be made", root.display()))?;
    let rustc = Rustc::find()?;
    ensure!(
        rustc.version.starts_with(&identity.compiler),
        "the SDK was built by {}, but the compiler here is {}; build it anew: {BUILD_COMMAND}",
        identity.compiler,
        first_line(&rustc.version)
    );
    let target = identity.target.clone();
    let staging = tempfile::Builder::new().prefix(".new-").tempdir_in(root)?;
    let mut files = BTreeMap::new();
    let mut add = |from: &Path, to: String| -> anyhow::Result<()> {
        let destination = staging.path().join(&to);
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent)?;
        }
        if fs::hard_link(from, &destination).is_err() {
            fs::copy(from, &destination)
                .with_context(|| format!("{} cannot be copied", from.display()))?;
        }
        files.insert(to, fs::metadata(&destination)?.len());
        Ok(())
    };
    let file_name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };

    add(
        &build.join("libpatchbay.so"),
        "lib/libpatchbay.so".to_owned(),
    )?;
    add(&build.join("patchbay"), "bin/patchbay".to_owned())?;
    add(
        &build.join("patchbay-runtime"),
        "bin/patchbay-runtime".to_owned(),
    )?;
    let standard = rustc.sysroot.join("lib/rustlib").join(&target).join("lib");
    for entry in fs::read_dir(&standard)
        .with_context(|| format!("{}", standard.display()))?
        .flatten()
    {
        let name = file_name(&entry.path());
        if name.starts_with("libstd-") && name.ends_with(".so") {
            add(&entry.path(), format!("lib/{name}"))?;
        }
    }
    let mut externs = BTreeMap::new();
    for dependency in dependencies_of(build, &rustc)? {
        let name = file_name(&dependency);
        let crate_name = name
            .trim_start_matches("lib")
            .split('-')
            .next()
            .unwrap_or_default();
        if NAMEABLE.contains(&crate_name) {
            externs.insert(crate_name.to_owned(), name.clone());
        }
        add(&dependency, format!("deps/{name}"))?;
    }
    for plugin in plugins_in(build) {
        add(&plugin, format!("plugins/{}", file_name(&plugin)))?;
    }
    let record = Record {
        identity,
        rustc,
        externs,
        files,
    };
    fs::write(
        staging.path().join("sdk.json"),
        serde_json::to_string_pretty(&record)?,
    )?;
    match fs::rename(staging.path(), prefix) {
        Ok(()) => {
            let _ = staging.keep();
        }
        // Another process may have made it in the meantime; a damaged one gives way.
        Err(_) => {
            if let Ok(snapshot) = Snapshot::open(prefix) {
                return Ok(snapshot);
            }
            fs::remove_dir_all(prefix)?;
            fs::rename(staging.path(), prefix)?;
            let _ = staging.keep();
        }
    }
    Snapshot::open(prefix)
}

/// The files that rustc reads about the SDK's dependencies: it is asked to list them while it
/// compiles a program that does nothing but link the SDK.
fn dependencies_of(build: &Path, rustc: &Rustc) -> anyhow::Result<Vec<PathBuf>> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("list.rs");
    let listing = folder.path().join("list.d");
    fs::write(&source, "extern crate patchbay;\n")?;
    let output = Command::new(&rustc.path)
        .args(["--edition=2024", "--crate-type=lib", "-Zbinary-dep-depinfo"])
        .arg(format!("--emit=dep-info={}", listing.display()))
        .arg(format!(
            "--extern=patchbay={}",
            build.join("libpatchbay.so").display()
        ))
        .arg(format!("-Ldependency={}", build.join("deps").display()))
        .arg(&source)
        .env("RUSTC_BOOTSTRAP", "1")
        .output()?;
    if !output.status.success() {
        bail!(
            "the compiler does not accept the SDK; build it anew: {BUILD_COMMAND}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let dependencies = build.join("deps");
    let mut files: Vec<PathBuf> = fs::read_to_string(&listing)?
        .lines()
        .filter_map(|line| {
            line.strip_suffix(':')
                .or_else(|| line.split_once(": ").map(|(file, _)| file))
        })
        .map(PathBuf::from)
        .filter(|path| path.parent() == Some(&dependencies))
        // Only metadata is needed, except of procedural macros, which are libraries.
        .map(|path| match path.extension() {
            Some(extension) if extension == "rlib" => path.with_extension("rmeta"),
            _ => path,
        })
        .filter(|path| {
            path.exists()
                && path
                    .file_name()
                    .is_some_and(|name| name != "libpatchbay.so")
        })
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Removes snapshots that have not been used for long, and what crashes have left.
fn remove_old(root: &Path, current: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let age = fs::metadata(path.join("sdk.json"))
            .or_else(|_| entry.metadata())
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        let registered = crate::kernelspec::uses(&path);
        if path != current && !registered && age.is_some_and(|age| age > KEEP) {
            let _: io::Result<()> = fs::remove_dir_all(&path);
        }
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// Sixteen hexadecimal digits that change with the text.
fn short_hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes())[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
