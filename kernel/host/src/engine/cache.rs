//! Compiled cells on disk, shared by all kernels of a user.
//!
//! An entry is a folder named by the hash of all that decides what is in it: the program, the
//! compiler, the SDK's build id and the flags. It is made under another name and renamed, so there
//! is never half an entry; it is checked against its own digest before it is used, so a damaged one
//! is a miss.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    compile::Compiler,
    diagnostics::Diagnostic,
    lessons::{Binding, Lessons},
    plan::Plan,
};

/// What is kept beside a compiled cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The digest of the library; empty for a program with nothing to run.
    pub digest: String,
    /// The types of the variables that the cell defines.
    pub types: Vec<(Binding, String)>,
    /// What earlier attempts had taught.
    pub lessons: Lessons,
    pub warnings: Vec<Diagnostic>,
    /// How many programs were compiled until one was accepted.
    #[serde(default)]
    pub programs: usize,
    /// The files that the program includes, as it names them, with the digests of their contents.
    #[serde(default)]
    pub files: Vec<(PathBuf, String)>,
}

impl Record {
    /// Whether the files that the program includes are as they were; names are relative to `folder`.
    pub fn is_current(&self, folder: &Path) -> bool {
        self.files
            .iter()
            .all(|(file, digest)| digest_of_file(&folder.join(file)).as_ref() == Some(digest))
    }
}

/// The digest of a file's content; `None` where it cannot be read.
pub fn digest_of_file(file: &Path) -> Option<String> {
    Some(digest(&fs::read(file).ok()?))
}

/// The cache's folder and bound.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    most_bytes: u64,
}

/// Half of the default bound of 2 GiB is about ten thousand cells.
const DEFAULT_BYTES: u64 = 2 << 30;

const LIBRARY: &str = "cell.so";
const RECORD: &str = "cell.json";

