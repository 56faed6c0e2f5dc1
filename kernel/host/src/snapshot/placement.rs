//! Puts files into a prefix.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::store::{STAGING, is_staging};

/// How a file gets its second name.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    /// For what the build tree never writes in place: the compiler renames metadata into place,
    /// and its own library does not change.
    Link,
    /// For what a linker writes, some of which write in place: a process has it mapped.
    Copy,
}

/// Puts one file into place.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn place(source: &Path, target: &Path, placement: Placement) -> Result<()> {
    let result = match placement {
        Placement::Link => {
            fs::hard_link(source, target).or_else(|_| fs::copy(source, target).map(drop))
        }
        Placement::Copy => fs::copy(source, target).map(drop),
    };
    result.with_context(|| {
        format!(
            "{} cannot be written from {}",
            target.display(),
            source.display()
        )
    })
}

/// Makes a folder hold these files, changing only those that differ in size or time. Each file is
/// replaced as a whole, so a process that uses the old one is not disturbed.
///
/// # Errors
///
/// Fails where a file cannot be read or written.
pub fn follow(sources: &[PathBuf], folder: &Path) -> Result<()> {
    for source in sources {
        let target = folder.join(source.file_name().unwrap_or_default());
        let original = fs::metadata(source).with_context(|| format!("{}", source.display()))?;
        let current = fs::metadata(&target);
        if current.is_ok_and(|current| {
            current.len() == original.len() && current.modified().ok() == original.modified().ok()
        }) {
            continue;
        }
        let staged = tempfile::Builder::new()
            .prefix(STAGING)
            .tempfile_in(folder)?
            .into_temp_path();
        place(source, &staged, Placement::Copy)?;
        fs::File::options()
            .append(true)
            .open(&staged)?
            .set_modified(original.modified()?)?;
        staged
            .persist(&target)
            .with_context(|| format!("{} cannot be replaced", target.display()))?;
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
