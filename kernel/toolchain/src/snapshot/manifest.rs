//! `sdk.json`: what a prefix holds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use patchbay_files::{Access, replace};
use serde::{Deserialize, Serialize};

use super::{
    crates::SdkCrate,
    linker,
    names::{MANIFEST_NAME, REBUILD, is_staging},
    record::FileRecord,
    rustc::Rustc,
    section::Description,
};

/// The version of the layout; a prefix of another layout is made anew.
const LAYOUT: u32 = 5;

/// What a snapshot was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the snapshot's layout.
    pub layout: u32,
    /// What the SDK says of itself.
    pub sdk: Description,
    /// The compiler.
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
    /// Every file that never changes, by path in the prefix.
    pub files: BTreeMap<PathBuf, FileRecord>,
    /// The programs and plugins, which follow the build tree.
    #[serde(default)]
    pub programs: BTreeMap<PathBuf, FileRecord>,
}

impl Manifest {
    /// Makes the manifest of a new snapshot.
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
            programs: BTreeMap::new(),
        }
    }

    /// # Errors
    ///
    /// Fails where there is no manifest or it is of another layout.
    pub fn read(prefix: &Path) -> Result<Manifest> {
        let path = prefix.join(MANIFEST_NAME);
        let text = patchbay_files::read(&path).with_context(|| {
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
    pub fn write(&self, prefix: &Path, access: Access) -> Result<()> {
        let path = prefix.join(MANIFEST_NAME);
        replace(&path, &serde_json::to_vec_pretty(self)?, access.file(false))
            .with_context(|| format!("{}", path.display()))
    }

    /// Checks that every file is there with the bytes that it was made with. A file whose size, inode and time of change
    /// are as recorded is read only `thoroughly`. Returns whether all are the very files.
    ///
    /// # Errors
    ///
    /// Names the first file that is not as recorded.
    pub fn verify_files(&self, prefix: &Path, thoroughly: bool) -> Result<bool> {
        let mut is_same = true;
        for (name, record) in self.files.iter().chain(&self.programs) {
            is_same &= record.verify(&prefix.join(name), thoroughly)?;
        }
        Ok(is_same)
    }

    /// Reads what a runtime loads, and checks its digests.
    ///
    /// # Errors
    ///
    /// Names the first file that is not as recorded.
    pub fn verify_runtime(&self, prefix: &Path) -> Result<()> {
        for (name, record) in self.files.iter().chain(&self.programs) {
            if name.starts_with("lib") || name.starts_with("bin") {
                record.verify(&prefix.join(name), true)?;
            }
        }
        Ok(())
    }

    /// Notes the files of a prefix anew, whose bytes have been verified.
    ///
    /// # Errors
    ///
    /// Fails where one cannot be read.
    pub fn renew(&mut self, prefix: &Path) -> Result<()> {
        for (name, record) in self.files.iter_mut().chain(&mut self.programs) {
            *record = FileRecord::of(&prefix.join(name))?;
        }
        Ok(())
    }

    /// Notes the programs and plugins that are in a prefix. Returns whether they are others than before.
    ///
    /// # Errors
    ///
    /// Fails where one cannot be read.
    pub fn note_programs(&mut self, prefix: &Path) -> Result<bool> {
        let mut programs = BTreeMap::new();
        for folder in ["bin", "plugins"] {
            for entry in fs::read_dir(prefix.join(folder))?.flatten() {
                let path = entry.path();
                if is_staging(&path) || !path.is_file() {
                    continue;
                }
                let name = Path::new(folder).join(entry.file_name());
                let record = match self.programs.get(&name) {
                    Some(known) if known.verify(&path, false).is_ok_and(|is_same| is_same) => {
                        known.clone()
                    }
                    _ => FileRecord::of(&path)?,
                };
                programs.insert(name, record);
            }
        }
        let changed = programs != self.programs;
        self.programs = programs;
        Ok(changed)
    }

    /// How long ago the prefix was made.
    pub fn age(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH + Duration::from_secs(self.made))
            .unwrap_or_default()
    }
}
