//! What the side process needs, and how it is built.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use patchbay_engine::compile::Compiler;
use patchbay_toolchain::snapshot::Snapshot;

/// The command that builds the side process.
pub const INSTALL: &str = "patchbay install --completion";

const PROGRAM: &str = "patchbay-evcxr";

/// What the side process needs to start.
#[derive(Clone, Debug)]
pub struct SideConfig {
    /// The program of the side process.
    pub program: PathBuf,
    /// The compiler for cells, of which the process needs the paths.
    pub compiler: Compiler,
    /// The root of the compiler's installation.
    pub sysroot: PathBuf,
    /// Where the process finds the SDK and the standard library.
    pub library_path: OsString,
    /// The repository with the SDK's sources, which rust-analyzer reads.
    pub repository: PathBuf,
}

impl SideConfig {
    /// The side process of a snapshot.
    ///
    /// # Errors
    ///
    /// Says what is missing, the program or the sources, and how to get it.
    pub fn of(snapshot: &Snapshot, library_path: OsString) -> Result<SideConfig> {
        let program = program(snapshot);
        ensure!(
            is_built(snapshot),
            "the side process has not been built: expected {}, found no such file\ntype: {INSTALL}",
            program.display()
        );
        Ok(SideConfig {
            program,
            compiler: snapshot.compiler(),
            sysroot: snapshot.manifest.rustc.sysroot.clone(),
            library_path,
            repository: repository(snapshot)?,
        })
    }

    /// The folder of the SDK's sources.
    pub fn sdk_sources(&self) -> PathBuf {
        self.repository.join("kernel/sdk")
    }
}

fn program(snapshot: &Snapshot) -> PathBuf {
    snapshot.prefix.join("bin").join(PROGRAM)
}

/// Whether the side process has been built.
pub fn is_built(snapshot: &Snapshot) -> bool {
    program(snapshot).is_file()
}

/// The repository that a snapshot was built in.
///
/// # Errors
///
/// Fails where it has gone since.
pub fn repository(snapshot: &Snapshot) -> Result<PathBuf> {
    let tree = &snapshot.manifest.source;
    // A build tree is in the repository, unless CARGO_TARGET_DIR says otherwise.
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    tree.ancestors()
        .map(Path::to_owned)
        .chain([built_in])
        .find(|folder| folder.join("kernel/evcxr/Cargo.toml").is_file())
        .and_then(|folder| folder.canonicalize().ok())
        .with_context(|| {
            format!(
                "the repository in which {} was built is not there any more; rust-analyzer reads the \
                 SDK's sources in it\nclone it again and type: {}",
                tree.display(),
                patchbay_toolchain::snapshot::REBUILD
            )
        })
}

/// Builds the side process, which takes several minutes the first time, and puts it where the next
/// [`Snapshot::locate`] finds it. Its sources of the standard library are fetched if they are missing.
///
/// # Errors
///
/// Fails where the repository, cargo or a crate is missing.
pub fn build(snapshot: &Snapshot) -> Result<()> {
    let repository = repository(snapshot)?;
    let sysroot = &snapshot.manifest.rustc.sysroot;
    fetch_sources_of_std(sysroot)?;
    let cargo = sysroot.join("bin/cargo");
    // evcxr and rust-analyzer ask cargo about the SDK's dependencies without a network, those for other
    // platforms among them.
    let fetched = Command::new(&cargo)
        .args(["fetch", "--locked", "--manifest-path"])
        .arg(repository.join("Cargo.toml"))
        .status()
        .with_context(|| format!("{} does not start", cargo.display()))?;
    ensure!(
        fetched.success(),
        "the SDK's dependencies could not be fetched; see above"
    );
    let target = repository.join("target/evcxr");
    let status = Command::new(&cargo)
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(repository.join("kernel/evcxr/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&repository)
        .env("RUSTC", &snapshot.manifest.rustc.path)
        .status()
        .with_context(|| format!("{} does not start", cargo.display()))?;
    ensure!(status.success(), "{PROGRAM} could not be built; see above");
    let built = target.join("release").join(PROGRAM);
    // The build tree is what a snapshot follows; a prefix of its own is followed directly.
    for folder in [&snapshot.manifest.source, &snapshot.prefix.join("bin")] {
        if folder.is_dir() {
            replace(&built, &folder.join(PROGRAM))?;
        }
    }
    Ok(())
}

/// Puts a program in the place of one that may be running.
fn replace(source: &Path, target: &Path) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let original = fs::metadata(source)?;
        let mode = original.permissions().mode() & 0o755;
        patchbay_files::replace(target, &patchbay_files::read(source)?, mode)?;
        fs::File::options()
            .append(true)
            .open(target)?
            .set_modified(original.modified()?)
    };
    write().with_context(|| format!("{} cannot be written", target.display()))
}

/// rust-analyzer infers no type without the sources of the standard library.
fn fetch_sources_of_std(sysroot: &Path) -> Result<()> {
    if has_sources_of_std(sysroot) {
        return Ok(());
    }
    let status = Command::new("rustup")
        .args(["component", "add", "rust-src", "--toolchain"])
        .arg(sysroot.file_name().unwrap_or_default())
        .status();
    if !status.is_ok_and(|status| status.success()) || !has_sources_of_std(sysroot) {
        bail!(
            "rust-analyzer needs the sources of the standard library: expected {}, found no such folder\n\
             type: rustup component add rust-src",
            sysroot.join(SOURCES_OF_STD).display()
        );
    }
    Ok(())
}

const SOURCES_OF_STD: &str = "lib/rustlib/src/rust/library";

/// Whether the compiler's installation has the sources of the standard library.
pub fn has_sources_of_std(sysroot: &Path) -> bool {
    sysroot.join(SOURCES_OF_STD).is_dir()
}
