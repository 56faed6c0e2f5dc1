//! Where the prefixes are, and how one is made so that nobody ever sees half of it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use crate::kernelspec;

use super::{
    BuildTree, Manifest, REBUILD, SdkCrate, Snapshot, native,
    placement::{Placement, follow, place},
};

/// The beginning of the names of prefixes that are being made or removed.
pub const STAGING: &str = ".staging-";

/// A prefix that no kernelspec starts is kept for this long.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this time a staging folder belongs to a process that died.
pub const STAGING_LIFETIME: Duration = Duration::from_secs(3600);

/// The folder of all prefixes.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A prefix in the store.
#[derive(Debug)]
pub struct Entry {
    pub path: PathBuf,
    /// `None` where the manifest cannot be read.
    pub manifest: Option<Manifest>,
    /// Bytes of all files; files that a build tree still shares count in full.
    pub bytes: u64,
}

/// What goes into a prefix.
struct Contents {
    manifest: Manifest,
    /// Files that never change, with their folder in the prefix.
    files: Vec<(PathBuf, &'static str, Placement)>,
    programs: Vec<PathBuf>,
    plugins: Vec<PathBuf>,
}

impl Contents {
    fn of(tree: &BuildTree) -> Result<Contents> {
        let compiler = tree.compiler()?;
        let sysroot = compiler
            .sysroot
            .join("lib/rustlib")
            .join(&tree.sdk.target)
            .join("lib");
        let standard_library = fs::read_dir(&sysroot)
            .with_context(|| {
                format!(
                    "no standard library for {}: {}",
                    tree.sdk.target,
                    sysroot.display()
                )
            })?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_standard_library(path));
        let mut files = vec![(tree.library(), "lib", Placement::Copy)];
        files.extend(standard_library.map(|path| (path, "lib", Placement::Link)));
        let dependencies = tree.dependencies(&compiler)?;
        let crates = dependencies
            .iter()
            .filter_map(|path| SdkCrate::of(&tree.folder, path))
            .collect();
        files.extend(
            dependencies
                .into_iter()
                .map(|path| (path, "deps", Placement::Link)),
        );
        let mut manifest = Manifest::new(
            tree.sdk.clone(),
            compiler,
            tree.digest.clone(),
            tree.folder.clone(),
        );
        manifest.crates = crates;
        Ok(Contents {
            manifest,
            files,
            programs: tree.programs()?,
            plugins: tree.plugins()?,
        })
    }
}

/// Whether a prefix is complete and of this library.
fn is_whole(prefix: &Path, digest: &str) -> bool {
    Manifest::read(prefix).is_ok_and(|manifest| {
        manifest.digest == digest
            && manifest.verify_files(prefix).is_ok()
            && manifest.rustc.verify().is_ok()
    })
}

