//! What a library says about itself in an ELF section, read without loading it.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};

/// The section of the SDK; see `kernel/sdk/src/build.rs`.
pub const LIBRARY_SECTION: &str = ".patchbay.sdk";

/// The section of a plugin.
pub const PLUGIN_SECTION: &str = ".patchbay.plugin";

/// How the SDK was built. The build id is the hash of the parts that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The hash of all that follows.
    pub build_id: String,
    /// What `rustc -V` prints.
    pub compiler: String,
    /// The target triple.
    pub target: String,
    /// The hash of the compiler's flags.
    pub flags: String,
    /// The hash of the features and manifests.
    pub features: String,
    /// The hash of the sources.
    pub sources: String,
    /// The version of candle.
    pub candle: String,
    /// Whether kernels for CUDA are built in.
    pub cuda: bool,
}

impl Description {
    /// Reads the description from the bytes of `libpatchbay.so`; `path` is for messages.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are no ELF file or hold no description.
    pub fn of_library(bytes: &[u8], path: &Path) -> Result<Description> {
        let text = contents(bytes, LIBRARY_SECTION, path)?.with_context(|| {
            format!(
                "{} has no section {LIBRARY_SECTION}, so it is no library of this SDK\n\
                 in the repository, type: cargo build --release",
                path.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{}: the section {LIBRARY_SECTION} is not readable",
                path.display()
            )
        })
    }
}

/// Whether a shared library is a plugin. Files that cannot be read or are no ELF files are not.
pub fn is_plugin(path: &Path) -> bool {
    fs::read(path)
        .ok()
        .and_then(|bytes| contents(&bytes, PLUGIN_SECTION, path).ok())
        .is_some_and(|section| section.is_some())
}

/// The contents of a section; `None` where there is no such section.
///
/// # Errors
///
/// Fails where the bytes are no ELF file, or a cut one.
pub fn contents(bytes: &[u8], section: &str, path: &Path) -> Result<Option<Vec<u8>>> {
    let file =
        object::File::parse(bytes).with_context(|| format!("{}: no ELF file", path.display()))?;
    let Some(section) = file.section_by_name(section) else {
        return Ok(None);
    };
    let data = section
        .data()
        .with_context(|| format!("{}: a cut ELF file", path.display()))?;
    Ok(Some(data.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_the_section_is_refused_by_name() {
        let program = std::env::current_exe().unwrap();
        let bytes = fs::read(&program).unwrap();
        let error = Description::of_library(&bytes, &program).unwrap_err();
        assert!(
            error.to_string().contains("no section .patchbay.sdk"),
            "{error}"
        );
        assert!(!is_plugin(&program));
    }

    #[test]
    fn text_is_no_library() {
        let error = Description::of_library(b"not a library", Path::new("lib.so")).unwrap_err();
        assert_eq!(error.to_string(), "lib.so: no ELF file");
    }
}
