//! Noticing that the source of a plugin was saved.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Watches source files and folders of crates. It looks when it is asked to: a look at a crate costs
/// some microseconds, so asking ten times a second is cheap, works on network folders, and needs no
/// thread.
#[derive(Debug, Default)]
pub struct Watcher {
    watched: BTreeMap<PathBuf, State>,
}

/// Time of change and length of each source file.
type State = BTreeMap<PathBuf, (SystemTime, u64)>;

impl Watcher {
    /// Begins to watch a source file or the folder of a crate.
    pub fn add(&mut self, path: &Path) {
        self.watched.insert(path.to_owned(), state(path));
    }

    /// The watched paths that have changed since the last call (or since they were added).
    pub fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, before) in &mut self.watched {
            let present = state(path);
            // An editor that saves by renaming leaves a moment without the file.
            if present != *before && !present.is_empty() {
                *before = present;
                changed.push(path.clone());
            }
        }
        changed
    }
}

fn state(path: &Path) -> State {
    let mut files = State::new();
    if path.is_dir() {
        collect(path, &mut files);
    } else {
        note(path, &mut files);
    }
    files
}

fn collect(folder: &Path, files: &mut State) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, files);
            }
        } else if name == "Cargo.toml" || name.ends_with(".rs") {
            note(&path, files);
        }
    }
}

fn note(path: &Path, files: &mut State) {
    if let Ok(metadata) = fs::metadata(path)
        && let Ok(modified) = metadata.modified()
    {
        files.insert(path.to_owned(), (modified, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_sources_are_noticed_once_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("src"), folder.path().join("target"));
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(&target).unwrap();
        fs::write(source.join("lib.rs"), "1").unwrap();
        let mut watcher = Watcher::default();
        watcher.add(folder.path());
        assert!(watcher.changed().is_empty());
        fs::write(target.join("out.rs"), "1").unwrap();
        fs::write(source.join("notes.txt"), "1").unwrap();
        assert!(watcher.changed().is_empty());
        fs::write(source.join("lib.rs"), "12").unwrap();
        assert_eq!(watcher.changed(), [folder.path()]);
        assert!(watcher.changed().is_empty());
        fs::write(source.join("other.rs"), "1").unwrap();
        assert_eq!(watcher.changed(), [folder.path()]);
    }
}
