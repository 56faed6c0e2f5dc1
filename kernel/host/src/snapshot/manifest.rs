//! `sdk.json`: what a prefix holds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Description, REBUILD, Rustc, SdkCrate, linker};

/// The manifest's file name.
pub const MANIFEST_NAME: &str = "sdk.json";

/// The version of the layout; a prefix of another layout is made anew.
const LAYOUT: u32 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub layout: u32,
    pub sdk: Description,
    pub rustc: Rustc,
    /// What the compiler must be told to call its linker directly; empty if it cannot.
    pub linker: Vec<String>,
    /// The crates inside the SDK.
    pub crates: Vec<SdkCrate>,
    /// SHA-256 of `libpatchbay.so`.
    pub digest: String,
    /// The build tree that the files came from.
    pub source: PathBuf,
    /// When the prefix was made, seconds since 1970.
    pub made: u64,
    /// The size in bytes of every file that never changes, by path in the prefix.
    pub files: BTreeMap<PathBuf, u64>,
}

impl Manifest {
    pub fn new(sdk: Description, rustc: Rustc, digest: String, source: PathBuf) -> Manifest {
        let made = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Manifest {
            layout: LAYOUT,
            linker: linker::direct(&rustc, &sdk.target),
            crates: Vec::new(),
            sdk,
            rustc,
            digest,
            source,
            made,
            files: BTreeMap::new(),
        }
    }

    /// # Errors
    ///
    /// Fails where there is no manifest or it is of another layout.
    pub fn read(prefix: &Path) -> Result<Manifest> {
        let path = prefix.join(MANIFEST_NAME);
        let text = fs::read(&path).with_context(|| {
            format!(
                "no SDK snapshot: {} is missing\nin the repository, type: {REBUILD}",
                path.display()
            )
        })?;
        let manifest: Manifest = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is not readable\nin the repository, type: {REBUILD}",
                path.display()
            )
        })?;
        if manifest.layout != LAYOUT {
            bail!(
                "{} has layout {}, this program reads layout {LAYOUT}\nin the repository, type: {REBUILD}",
                path.display(),
                manifest.layout
            );
        }
        Ok(manifest)
    }

    /// # Errors
    ///
    /// Fails where the file cannot be written.
    pub fn write(&self, prefix: &Path) -> Result<()> {
        let path = prefix.join(MANIFEST_NAME);
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("{}", path.display()))
    }

    /// Checks that every file is there in its full size.
    ///
    /// # Errors
    ///
    /// Names the first file that is not as recorded.
    pub fn verify_files(&self, prefix: &Path) -> Result<()> {
        for (name, &expected) in &self.files {
            let path = prefix.join(name);
            let found = fs::metadata(&path).map(|metadata| metadata.len());
            match found {
                Ok(bytes) if bytes == expected => {}
                Ok(bytes) => bail!(
                    "the SDK snapshot is damaged: {} should have {expected} bytes and has {bytes}\n\
                     in the repository, type: {REBUILD}",
                    path.display()
                ),
                Err(error) => bail!(
                    "the SDK snapshot is damaged: {}: {error}\nin the repository, type: {REBUILD}",
                    path.display()
                ),
            }
        }
        Ok(())
    }

    /// How long ago the prefix was made.
    pub fn age(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH + Duration::from_secs(self.made))
            .unwrap_or_default()
    }
}
