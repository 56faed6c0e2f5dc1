//! Deciding, before it is loaded, whether a plugin fits this build of the SDK.

use std::path::Path;

use patchbay_files::{SealError, check_seal};

use super::{
    Error,
    metadata::{Linkage, Metadata},
};
use patchbay_cell::parts::identity;

/// Checks a plugin's metadata against this build of the SDK.
///
/// # Errors
///
/// Says which of compiler, target, flags, features and SDK sources differs, and what mends it.
pub fn check(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let differences = differences(metadata);
    if !differences.is_empty() {
        return Err(Error::new(format!(
            "{}: plugin {} was built for another SDK and is not loaded:\n{}\n  mend it with: \
             patchbay plugin build <its folder>   (plugins of the repository: cargo build --release)",
            path.display(),
            metadata.name,
            differences.join("\n")
        )));
    }
    if metadata.linkage == Linkage::Static {
        return Err(Error::new(format!(
            "{}: plugin {} carries an SDK of its own (it was linked statically) and is not loaded: two \
             tensor libraries in one process give wrong gradients\n  mend it with: patchbay plugin build \
             <its folder>, which links against the SDK of this kernel",
            path.display(),
            metadata.name,
        )));
    }
    Ok(())
}

/// Checks that the bytes of a plugin, whose metadata are these, are those that were built: a flipped bit in its headers would
/// crash the process when it is mapped.
///
/// # Errors
///
/// Says that the file is damaged, or that it has no digest, and what mends it.
pub(crate) fn check_bytes(path: &Path, bytes: &[u8], metadata: &Metadata) -> Result<(), Error> {
    let seal = check_seal(bytes);
    if seal != Err(SealError::Damaged) {
        check(path, metadata)?;
    }
    seal.map_err(|error| {
        Error::new(format!(
            "{}: plugin {} is not loaded: {error}\n  mend it with: patchbay plugin build <its folder>   (plugins \
             of the repository: cargo build --release && target/release/patchbay install)",
            path.display(),
            metadata.name
        ))
    })
}

/// Writes the digest of a plugin's file into its metadata, without which it is not loaded. `patchbay plugin build`,
/// `%plugin` and `%%plugin` do so; this is for what was built in another way.
///
/// # Errors
///
/// Fails where the file is no plugin or cannot be replaced.
pub fn seal(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    super::read_metadata(path)?;
    patchbay_files::seal_file(path)
        .map_err(|error| Error::new(format!("{}: cannot be sealed: {error}", path.display())))
}

/// One line for each part of the build id that differs. Empty where the build ids are equal.
pub(crate) fn differences(metadata: &Metadata) -> Vec<String> {
    let sdk = identity();
    if metadata.build_id == sdk.build_id {
        return Vec::new();
    }
    let parts = [
        ("compiler", &metadata.compiler, sdk.compiler),
        ("target", &metadata.target, sdk.target),
        ("compiler flags", &metadata.flags, sdk.flags),
        (
            "features or versions of dependencies",
            &metadata.features,
            sdk.features,
        ),
        ("SDK sources", &metadata.sources, sdk.sources),
    ];
    let mut lines: Vec<String> = parts
        .into_iter()
        .filter(|(_, plugin, sdk)| plugin.as_str() != *sdk)
        .map(|(what, plugin, sdk)| format!("  {what}: plugin {plugin}, this kernel {sdk}"))
        .collect();
    if lines.is_empty() {
        lines.push(format!(
            "  build id: plugin {}, this kernel {}",
            metadata.build_id, sdk.build_id
        ));
    }
    lines
}
