//! The files of a prefix, held open by a session, so that they can be put back where somebody removes them.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use patchbay_files::{create_folders, create_new, unique_name};

use super::{
    Snapshot, lock,
    names::{MANIFEST_NAME, REBUILD, is_staging},
};

/// A prefix whose files are held open.
#[derive(Debug)]
pub struct Held {
    snapshot: Snapshot,
    files: Mutex<BTreeMap<PathBuf, File>>,
    /// Taken anew when the prefix is made again.
    lock: Mutex<Option<File>>,
}

impl Held {
    /// Opens the files of a snapshot. What cannot be opened cannot be put back either.
    pub fn of(snapshot: &Snapshot) -> Held {
        let mut files = BTreeMap::new();
        collect(&snapshot.prefix, Path::new(""), &mut files);
        Held {
            snapshot: snapshot.clone(),
            files: Mutex::new(files),
            lock: Mutex::default(),
        }
    }

    /// Puts back what is missing. Returns whether anything was.
    ///
    /// # Errors
    ///
    /// Says what is missing and cannot be written.
    pub fn restore(&self) -> Result<bool> {
        let prefix = &self.snapshot.prefix;
        let mut files = self.files.lock();
        let missing: Vec<PathBuf> = files
            .keys()
            .filter(|name| fs::symlink_metadata(prefix.join(name)).is_err())
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(false);
        }
        // What says that a prefix is whole comes last.
        let (last, first): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|name| name == Path::new(MANIFEST_NAME));
        for name in first.iter().chain(&last) {
            let Some(file) = files.get_mut(name) else {
                continue;
            };
            put_back(file, &prefix.join(name)).with_context(|| {
                format!(
                    "the SDK snapshot was removed while it was in use, and {} cannot be put back\nin the repository, type: \
                     {REBUILD}",
                    prefix.join(name).display()
                )
            })?;
        }
        if let Ok(share) = lock::share(prefix) {
            *self.lock.lock() = Some(share);
        }
        Ok(true)
    }

    /// Checks the digests of what a runtime loads, and makes the snapshot again from its build tree where they differ.
    /// Returns what was done, if anything had to be.
    ///
    /// # Errors
    ///
    /// Says what differs where it cannot be made again.
    pub fn mend(&self) -> Result<Option<String>> {
        let Snapshot {
            prefix, manifest, ..
        } = &self.snapshot;
        let Err(damage) = manifest.verify_runtime(prefix) else {
            return Ok(None);
        };
        let made = self.snapshot.make_again().map_err(|error| {
            damage.context(format!("it cannot be made again by itself: {error:#}"))
        })?;
        Ok(Some(format!(
            "the SDK snapshot was damaged; it was made again from {}",
            made.display()
        )))
    }

    /// The snapshot's folder.
    pub fn prefix(&self) -> &Path {
        &self.snapshot.prefix
    }
}

fn collect(prefix: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, File>) {
    for entry in fs::read_dir(prefix.join(folder))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = folder.join(entry.file_name());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // Crates for cells are built again by whoever asks for them.
        if is_folder && name != Path::new("dependencies") {
            collect(prefix, &name, files);
        } else if !is_folder
            && !is_staging(&name)
            && let Ok(file) = patchbay_files::open(&entry.path())
        {
            files.insert(name, file);
        }
    }
}

fn put_back(file: &mut File, place: &Path) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    let folder = place.parent().unwrap_or(Path::new("/"));
    // Who may read the files may enter their folder.
    create_folders(folder, if mode & 0o044 == 0 { 0o700 } else { 0o755 })?;
    let aside = folder.join(format!(".staging-{}", unique_name()?));
    let written = create_new(&aside, mode)
        .and_then(|mut copy| {
            file.seek(SeekFrom::Start(0))?;
            io::copy(file, &mut copy)?;
            copy.set_modified(metadata.modified()?)
        })
        .and_then(|()| fs::rename(&aside, place));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&aside);
    }
    written
}
