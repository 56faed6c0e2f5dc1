//! The folder of a snapshot with the stand-ins for native libraries that the SDK has linked.

use std::path::{Path, PathBuf};

/// The folder's name in a snapshot.
pub const FOLDER: &str = "native";

/// The folder of the archives, if the snapshot that `libpatchbay.so` is in has one.
pub fn beside(library: &Path) -> Option<PathBuf> {
    let folder = library.parent()?.parent()?.join(FOLDER);
    folder.is_dir().then_some(folder)
}
