//! Compiled cells on disk, shared by all kernels of a user.
//!
//! An entry is a folder named by the hash of all that decides what is in it: the program, the
//! compiler, the SDK's build id and the flags. It is made under another name and renamed, so there
//! is never half an entry; a digest that covers its key and both of its files is checked before it is
//! used, so a damaged one is a miss. Nobody else can read or write what is in a user's cache; only what looks
//! like an entry is ever removed.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use patchbay_files::{
    Access, Hasher, check_folder, create_folders, create_new, read, read_private, unique_name, user,
};
use serde::{Deserialize, Serialize};

use super::{
    compile::Compiler,
    diagnostics::Diagnostic,
    lessons::{Binding, Lessons},
    plan::Plan,
};

/// What is kept beside a compiled cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Whether there is a library; a program with nothing to run has none.
    pub has_library: bool,
    /// The types of the variables that the cell defines.
    pub types: Vec<(Binding, String)>,
    /// What earlier attempts had taught.
    pub lessons: Lessons,
    /// The compiler's warnings, which are told each time the cell runs.
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
    let mut hasher = Hasher::default();
    hasher.add_part(&read(file).ok()?);
    Some(hasher.finish())
}

/// The record as it is written.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of the key, the library and the record.
    digest: String,
    /// A [`Record`] as JSON.
    record: String,
}

/// The cache's folder and bound.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    most_bytes: u64,
    access: Access,
}

/// Half of the default bound of 2 GiB is about ten thousand cells.
const DEFAULT_BYTES: u64 = 2 << 30;

const LIBRARY: &str = "cell.so";
const RECORD: &str = "cell.json";

/// How the names of entries begin that are being made.
const STAGING: &str = ".new-";

/// How the names of things begin that stood where an entry was to be and are nobody's to remove.
const KEPT: &str = ".kept-";

/// After this time an entry that is being made belongs to a process that died.
const STAGING_LIFETIME: Duration = Duration::from_secs(3600);

impl Cache {
    /// The folder of all that is kept for a user and can be made again: `$PATCHBAY_CACHE_DIR`, else `patchbay` in the
    /// user's cache folder.
    pub fn base() -> Option<PathBuf> {
        if let Some(folder) = std::env::var_os("PATCHBAY_CACHE_DIR") {
            return Some(PathBuf::from(folder));
        }
        let caches = std::env::var_os("XDG_CACHE_HOME")
            .filter(|folder| Path::new(folder).is_absolute())
            .map(PathBuf::from)
            .or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
        Some(caches.join("patchbay"))
    }

