//! Where the files of loaded generations lie.
//!
//! The dynamic loader answers a path (and an inode) that it knows with the code that it has, so
//! every generation is a file of its own. They stay for as long as the process lives, because a
//! backtrace reads them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::Error;

const PREFIX: &str = "patchbay-plugins-";

/// Writes a plugin's bytes to a path that was never loaded from.
pub(crate) fn place(bytes: &[u8], name: &str) -> Result<PathBuf, Error> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = folder()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{number:05}-{name}"));
    fs::write(&path, bytes).map_err(|error| {
        Error::new(format!(
            "{}: the plugin's copy cannot be written: {error}; set TMPDIR to a folder with room",
            path.display()
        ))
    })?;
    Ok(path)
}

fn folder() -> Result<&'static Path, Error> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let parent = env::temp_dir();
    remove_leftovers(&parent);
    let folder = parent.join(format!("{PREFIX}{}", process::id()));
    fs::create_dir_all(&folder).map_err(|error| {
        Error::new(format!(
            "{}: cannot be made: {error}; set TMPDIR to a folder that can be written",
            folder.display()
        ))
    })?;
    Ok(FOLDER.get_or_init(|| folder))
}

/// Removes the folders of processes that have ended.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            // Another process may be removing it, too; what is left then is removed next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
