//! Where the prefixes are, and how one is made so that nobody ever sees half of it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

use anyhow::{Context, Result};
use patchbay_files::{Access, create_folders, create_new, unique_name};

use super::{
    BuildTree, Manifest, SdkCrate, Snapshot,
    lock::{self, LOCK_NAME},
    names::{MANIFEST_NAME, REBUILD, STAGING, is_staging},
    native,
    placement::{follow, place, share},
};

/// A prefix that no kernelspec starts is kept for this long.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this time a staging folder belongs to a process that died.
pub const STAGING_LIFETIME: Duration = Duration::from_secs(3600);

/// The folder of all prefixes.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    access: Access,
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
    files: Vec<(PathBuf, &'static str)>,
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
        let mut files = vec![(tree.library(), "lib")];
        files.extend(standard_library.map(|path| (path, "lib")));
        let dependencies = tree.dependencies(&compiler)?;
        let crates = dependencies
            .iter()
            .filter_map(|path| SdkCrate::of(&tree.folder, path))
            .collect();
        files.extend(dependencies.into_iter().map(|path| (path, "deps")));
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

/// Whether a prefix is complete and of this library; its files are read where it is to be known thoroughly.
fn is_whole(prefix: &Path, digest: &str, thoroughly: bool) -> bool {
    Manifest::read(prefix).is_ok_and(|manifest| {
        manifest.digest == digest
            && manifest.verify_files(prefix, thoroughly).is_ok()
            && manifest.rustc.verify().is_ok()
            && prefix.join(LOCK_NAME).is_file()
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

    /// A store of this user's own.
    pub fn at(root: PathBuf) -> Store {
        Store {
            root,
            access: Access::Owner,
        }
    }

    /// The store of all users of the Jupyter that is installed under a folder: everybody can read it.
    pub fn of_everyone(folder: &Path) -> Store {
        Store {
            root: folder.join("share/patchbay/sdk"),
            access: Access::Everyone,
        }
    }

    /// The store that holds a prefix.
    pub fn of_prefix(prefix: &Path) -> Store {
        Store {
            root: prefix.parent().unwrap_or(Path::new("/")).to_owned(),
            access: Store::access_of(prefix),
        }
    }

    /// Who can read a prefix.
    pub fn access_of(prefix: &Path) -> Access {
        let mode = fs::metadata(prefix).map_or(0, |metadata| metadata.mode());
        if mode & 0o005 == 0o005 {
            Access::Everyone
        } else {
            Access::Owner
        }
    }

    /// The prefix of a build, made if it is not there.
    ///
    /// Programs and plugins follow the build tree, file by file: they may change while the SDK
    /// stays the same. All else belongs to this build of the SDK and is written once.
    ///
    /// # Errors
    ///
    /// Fails where the build is incomplete, its compiler is missing, or the disk refuses.
    pub fn snapshot_of(
        &self,
        tree: &BuildTree,
        registered: &dyn Fn() -> Vec<PathBuf>,
    ) -> Result<Snapshot> {
        let prefix = self
            .root
            .join(format!("{}-{}", tree.sdk.build_id, &tree.digest[..8]));
        self.refuse_open_prefix(&prefix)?;
        if !is_whole(&prefix, &tree.digest, false) {
            self.make(&Contents::of(tree)?, &prefix)?;
            let mut kept = registered();
            kept.push(prefix.clone());
            self.remove_old(&kept);
        }
        self.renew_programs(&prefix, &tree.programs()?, &tree.plugins()?)?;
        Snapshot::open(&prefix)
    }

    /// What others could have written to is neither used nor taken for damaged: its owner should know.
    fn refuse_open_prefix(&self, prefix: &Path) -> Result<()> {
        for folder in [&self.root, prefix] {
            patchbay_files::check_folder(folder).map_err(|text| {
                let (what, _) = text.split_once('\n').unwrap_or((&text, ""));
                anyhow::anyhow!(
                    "the SDK snapshot is not used: {what}\ntype: rm -r {}\nthen it is made again",
                    folder.display()
                )
            })?;
        }
        Ok(())
    }

    /// Makes a prefix again, in the place of one that is damaged.
    ///
    /// # Errors
    ///
    /// Fails where the build is incomplete or the disk refuses.
    pub fn make_again(&self, tree: &BuildTree, prefix: &Path) -> Result<()> {
        self.make(&Contents::of(tree)?, prefix)
    }

    /// A copy in this store of a snapshot that is elsewhere. Programs and plugins of an earlier copy are replaced by the snapshot's.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses.
    pub fn copy_of(&self, snapshot: &Snapshot) -> Result<Snapshot> {
        let prefix = self
            .root
            .join(snapshot.prefix.file_name().unwrap_or_default());
        self.refuse_open_prefix(&prefix)?;
        let old = &snapshot.manifest;
        let is_same = Manifest::read(&prefix).is_ok_and(|manifest| {
            let digests = |manifest: &Manifest| -> Vec<String> {
                let files = manifest.files.values();
                files.map(|record| record.digest.clone()).collect()
            };
            digests(&manifest) == digests(old)
        });
        if !is_same || !is_whole(&prefix, &old.digest, false) {
            let staging = self.begin()?;
            let mut manifest = old.clone();
            let records = manifest.files.iter_mut().chain(&mut manifest.programs);
            for (name, record) in records {
                let target = staging.path.join(name);
                create_folders(
                    target.parent().unwrap_or(&staging.path),
                    self.access.folder(),
                )?;
                let mode = self.access.file(is_program(name));
                *record = place(&snapshot.prefix.join(name), &target, mode)?;
            }
            manifest.write(&staging.path, self.access)?;
            self.publish(staging, &prefix, &manifest.digest)?;
        }
        let of_snapshot = |folder: &str| -> Vec<PathBuf> {
            let names = old.programs.keys().filter(|name| name.starts_with(folder));
            names.map(|name| snapshot.prefix.join(name)).collect()
        };
        self.renew_programs(&prefix, &of_snapshot("bin"), &of_snapshot("plugins"))?;
        Snapshot::open(&prefix)
    }

    /// Brings the programs and plugins of a prefix to the state of their sources.
    fn renew_programs(
        &self,
        prefix: &Path,
        programs: &[PathBuf],
        plugins: &[PathBuf],
    ) -> Result<()> {
        follow(programs, &prefix.join("bin"), self.access)?;
        follow(plugins, &prefix.join("plugins"), self.access)?;
        let mut manifest = Manifest::read(prefix)?;
        if manifest.note_programs(prefix)? {
            manifest.write(prefix, self.access)?;
        }
        Ok(())
    }

    /// Makes a folder for a prefix that is being made.
    fn begin(&self) -> Result<Staging> {
        create_folders(&self.root, self.access.folder())
            .with_context(|| format!("{}", self.root.display()))?;
        self.remove_abandoned();
        let path = self.root.join(format!("{STAGING}{}", unique_name()?));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("{} is not writable", self.root.display()))?;
        let staging = Staging { path };
        for folder in ["bin", "lib", "deps", "plugins"] {
            create_folders(&staging.path.join(folder), self.access.folder())?;
        }
        create_new(&staging.path.join(LOCK_NAME), self.access.file(false))?;
        Ok(staging)
    }

    /// Writes a prefix beside its place and renames it there.
    fn make(&self, contents: &Contents, prefix: &Path) -> Result<()> {
        let staging = self.begin()?;
        let others = self.manifests();
        let mut manifest = contents.manifest.clone();
        for (source, folder) in &contents.files {
            let name = Path::new(folder).join(source.file_name().unwrap_or_default());
            let target = staging.path.join(&name);
            // A build of the SDK changes few of the files that it stands on.
            let shared = others.iter().find_map(|(other, manifest)| {
                share(
                    &other.join(&name),
                    manifest.files.get(&name)?,
                    source,
                    &target,
                )
            });
            let record = match shared {
                Some(record) => record,
                None => place(source, &target, self.access.file(false))?,
            };
            manifest.files.insert(name, record);
        }
        native::write(&mut manifest, &staging.path, self.access)?;
        follow(&contents.programs, &staging.path.join("bin"), self.access)?;
        follow(
            &contents.plugins,
            &staging.path.join("plugins"),
            self.access,
        )?;
        manifest.note_programs(&staging.path)?;
        manifest.write(&staging.path, self.access)?;
        self.publish(staging, prefix, &manifest.digest)
    }

    /// The prefixes of this store, with their manifests, from which files may be shared. What everybody can read has files
    /// of its own.
    fn manifests(&self) -> Vec<(PathBuf, Manifest)> {
        if self.access != Access::Owner {
            return Vec::new();
        }
        let listing = fs::read_dir(&self.root).into_iter().flatten().flatten();
        listing
            .map(|entry| entry.path())
            .filter(|path| !is_staging(path))
            .filter_map(|path| Some((path.clone(), Manifest::read(&path).ok()?)))
            .collect()
    }

    /// Renames a finished folder to its place. Where another process was faster, its work is kept.
    fn publish(&self, staging: Staging, prefix: &Path, digest: &str) -> Result<()> {
        let mode = fs::Permissions::from_mode(self.access.folder());
        fs::set_permissions(&staging.path, mode)?;
        for _ in 0..3 {
            if fs::rename(&staging.path, prefix).is_ok() {
                // The folder has a new name, so there is nothing left to remove at the old one.
                return Ok(());
            }
            if is_whole(prefix, digest, true) {
                return Ok(());
            }
            self.set_aside(prefix)?;
        }
        fs::rename(&staging.path, prefix).with_context(|| {
            format!(
                "{} cannot take its place at {}\ntype: {REBUILD}",
                staging.path.display(),
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

    /// Removes a prefix that no kernel uses. Returns whether it did. It disappears at once under its name.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses, or where the folder is no prefix.
    pub fn remove(&self, prefix: &Path) -> Result<bool> {
        match lock::exclude(prefix) {
            // The lock is held until the folder has another name.
            Some(_lock) => self.set_aside(prefix).map(|()| true),
            None => Ok(false),
        }
    }

    /// Removes the prefixes that no kernel uses, except one.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses.
    pub fn remove_all_but(&self, kept: Option<&Path>) -> Result<()> {
        for entry in self.entries()? {
            let is_kept = kept.is_some_and(|kept| kept.file_name() == entry.path.file_name());
            if !is_kept && !is_staging(&entry.path) {
                self.remove(&entry.path)?;
            }
        }
        // Those that hold something are not empty.
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }

    /// Takes the name from a prefix and removes it; a kernel that has it loaded goes on with what it has loaded. What is no
    /// prefix keeps what is in it, under another name.
    fn set_aside(&self, prefix: &Path) -> Result<()> {
        let failed = || format!("{} cannot be removed", prefix.display());
        let is_ours = is_made_here(prefix);
        let name = unique_name()?;
        let aside = if is_ours {
            self.root.join(format!("{STAGING}{name}"))
        } else {
            let file_name = prefix.file_name().unwrap_or_default().to_string_lossy();
            self.root.join(format!("{file_name}.kept-{}", &name[..8]))
        };
        match fs::rename(prefix, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.with_context(failed)?,
        }
        if is_ours {
            fs::remove_dir_all(&aside).with_context(failed)?;
        }
        Ok(())
    }

    /// Removes the prefixes that are older than [`LIFETIME`], except these and those in use.
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
            let age = fs::symlink_metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map(|modified| {
                    SystemTime::now()
                        .duration_since(modified)
                        .unwrap_or_default()
                });
            if age.is_ok_and(|age| age > STAGING_LIFETIME) && is_made_here(&path) {
                // Only disk space is at stake, and the next making tries again.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// A prefix that is being made; dropping it removes what has not reached its place.
struct Staging {
    path: PathBuf,
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What a prefix has in it, beside what cells have asked for.
const PARTS: [&str; 8] = [
    "bin",
    "lib",
    "deps",
    "plugins",
    "native",
    "dependencies",
    LOCK_NAME,
    MANIFEST_NAME,
];

/// Whether this is a folder, no link to one, with nothing in it that a prefix has not.
fn is_made_here(path: &Path) -> bool {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_part = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            PARTS.iter().any(|part| name == *part) || is_staging(&entry.path()) || name == "prefix"
        })
    };
    is_folder && fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_part))
}

/// Whether a file of a prefix is run or loaded by its path.
fn is_program(name: &Path) -> bool {
    name.starts_with("bin") || name.starts_with("plugins")
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