    /// The user's cache, `cells` in [`Cache::base`]. `$PATCHBAY_CACHE_BYTES` bounds it.
    pub fn of_user() -> Option<Cache> {
        let most_bytes = std::env::var("PATCHBAY_CACHE_BYTES")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEFAULT_BYTES);
        Some(Cache {
            folder: Cache::base()?.join("cells"),
            most_bytes,
            access: Access::Owner,
        })
    }

    /// A cache in a folder of its own, which whoever the umask lets can read: a part of something that a user has asked for.
    pub fn new(folder: PathBuf, most_bytes: u64) -> Cache {
        Cache {
            folder,
            most_bytes,
            access: Access::Umask,
        }
    }

    /// Makes a user's cache ready: nobody else can write to it.
    ///
    /// # Errors
    ///
    /// Says who can write to it, and the command that mends it. It is not to be used then.
    pub fn check(&self) -> Result<(), String> {
        if self.access != Access::Owner {
            return Ok(());
        }
        // Where it cannot be made, every cell is compiled.
        let _ = create_folders(&self.folder, self.access.folder());
        check_folder(&self.folder)?;
        if let Ok(found) = fs::symlink_metadata(&self.folder)
            && found.uid() == user()
            && found.is_dir()
            && found.mode() & 0o077 != 0
        {
            // An earlier version let others read it.
            let _ = fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700));
        }
        Ok(())
    }

    /// The folder of the entries.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key of a plan's first attempt.
    pub fn key(compiler: &Compiler, plan: &Plan) -> String {
        let mut hasher = Hasher::default();
        let mut add = |part: &str| hasher.add_part(part.as_bytes());
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
        hasher.finish()
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }

    /// The compiled cell under a key, if there is a sound one. What stands in its place and is none makes way.
    pub fn get(&self, key: &str) -> Option<(PathBuf, Record)> {
        let entry = self.entry(key);
        fs::symlink_metadata(&entry).ok()?;
        let Some(record) = self.read(&entry, key) else {
            if self.access == Access::Owner {
                discard(&entry);
            }
            return None;
        };
        // The folder's time is the time of last use, which eviction goes by.
        if let Ok(file) = fs::File::open(&entry) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some((entry.join(LIBRARY), record))
    }

    /// Reads an entry; `None` where it is not one that was made under this key, or others can write to it.
    fn read(&self, entry: &Path, key: &str) -> Option<Record> {
        let read = match self.access {
            Access::Owner => {
                let group = entry.parent().unwrap_or(entry);
                if ![group, entry].into_iter().all(is_private) {
                    return None;
                }
                read_private
            }
            Access::Everyone | Access::Umask => read,
        };
        let stored: Stored = serde_json::from_slice(&read(&entry.join(RECORD)).ok()?).ok()?;
        let record: Record = serde_json::from_str(&stored.record).ok()?;
        let library = match record.has_library {
            true => read(&entry.join(LIBRARY)).ok()?,
            false => Vec::new(),
        };
        (digest(key, &library, &stored.record) == stored.digest).then_some(record)
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
        let group = entry.parent().unwrap_or(&self.folder);
        create_folders(group, self.access.folder())?;
        if self.access == Access::Owner && !is_private(group) {
            discard(group);
            create_folders(group, self.access.folder())?;
        }
        let staging = group.join(format!("{STAGING}{}", unique_name()?));
        fs::DirBuilder::new()
            .mode(self.access.folder())
            .create(&staging)?;
        record.has_library = library.is_some();
        let placed = self.write(&staging, key, library, &record).and_then(|()| {
            for _ in 0..3 {
                match fs::rename(&staging, &entry) {
                    Ok(()) => return Ok(()),
                    // Another kernel may have been first; its entry is as good.
                    Err(_) if self.read(&entry, key).is_some() => return Err(None),
                    Err(error) if fs::symlink_metadata(&entry).is_err() => return Err(Some(error)),
                    Err(_) => discard(&entry),
                }
            }
            fs::rename(&staging, &entry).map_err(Some)
        });
        match placed {
            Ok(()) => {}
            Err(problem) => {
                discard(&staging);
                if let Some(error) = problem {
                    return Err(error);
                }
            }
        }
        Ok(entry.join(LIBRARY))
    }

    /// Takes an entry out, so that another can be put under its key.
    pub fn remove(&self, key: &str) {
        discard(&self.entry(key));
    }

    /// This cache with another bound.
    pub fn bounded(&self, most_bytes: u64) -> Cache {
        Cache {
            most_bytes,
            ..self.clone()
        }
    }

    /// The most bytes that it keeps.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    fn write(
        &self,
        folder: &Path,
        key: &str,
        library: Option<&Path>,
        record: &Record,
    ) -> Result<(), Option<io::Error>> {
        let write = || -> io::Result<()> {
            fs::set_permissions(folder, fs::Permissions::from_mode(self.access.folder()))?;
            let mode = self.access.file(false);
            let library = library.map(read).transpose()?;
            if let Some(content) = &library {
                create_new(&folder.join(LIBRARY), mode)?.write_all(content)?;
            }
            let record = serde_json::to_string(record)?;
            let stored = Stored {
                digest: digest(key, library.as_deref().unwrap_or_default(), &record),
                record,
            };
            create_new(&folder.join(RECORD), mode)?.write_all(&serde_json::to_vec(&stored)?)
        };
        write().map_err(Some)
    }

    /// The number of entries and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let entries = self.entries();
        (entries.len(), entries.iter().map(|entry| entry.bytes).sum())
    }

    /// Removes all entries. What is no entry stays.
    ///
    /// # Errors
    ///
    /// Fails where an entry cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        for entry in self.entries() {
            discard(&entry.path);
            if fs::symlink_metadata(&entry.path).is_ok() {
                return Err(io::Error::other(format!(
                    "{} is still there",
                    entry.path.display()
                )));
            }
        }
        for group in self.groups() {
            // Those that hold something else are not empty.
            let _ = fs::remove_dir(group);
        }
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }

    /// Removes the entries that were used longest ago until the bound is kept, and what a crash
    /// has left behind.
    pub fn evict(&self) {
        let mut entries = self.entries();
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        entries.sort_by_key(|entry| entry.used);
        for entry in entries {
            let abandoned =
                entry.is_staging && entry.used.elapsed().is_ok_and(|age| age > STAGING_LIFETIME);
            if bytes > self.most_bytes || abandoned {
                discard(&entry.path);
                if fs::symlink_metadata(&entry.path).is_err() {
                    bytes = bytes.saturating_sub(entry.bytes);
                }
            }
        }
    }

    /// The folders of entries, by the first digits of their keys.
    fn groups(&self) -> impl Iterator<Item = PathBuf> {
        let listing = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        listing
            .filter(|entry| {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                is_folder && is_digits(&entry.file_name().to_string_lossy(), 2)
            })
            .map(|entry| entry.path())
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for group in self.groups() {
            for entry in fs::read_dir(group).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_staging = name.starts_with(STAGING);
                let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
                    continue;
                };
                if !metadata.is_dir() || !(is_staging || is_digits(&name, KEY_DIGITS)) {
                    continue;
                }
                let bytes = [LIBRARY, RECORD]
                    .into_iter()
                    .filter_map(|file| fs::symlink_metadata(entry.path().join(file)).ok())
                    .map(|metadata| metadata.len())
                    .sum();
                entries.push(Entry {
                    is_staging,
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

/// The digits of a key.
const KEY_DIGITS: usize = 64;

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count
        && text
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The digest by which the two files of an entry belong together, and to their key.
fn digest(key: &str, library: &[u8], record: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.add_part(key.as_bytes());
    hasher.add_part(library);
    hasher.add_part(record.as_bytes());
    hasher.finish()
}

/// Whether this is a folder, no link to one, to which only this user can write.
fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user() && found.mode() & 0o022 == 0)
}

/// Takes away what has the name of an entry: an entry's two files, or whatever is no folder. A folder with anything else in
/// it gets another name and stays.
fn discard(path: &Path) {
    if fs::remove_file(path).is_ok() {
        return;
    }
    for name in [LIBRARY, RECORD] {
        let file = path.join(name);
        if fs::remove_file(&file).is_err() {
            // An empty folder in the place of a file.
            let _ = fs::remove_dir(&file);
        }
    }
    if fs::remove_dir(path).is_err()
        && fs::symlink_metadata(path).is_ok()
        && let Ok(name) = unique_name()
    {
        let _ = fs::rename(path, path.with_file_name(format!("{KEPT}{name}")));
    }
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
            has_library: false,
            types: vec![(x(), "i32".into())],
            lessons: Lessons::default(),
            programs: 1,
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A key that begins with these digits.
    fn key(start: &str) -> String {
        format!("{start:0<64}")
    }

    fn cache_with(folder: &Path, keys: &[&str]) -> Cache {
        let cache = Cache {
            folder: folder.join("cells"),
            most_bytes: 1 << 20,
            access: Access::Owner,
        };
        let library = folder.join("lib.so");
        fs::write(&library, vec![7; 1000]).unwrap();
        for start in keys {
            cache.put(&key(start), Some(&library), record()).unwrap();
        }
        cache
    }

    #[test]
    fn what_was_put_is_got_and_a_damaged_entry_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["abcd"]);
        let (library, found) = cache.get(&key("abcd")).unwrap();
        assert_eq!(fs::read(&library).unwrap().len(), 1000);
        assert_eq!(found.types, [(x(), "i32".to_owned())]);
        assert!(cache.get(&key("abce")).is_none());
        fs::write(&library, b"damaged").unwrap();
        assert!(cache.get(&key("abcd")).is_none());
        assert_eq!(cache.size().0, 0);
    }

    #[test]
    fn what_is_in_the_place_of_an_entry_makes_way() {
        use std::process::Command;
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &[]);
        let library = folder.path().join("lib.so");
        let key = key("ab12");
        let entry = cache.entry(&key);
        let fifo = |path: &Path| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        };
        let place: [&dyn Fn(); 9] = [
            &|| fs::write(&entry, "a file").unwrap(),
            &|| fifo(&entry),
            &|| std::os::unix::fs::symlink("/nowhere", &entry).unwrap(),
            &|| fs::create_dir_all(entry.join(LIBRARY)).unwrap(),
            &|| fs::create_dir_all(entry.join(RECORD).join("thesis")).unwrap(),
            &|| {
                cache.put(&key, Some(&library), record()).unwrap();
                fs::remove_file(entry.join(LIBRARY)).unwrap();
                fifo(&entry.join(LIBRARY));
            },
            &|| {
                cache.put(&key, Some(&library), record()).unwrap();
                fs::remove_file(entry.join(RECORD)).unwrap();
                fifo(&entry.join(RECORD));
            },
            &|| {
                cache.put(&key, Some(&library), record()).unwrap();
                fs::rename(entry.join(LIBRARY), folder.path().join("moved")).unwrap();
                std::os::unix::fs::symlink(folder.path().join("moved"), entry.join(LIBRARY))
                    .unwrap();
            },
            &|| {
                cache.put(&key, Some(&library), record()).unwrap();
                fs::set_permissions(&entry, fs::Permissions::from_mode(0o777)).unwrap();
            },
        ];
        for (index, place) in place.iter().enumerate() {
            fs::create_dir_all(entry.parent().unwrap()).unwrap();
            fs::set_permissions(entry.parent().unwrap(), fs::Permissions::from_mode(0o700))
                .unwrap();
            place();
            assert!(cache.get(&key).is_none(), "{index}");
            cache.put(&key, Some(&library), record()).unwrap();
            assert!(cache.get(&key).is_some(), "{index}");
            discard(&entry);
            place();
            cache.put(&key, Some(&library), record()).unwrap();
            assert!(cache.get(&key).is_some(), "{index}");
            discard(&entry);
        }
        // Nothing of the user's was removed.
        let group = fs::read_dir(entry.parent().unwrap()).unwrap().flatten();
        let kept = group.filter(|entry| entry.path().join(RECORD).join("thesis").is_dir());
        assert_eq!(kept.count(), 2);
        cache.clear().unwrap();
        assert!(entry.parent().unwrap().exists());
    }

    #[test]
    fn the_two_files_belong_together_and_to_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["aa11"]);
        let other = folder.path().join("other.so");
        fs::write(&other, vec![8; 1000]).unwrap();
        cache.put(&key("bb22"), Some(&other), record()).unwrap();
        let (one, two) = (cache.entry(&key("aa11")), cache.entry(&key("bb22")));
        fs::copy(two.join(LIBRARY), one.join(LIBRARY)).unwrap();
        assert!(cache.get(&key("aa11")).is_none());
        fs::create_dir_all(&one).unwrap();
        for file in [LIBRARY, RECORD] {
            fs::copy(two.join(file), one.join(file)).unwrap();
        }
        assert!(cache.get(&key("aa11")).is_none());
        assert!(cache.get(&key("bb22")).is_some());
    }

    #[test]
    fn only_entries_are_removed_and_nobody_else_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["aa11"]);
        cache.check().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let entry = cache.entry(&key("aa11"));
        for path in [cache.folder(), entry.parent().unwrap(), &entry] {
            assert_eq!(mode(path), 0o700);
        }
        assert_eq!(mode(&entry.join(LIBRARY)), 0o600);
        assert_eq!(mode(&entry.join(RECORD)), 0o600);
        let thesis = cache.folder().join("thesis");
        fs::create_dir(&thesis).unwrap();
        fs::write(thesis.join("thesis.tex"), "text").unwrap();
        cache.clear().unwrap();
        assert!(!entry.exists() && thesis.join("thesis.tex").exists());
        fs::set_permissions(cache.folder(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(cache.check().unwrap_err().contains("type: chmod -R go-w"));
    }

    #[test]
    fn putting_twice_keeps_one_sound_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_with(folder.path(), &["abcd", "abcd"]);
        assert_eq!(cache.size().0, 1);
        assert!(cache.get(&key("abcd")).is_some());
    }

    #[test]
    fn the_bound_is_kept_by_removing_what_was_used_longest_ago() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = cache_with(folder.path(), &["aa11", "bb22", "cc33"]);
        let old = SystemTime::UNIX_EPOCH;
        fs::File::open(cache.entry(&key("bb22")))
            .unwrap()
            .set_modified(old)
            .unwrap();
        let (_, bytes) = cache.size();
        cache.most_bytes = bytes - 1;
        cache.evict();
        assert!(cache.get(&key("bb22")).is_none());
        assert!(cache.get(&key("aa11")).is_some() && cache.get(&key("cc33")).is_some());
    }
    /// A stale hit would run a program that nobody wrote.
    #[test]
    fn everything_that_decides_what_comes_out_is_in_the_key() {
        use crate::bundle::Bundle;
        use crate::{plan, program::Source};
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
            let layer = crate::bundle::Layer {
                library: Some("/b.so".into()),
                ..Default::default()
            };
            compiler.bundle.layers = vec![layer];
        });
        with(&|compiler| compiler.environment = vec![("B".to_owned(), "1".to_owned())]);
        let mut changed = plan("x");
        changed.optimization += 1;
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
