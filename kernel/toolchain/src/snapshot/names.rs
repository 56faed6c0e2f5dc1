//! The names of files in a snapshot, and the command that makes one.

use std::path::Path;

/// The manifest's file name.
pub const MANIFEST_NAME: &str = "sdk.json";

/// The beginning of the names of prefixes that are being made or removed.
pub const STAGING: &str = ".staging-";

/// The command that makes a new snapshot.
pub const REBUILD: &str = "cargo build --release && target/release/patchbay install";

/// Whether this is a file or folder that has not reached its place.
pub fn is_staging(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(STAGING))
}
