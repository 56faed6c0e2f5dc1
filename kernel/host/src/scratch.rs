//! The folders in which sessions keep their files while they live.

use std::{fs, fs::File, path::Path};

use anyhow::Context;

/// How the names of these folders begin.
const PREFIX: &str = "patchbay-";

/// The file in each of them that its session holds a lock on.
const LOCK: &str = "lock";

/// A session's folder. Dropping it removes the folder; what a killed session leaves is removed when another starts.
pub struct Scratch {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder, and removes those that nobody holds any more in the background.
    ///
    /// # Errors
    ///
    /// Fails where there is no folder for such files.
    pub fn new() -> anyhow::Result<Scratch> {
        let parent = std::env::temp_dir();
        let scratch = Scratch::new_in(&parent)
            .context("no folder for the session's files; set TMPDIR to one that can be written")?;
        tokio::task::spawn_blocking(move || remove_abandoned(&parent));
        Ok(scratch)
    }

    fn new_in(parent: &Path) -> std::io::Result<Scratch> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // The file has its name once it is locked: a folder without it is one that is being made.
        let unlocked = folder.path().join("unlocked");
        let lock = File::create(&unlocked)?;
        lock.lock()?;
        fs::rename(unlocked, folder.path().join(LOCK))?;
        Ok(Scratch {
            folder,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders whose lock nobody holds. What cannot be looked at is another user's.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let abandoned =
            File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nobody_holds_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let held = Scratch::new_in(parent.path()).unwrap();
        let left = parent.path().join("patchbay-left");
        let foreign = parent.path().join("patchbay-foreign");
        fs::create_dir(&left).unwrap();
        fs::create_dir(&foreign).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        remove_abandoned(parent.path());
        assert!(held.path().exists() && foreign.exists());
        assert!(!left.exists());
        let path = held.path().to_path_buf();
        drop(held);
        assert!(!path.exists());
    }
}
