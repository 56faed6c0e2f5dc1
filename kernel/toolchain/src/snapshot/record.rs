//! What is known of a file of a prefix, by which one is noticed that has changed.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, bail};
use patchbay_files::{digest_of_file, user};
use serde::{Deserialize, Serialize};

use super::names::REBUILD;

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The size.
    pub bytes: u64,
    /// SHA-256.
    pub digest: String,
    /// Where these two are equal, the file is taken for unchanged at a start; else its digest is taken.
    pub inode: u64,
    /// The time of the last change, since 1970.
    pub modified_nanoseconds: u64,
}

impl FileRecord {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read or is no regular file.
    pub fn of(path: &Path) -> Result<FileRecord> {
        let digest = digest_of_file(path).with_context(|| format!("{}", path.display()))?;
        let metadata = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
        Ok(FileRecord {
            bytes: metadata.len(),
            digest,
            inode: metadata.ino(),
            modified_nanoseconds: modified(&metadata),
        })
    }

    /// Checks that the file is there as it was written, that it is a file and no link, and that nobody else can write to
    /// it. Returns whether it is the very file; one with the same bytes passes, too.
    ///
    /// # Errors
    ///
    /// Says how it differs, and what mends it.
    pub fn verify(&self, path: &Path, thoroughly: bool) -> Result<bool> {
        let damaged = |what: String| {
            anyhow::anyhow!(
                "the SDK snapshot is damaged: {}{what}\nin the repository, type: {REBUILD}",
                path.display()
            )
        };
        let metadata = fs::symlink_metadata(path).map_err(|error| damaged(format!(": {error}")))?;
        if !metadata.is_file() {
            return Err(damaged(" should be a file and is none".to_owned()));
        }
        if metadata.len() != self.bytes {
            return Err(damaged(format!(
                " should have {} bytes and has {}",
                self.bytes,
                metadata.len()
            )));
        }
        let owner = metadata.uid();
        if metadata.mode() & 0o022 != 0 || (owner != user() && owner != 0) {
            bail!(
                "others can write to the SDK snapshot: {} (uid {owner}, mode {:04o})\ntype: rm -r {}",
                path.display(),
                metadata.mode() & 0o7777,
                path.ancestors().nth(2).unwrap_or(path).display()
            );
        }
        let is_same =
            metadata.ino() == self.inode && modified(&metadata) == self.modified_nanoseconds;
        if !is_same || thoroughly {
            let found = digest_of_file(path).map_err(|error| damaged(format!(": {error}")))?;
            if found != self.digest {
                return Err(damaged(format!(
                    " has other bytes than it was made with (SHA-256 {}…, expected {}…)",
                    &found[..12],
                    self.digest.get(..12).unwrap_or_default()
                )));
            }
        }
        Ok(is_same)
    }
}

fn modified(metadata: &Metadata) -> u64 {
    let since = metadata
        .modified()
        .ok()
        .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
