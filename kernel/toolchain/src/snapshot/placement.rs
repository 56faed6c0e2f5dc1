//! Puts files into a prefix.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use patchbay_files::{Access, Hasher, create_new, seal, user};

use super::{
    names::{STAGING, is_staging},
    record::FileRecord,
};

/// Copies one file, with its time of change, to a place where nothing is. A prefix has its own files: what a build tree
/// holds may be written in place, and others may write to it.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn place(source: &Path, target: &Path, mode: u32) -> Result<FileRecord> {
    copy(source, target, mode).with_context(|| {
        format!(
            "{} cannot be written from {}",
            target.display(),
            source.display()
        )
    })
}

fn copy(source: &Path, target: &Path, mode: u32) -> io::Result<FileRecord> {
    // The compiler's library may be a link to one with another name.
    let source = source.canonicalize()?;
    let mut from = patchbay_files::open(&source)?;
    let original = from.metadata()?;
    let mut to = create_new(target, mode)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.add(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        bytes += count as u64;
    }
    to.set_modified(original.modified()?)?;
    Ok(record(bytes, hasher.finish(), &to.metadata()?))
}

/// Gives a file of another prefix of this store a second name, if it is the same: equal in name, size, time and mode, and
/// sound by its digest.
pub fn share(other: &Path, known: &FileRecord, source: &Path, target: &Path) -> Option<FileRecord> {
    let (found, original) = (
        fs::symlink_metadata(other).ok()?,
        fs::metadata(source).ok()?,
    );
    let is_same = found.is_file()
        && found.len() == original.len()
        && found.modified().ok()? == original.modified().ok()?
        && found.uid() == user()
        && found.mode() & 0o077 == 0;
    if !is_same || known.verify(other, true).is_err() {
        return None;
    }
    fs::hard_link(other, target).ok()?;
    Some(known.clone())
}

fn record(bytes: u64, digest: String, metadata: &fs::Metadata) -> FileRecord {
    let nanoseconds =
        i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    FileRecord {
        bytes,
        digest,
        inode: metadata.ino(),
        modified_nanoseconds: u64::try_from(nanoseconds).unwrap_or(0),
    }
}

/// Makes a folder hold these files, changing only those that differ in size or time. Each file is
/// replaced as a whole, so a process that uses the old one is not disturbed. Plugins are sealed.
///
/// # Errors
///
/// Fails where a file cannot be read or written.
pub fn follow(sources: &[PathBuf], folder: &Path, access: Access) -> Result<()> {
    for source in sources {
        let target = folder.join(source.file_name().unwrap_or_default());
        let original = fs::metadata(source).with_context(|| format!("{}", source.display()))?;
        let current = fs::symlink_metadata(&target);
        if current.is_ok_and(|current| {
            current.is_file()
                && current.len() == original.len()
                && current.modified().ok() == original.modified().ok()
        }) {
            continue;
        }
        let staged = folder.join(format!("{STAGING}{}", patchbay_files::unique_name()?));
        let placed = place(source, &staged, access.file(true))
            .and_then(|_| match folder.ends_with("plugins") {
                true => seal_in_place(&staged, original.modified()?),
                false => Ok(()),
            })
            .and_then(|()| {
                fs::rename(&staged, &target)
                    .with_context(|| format!("{} cannot be replaced", target.display()))
            });
        if placed.is_err() {
            // The error that is told is the first one.
            let _ = fs::remove_file(&staged);
        }
        placed?;
    }
    for path in fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
        let known = sources
            .iter()
            .any(|source| source.file_name() == path.file_name());
        if !known && !is_staging(&path) {
            fs::remove_file(&path)
                .with_context(|| format!("{} cannot be removed", path.display()))?;
        }
    }
    Ok(())
}

/// Writes the digest into a plugin that nobody uses yet; other files stay as they are.
fn seal_in_place(path: &Path, modified: std::time::SystemTime) -> Result<()> {
    let mut bytes = patchbay_files::read(path)?;
    if seal(&mut bytes) {
        let mut file = fs::File::options().write(true).open(path)?;
        file.rewind()?;
        file.write_all(&bytes)?;
        file.set_modified(modified)?;
    }
    Ok(())
}