impl Store {
    /// The store of the user, `$XDG_DATA_HOME/patchbay/sdk` or
    /// `~/.local/share/patchbay/sdk`.
    ///
    /// # Errors
    ///
    /// Fails where neither variable is set.
    pub fn of_user() -> Result<Store> {
        let root = env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| env::home_dir().map(|home| home.join(".local/share")))
            .context("no place for the SDK snapshot: neither HOME nor XDG_DATA_HOME is set\ntype: export HOME=…")?;
        Ok(Store::at(root.join("patchbay/sdk")))
    }

    pub fn at(root: PathBuf) -> Store {
        Store { root }
    }

    /// The prefix of a build, made if it is not there.
    ///
    /// Programs and plugins follow the build tree, file by file: they may change while the SDK
    /// stays the same. All else belongs to this build of the SDK and is written once.
    ///
    /// # Errors
    ///
    /// Fails where the build is incomplete, its compiler is missing, or the disk refuses.
    pub fn snapshot_of(&self, tree: &BuildTree) -> Result<Snapshot> {
        let prefix = self
            .root
            .join(format!("{}-{}", tree.sdk.build_id, &tree.digest[..8]));
        if !is_whole(&prefix, &tree.digest) {
            self.make(&Contents::of(tree)?, &prefix)?;
            let mut kept = kernelspec::registered_prefixes();
            kept.push(prefix.clone());
            self.remove_old(&kept);
        }
        follow(&tree.programs()?, &prefix.join("bin"))?;
        follow(&tree.plugins()?, &prefix.join("plugins"))?;
        Snapshot::open(&prefix)
    }

    /// Writes a prefix beside its place and renames it there.
    fn make(&self, contents: &Contents, prefix: &Path) -> Result<()> {
        fs::create_dir_all(&self.root).with_context(|| format!("{}", self.root.display()))?;
        self.remove_abandoned();
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.root)
            .with_context(|| format!("{} is not writable", self.root.display()))?;
        let mut manifest = contents.manifest.clone();
        for folder in ["bin", "lib", "deps", "plugins"] {
            fs::create_dir(staging.path().join(folder))?;
        }
        for (source, folder, placement) in &contents.files {
            let name = Path::new(folder).join(source.file_name().unwrap_or_default());
            place(source, &staging.path().join(&name), *placement)?;
            manifest.files.insert(name, fs::metadata(source)?.len());
        }
        native::write(&mut manifest, staging.path())?;
        follow(&contents.programs, &staging.path().join("bin"))?;
        follow(&contents.plugins, &staging.path().join("plugins"))?;
        manifest.write(staging.path())?;
        self.publish(staging, prefix, &manifest.digest)
    }

    /// Renames a finished folder to its place. Where another process was faster, its work is kept.
    fn publish(&self, staging: tempfile::TempDir, prefix: &Path, digest: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        // A temporary folder is the owner's alone; a prefix may serve every user.
        fs::set_permissions(staging.path(), fs::Permissions::from_mode(0o755))?;
        for _ in 0..3 {
            if fs::rename(staging.path(), prefix).is_ok() {
                // The folder has a new name, so there is nothing left to remove at the old one.
                let _ = staging.keep();
                return Ok(());
            }
            if is_whole(prefix, digest) {
                return Ok(());
            }
            self.remove(prefix)?;
        }
        fs::rename(staging.path(), prefix).with_context(|| {
            format!(
                "{} cannot take its place at {}\ntype: {REBUILD}",
                staging.path().display(),
                prefix.display()
            )
        })
    }

    /// All prefixes, the newest first.
    ///
    /// # Errors
    ///
    /// Fails where the folder is there but cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let listing = match fs::read_dir(&self.root) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("{}", self.root.display())),
        };
        let mut entries: Vec<Entry> = listing
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir() && (is_staging(path) || path.join("deps").is_dir()))
            .map(|path| Entry {
                manifest: Manifest::read(&path).ok(),
                bytes: size(&path),
                path,
            })
            .collect();
        entries.sort_by_key(|entry| {
            std::cmp::Reverse(entry.manifest.as_ref().map(|manifest| manifest.made))
        });
        Ok(entries)
    }

    /// Removes a prefix. It disappears at once under its name; a kernel that has it loaded goes on
    /// with what it has loaded.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses.
    pub fn remove(&self, prefix: &Path) -> Result<()> {
        let aside = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.root)?;
        match fs::rename(prefix, aside.path().join("prefix")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", prefix.display()))
            }
            _ => Ok(aside.close()?),
        }
    }

    /// Removes the prefixes that are older than [`LIFETIME`], except these.
    fn remove_old(&self, kept: &[PathBuf]) {
        for entry in self.entries().unwrap_or_default() {
            let old = entry
                .manifest
                .is_some_and(|manifest| manifest.age() > LIFETIME);
            if old && !kept.contains(&entry.path) {
                // Only disk space is at stake, and the next making tries again.
                let _ = self.remove(&entry.path);
            }
        }
    }

    fn remove_abandoned(&self) {
        let Ok(listing) = fs::read_dir(&self.root) else {
            return;
        };
        for path in listing
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_staging(path))
        {
            let age = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map(|modified| {
                    SystemTime::now()
                        .duration_since(modified)
                        .unwrap_or_default()
                });
            if age.is_ok_and(|age| age > STAGING_LIFETIME) {
                // Only disk space is at stake, and the next making tries again.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// Whether this is a file or folder that has not reached its place.
pub fn is_staging(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(STAGING))
}

fn is_standard_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("libstd-") && name.ends_with(".so")
}

fn size(folder: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(folder) else {
        return 0;
    };
    listing
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            _ => entry.metadata().map_or(0, |metadata| metadata.len()),
        })
        .sum()
}

#[cfg(test)]
mod tests;
