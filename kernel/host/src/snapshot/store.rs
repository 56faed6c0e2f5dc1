//! Where the prefixes are, and how one is made so that nobody ever sees half of it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use super::{BuildTree, Manifest, REBUILD, Snapshot};

/// The beginning of the names of prefixes that are being made or removed.
const STAGING: &str = ".staging-";

/// After this time a staging folder belongs to a process that died.
const STAGING_LIFETIME: Duration = Duration::from_secs(3600);

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

impl Store {
    /// The store of the user, `$XDG_DATA_HOME/patchbay` or `~/.local/share/patchbay`.
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
        Ok(Store::at(root.join("patchbay")))
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
        let prefix = self.root.join(format!("{}-{}", tree.sdk.build_id, &tree.digest[..8]));
        let whole = Manifest::read(&prefix).is_ok_and(|manifest| {
            manifest.digest == tree.digest && manifest.verify_files(&prefix).is_ok() && manifest.compiler.verify().is_ok()
        });
        if !whole {
            self.make(tree, &prefix)?;
        }
        follow(&tree.programs()?, &prefix.join("bin"))?;
        follow(&tree.plugins()?, &prefix.join("plugins"))?;
        Snapshot::open(&prefix)
    }

    fn make(&self, tree: &BuildTree, prefix: &Path) -> Result<()> {
        let compiler = tree.compiler()?;
        fs::create_dir_all(&self.root).with_context(|| format!("{}", self.root.display()))?;
        self.remove_abandoned();
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.root)
            .with_context(|| format!("{} is not writable", self.root.display()))?;
        let mut manifest =
            Manifest::new(tree.sdk.clone(), compiler.clone(), tree.digest.clone(), tree.folder.clone());

        let mut files: Vec<(PathBuf, &str, Placement)> = Vec::new();
        files.push((tree.library(), "lib", Placement::Copy));
        let sysroot = compiler.sysroot.join("lib/rustlib").join(&tree.sdk.target).join("lib");
        let standard_library = fs::read_dir(&sysroot)
            .with_context(|| format!("no standard library for {}: {}", tree.sdk.target, sysroot.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_standard_library(path));
        files.extend(standard_library.map(|path| (path, "lib", Placement::Link)));
        files.extend(tree.dependencies(&compiler)?.into_iter().map(|path| (path, "deps", Placement::Link)));
        for folder in ["bin", "lib", "deps", "plugins"] {
            fs::create_dir(staging.path().join(folder))?;
        }
        for (source, folder, placement) in files {
            let name = Path::new(folder).join(source.file_name().unwrap_or_default());
            place(&source, &staging.path().join(&name), placement)?;
            manifest.files.insert(name, fs::metadata(&source)?.len());
        }
        follow(&tree.programs()?, &staging.path().join("bin"))?;
        follow(&tree.plugins()?, &staging.path().join("plugins"))?;
        manifest.write(staging.path())?;
        self.publish(staging, prefix, &tree.digest)
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
            let rival = Manifest::read(prefix);
            if rival.is_ok_and(|rival| {
                rival.digest == digest && rival.verify_files(prefix).is_ok() && rival.compiler.verify().is_ok()
            }) {
                return Ok(());
            }
            self.remove(prefix)?;
        }
        fs::rename(staging.path(), prefix).with_context(|| {
            format!("{} cannot take its place at {}\ntype: {REBUILD}", staging.path().display(), prefix.display())
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
            .map(|path| Entry { manifest: Manifest::read(&path).ok(), bytes: size(&path), path })
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.manifest.as_ref().map(|manifest| manifest.made)));
        Ok(entries)
    }

    /// Removes a prefix. It disappears at once under its name; a kernel that has it loaded goes on
    /// with what it has loaded.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses.
    pub fn remove(&self, prefix: &Path) -> Result<()> {
        let aside = tempfile::Builder::new().prefix(STAGING).tempdir_in(&self.root)?;
        match fs::rename(prefix, aside.path().join("prefix")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", prefix.display()))
            }
            _ => Ok(aside.close()?),
        }
    }

    fn remove_abandoned(&self) {
        let Ok(listing) = fs::read_dir(&self.root) else { return };
        for path in listing.flatten().map(|entry| entry.path()).filter(|path| is_staging(path)) {
            let age = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
            if age.is_ok_and(|age| age > STAGING_LIFETIME) {
                // Only disk space is at stake, and the next making tries again.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Placement {
    /// For what the build tree never writes in place: the compiler renames metadata into place,
    /// and its own library does not change.
    Link,
    /// For what a linker writes, some of which write in place: a process has it mapped.
    Copy,
}

fn place(source: &Path, target: &Path, placement: Placement) -> Result<()> {
    let result = match placement {
        Placement::Link => fs::hard_link(source, target).or_else(|_| fs::copy(source, target).map(drop)),
        Placement::Copy => fs::copy(source, target).map(drop),
    };
    result.with_context(|| format!("{} cannot be written from {}", target.display(), source.display()))
}

/// Makes a folder hold these files, changing only those that differ in size or time. Each file is
/// replaced as a whole, so a process that uses the old one is not disturbed.
fn follow(sources: &[PathBuf], folder: &Path) -> Result<()> {
    for source in sources {
        let target = folder.join(source.file_name().unwrap_or_default());
        let original = fs::metadata(source).with_context(|| format!("{}", source.display()))?;
        let current = fs::metadata(&target);
        if current.is_ok_and(|current| {
            current.len() == original.len() && current.modified().ok() == original.modified().ok()
        }) {
            continue;
        }
        let staged = tempfile::Builder::new().prefix(STAGING).tempfile_in(folder)?.into_temp_path();
        place(source, &staged, Placement::Copy)?;
        fs::File::options().append(true).open(&staged)?.set_modified(original.modified()?)?;
        staged.persist(&target).with_context(|| format!("{} cannot be replaced", target.display()))?;
    }
    for path in fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
        let known = sources.iter().any(|source| source.file_name() == path.file_name());
        if !known && !is_staging(&path) {
            fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
    }
    Ok(())
}

fn is_staging(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAGING))
}

fn is_standard_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("libstd-") && name.ends_with(".so")
}

fn size(folder: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(folder) else { return 0 };
    listing
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            _ => entry.metadata().map_or(0, |metadata| metadata.len()),
        })
        .sum()
}
