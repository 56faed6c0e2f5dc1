//! The lock that says that a prefix is in use.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::names::{MANIFEST_NAME, REBUILD};

/// The file that is locked; it is never replaced.
pub const LOCK_NAME: &str = "lock";

/// Who removes a prefix holds its lock for the moment of a renaming.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes a share of a prefix's lock, which keeps it from being removed for as long as the file is open.
///
/// # Errors
///
/// Fails where the prefix is not there or is being removed.
pub fn share(prefix: &Path) -> Result<File> {
    let path = prefix.join(LOCK_NAME);
    let start = Instant::now();
    loop {
        let file = patchbay_files::open(&path).with_context(|| {
            let manifest = prefix.join(MANIFEST_NAME);
            let missing = if manifest.exists() { &path } else { &manifest };
            format!(
                "no SDK snapshot: {} is missing\nin the repository, type: {REBUILD}",
                missing.display()
            )
        })?;
        // A file system without locks has no way to say that a prefix is in use.
        let is_free = !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        if is_free && is_at(&file, &path) {
            return Ok(file);
        }
        if start.elapsed() > PATIENCE {
            bail!(
                "{} is being removed by another process\nin the repository, type: {REBUILD}",
                prefix.display()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Takes the whole lock of a prefix that nobody uses; `None` where somebody does. One without the file has no lock to
/// be taken.
pub fn exclude(prefix: &Path) -> Option<Option<File>> {
    let file = patchbay_files::open(&prefix.join(LOCK_NAME)).ok();
    let is_locked = file
        .as_ref()
        .is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
    (!is_locked && !runs_from(prefix)).then_some(file)
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(found)) => held.ino() == found.ino() && held.dev() == found.dev(),
        _ => false,
    }
}

/// Whether a process of another version, which knows of no lock, runs a program of the prefix.
fn runs_from(prefix: &Path) -> bool {
    let listing = fs::read_dir("/proc").into_iter().flatten().flatten();
    listing
        .filter_map(|entry| fs::read_link(entry.path().join("exe")).ok())
        .any(|program| program.starts_with(prefix))
}