impl Cache {
    /// The user's cache: `$PATCHBAY_CACHE_DIR`, else `patchbay/cells` in the user's cache folder.
    /// `$PATCHBAY_CACHE_BYTES` bounds it.
    pub fn of_user() -> Option<Cache> {
        let folder = match std::env::var_os("PATCHBAY_CACHE_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::var_os("XDG_CACHE_HOME")
                .filter(|folder| Path::new(folder).is_absolute())
                .map(PathBuf::from)
                .or_else(|| Some(std::env::home_dir()?.join(".cache")))?
                .join("patchbay"),
        };
        let most_bytes = std::env::var("PATCHBAY_CACHE_BYTES")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEFAULT_BYTES);
        Some(Cache {
            folder: folder.join("cells"),
            most_bytes,
        })
    }

    /// A cache in a folder of its own.
    pub fn new(folder: PathBuf, most_bytes: u64) -> Cache {
        Cache { folder, most_bytes }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key of a plan's first attempt.
    pub fn key(compiler: &Compiler, plan: &Plan) -> String {
        let mut hasher = Sha256::new();
        let mut add = |part: &str| {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        };
        add(&compiler.build_id);
        add(&compiler.rustc.to_string_lossy());
        for argument in compiler.arguments(plan) {
            add(&argument);
        }
        for (name, value) in &plan.environment {
            add(name);
            add(value);
        }
        for (name, path) in compiler.externs() {
            add(name);
            add(&path.to_string_lossy());
        }
        for (_, library) in compiler.bundle.libraries() {
            add(&library.to_string_lossy());
        }
        for (name, value) in &compiler.environment {
            add(name);
            add(value);
        }
        add(if plan.items_only { "check" } else { "build" });
        add(&plan.program.text);
        hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }

    /// The compiled cell under a key, if there is a sound one.
    pub fn get(&self, key: &str) -> Option<(PathBuf, Record)> {
        let entry = self.entry(key);
        let record: Record = serde_json::from_slice(&fs::read(entry.join(RECORD)).ok()?).ok()?;
        let library = entry.join(LIBRARY);
        if !record.digest.is_empty() && digest(&fs::read(&library).ok()?) != record.digest {
            let _ = fs::remove_dir_all(&entry);
            return None;
        }
        // The folder's time is the time of last use, which eviction goes by.
        if let Ok(file) = fs::File::open(&entry) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some((library, record))
    }

    /// Adds a compiled cell. `library` is `None` for a program with nothing to run.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be written; the cell runs from where it was compiled then.
    pub fn put(
        &self,
        key: &str,
        library: Option<&Path>,
        mut record: Record,
    ) -> io::Result<PathBuf> {
        let entry = self.entry(key);
        let parent = entry.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent)?;
        let staging = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(parent)?;
        if let Some(library) = library {
            let content = fs::read(library)?;
            record.digest = digest(&content);
            fs::write(staging.path().join(LIBRARY), content)?;
        }
        fs::write(staging.path().join(RECORD), serde_json::to_vec(&record)?)?;
        // Another kernel may have been first; its entry is as good.
        match fs::rename(staging.path(), &entry) {
            Ok(()) => {
                let _ = staging.keep();
            }
            Err(_) if entry.join(RECORD).exists() => {}
            Err(error) => return Err(error),
        }
        Ok(entry.join(LIBRARY))
    }

    /// Takes an entry out, so that another can be put under its key.
    pub fn remove(&self, key: &str) {
        let entry = self.entry(key);
        // Another kernel may be about to load it; eviction removes what it is renamed to later.
        let aside = entry.with_file_name(format!(".new-{}", uuid::Uuid::new_v4().simple()));
        let _ = fs::rename(&entry, aside);
    }

    /// This cache with another bound.
    pub fn bounded(&self, most_bytes: u64) -> Cache {
        Cache {
            folder: self.folder.clone(),
            most_bytes,
        }
    }

    /// The most bytes that it keeps.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// The number of entries and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let entries = self.entries();
        (entries.len(), entries.iter().map(|entry| entry.bytes).sum())
    }

    /// Removes all entries.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the entries that were used longest ago until the bound is kept, and what a crash
    /// has left behind.
    pub fn evict(&self) {
        let mut entries = self.entries();
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        entries.sort_by_key(|entry| entry.used);
        for entry in entries {
            let abandoned = entry.is_staging
                && entry
                    .used
                    .elapsed()
                    .is_ok_and(|age| age > std::time::Duration::from_secs(3600));
            let goes = bytes > self.most_bytes || abandoned;
            if goes && fs::remove_dir_all(&entry.path).is_ok() {
                bytes = bytes.saturating_sub(entry.bytes);
            }
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for group in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            for entry in fs::read_dir(group.path()).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let bytes = fs::read_dir(entry.path())
                    .into_iter()
                    .flatten()
                    .flatten()
                    .filter_map(|file| file.metadata().ok())
                    .map(|metadata| metadata.len())
                    .sum();
                entries.push(Entry {
                    is_staging: entry.file_name().to_string_lossy().starts_with('.'),
                    path: entry.path(),
                    bytes,
                    used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
        }
        entries
    }
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    is_staging: bool,
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x() -> Binding {
        Binding {
            name: "x".into(),
            ordinal: 1,
        }
    }

    fn record() -> Record {
        Record {
            digest: String::new(),
            types: vec![(x(), "i32".into())],
            lessons: Lessons::default(),
            programs: 1,
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }

    fn cache_with(folder: &Path, keys: &[&str]) -> Cache {
        let cache = Cache::new(folder.join("cells"), 1 << 20);
        let library = folder.join("lib.so");
        fs::write(&library, vec![7; 1000]).unwrap();
        for key in keys {
            cache.put(key, Some(&library), record()).unwrap();
        }
        cache
    }

    #[test]
    fn what_was_put_is_got_and_a_damaged_entry_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["abcd"]);
        let (library, found) = cache.get("abcd").unwrap();
        assert_eq!(fs::read(&library).unwrap().len(), 1000);
        assert_eq!(found.types, [(x(), "i32".to_owned())]);
        assert!(cache.get("abce").is_none());
        fs::write(&library, b"damaged").unwrap();
        assert!(cache.get("abcd").is_none());
        assert_eq!(cache.size().0, 0);
    }

    #[test]
    fn putting_twice_keeps_one_sound_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["abcd", "abcd"]);
        assert_eq!(cache.size().0, 1);
        assert!(cache.get("abcd").is_some());
    }

    #[test]
    fn the_bound_is_kept_by_removing_what_was_used_longest_ago() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = cache_with(folder.path(), &["aa11", "bb22", "cc33"]);
        let old = SystemTime::UNIX_EPOCH;
        fs::File::open(cache.entry("bb22"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        let (_, bytes) = cache.size();
        cache.most_bytes = bytes - 1;
        cache.evict();
        assert!(cache.get("bb22").is_none());
        assert!(cache.get("aa11").is_some() && cache.get("cc33").is_some());
    }
    /// A stale hit would run a program that nobody wrote.
    #[test]
    fn everything_that_decides_what_comes_out_is_in_the_key() {
        use crate::{
            dependency::Bundle,
            engine::{plan, program::Source},
        };
        let compiler = Compiler {
            rustc: "/bin/rustc".into(),
            library: "/sdk/libpatchbay.so".into(),
            dependencies: "/sdk/deps".into(),
            externs: Vec::new(),
            bundle: Bundle::default(),
            linker: Vec::new(),
            build_id: "1".to_owned(),
            environment: Vec::new(),
            folder: PathBuf::new(),
            sealed: false,
        };
        let plan = |text: &str| {
            plan::plan_unparsed(&Source {
                text: text.into(),
                cell: 1,
                first_line: 0,
            })
        };
        let key = Cache::key(&compiler, &plan("x"));
        assert_eq!(key, Cache::key(&compiler, &plan("x")));
        let mut keys = vec![key, Cache::key(&compiler, &plan("y"))];
        let mut with = |change: &dyn Fn(&mut Compiler)| {
            let mut other = compiler.clone();
            change(&mut other);
            keys.push(Cache::key(&other, &plan("x")));
        };
        with(&|compiler| compiler.build_id = "2".to_owned());
        with(&|compiler| compiler.rustc = "/other/rustc".into());
        with(&|compiler| compiler.linker = vec!["-Clinker=x".to_owned()]);
        with(&|compiler| compiler.externs = vec![("a".to_owned(), "/a.rmeta".into())]);
        with(&|compiler| compiler.bundle.externs = vec![("a".to_owned(), "/b.rmeta".into())]);
        with(&|compiler| {
            let layer = crate::dependency::Layer {
                library: Some("/b.so".into()),
                ..Default::default()
            };
            compiler.bundle.layers = vec![layer];
        });
        with(&|compiler| compiler.environment = vec![("B".to_owned(), "1".to_owned())]);
        let mut changed = plan("x");
        changed.optimisation += 1;
        keys.push(Cache::key(&compiler, &changed));
        changed = plan("x");
        changed.environment = vec![("A".to_owned(), "1".to_owned())];
        keys.push(Cache::key(&compiler, &changed));
        changed = plan("x");
        changed.crate_name = "other".to_owned();
        keys.push(Cache::key(&compiler, &changed));
        changed = plan("x");
        changed.items_only = !changed.items_only;
        keys.push(Cache::key(&compiler, &changed));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
