//! Where plugins are looked for.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::RwLock,
};

use super::{Error, Metadata, abi::ANCHOR, metadata::read_metadata};
use patchbay_cell::lock::{read, write};

/// The environment variable with the folders to look in, separated by colons.
const VARIABLE: &str = "PATCHBAY_PLUGIN_PATH";

static SEARCH_PATH: RwLock<Option<Vec<PathBuf>>> = RwLock::new(None);

/// The folders in which plugins are looked for: those that were set, else those in
/// `PATCHBAY_PLUGIN_PATH`, else `../plugins` beside the SDK's library and its own folder.
pub fn search_path() -> Vec<PathBuf> {
    if let Some(path) = read(&SEARCH_PATH).as_ref() {
        return path.clone();
    }
    match env::var_os(VARIABLE) {
        Some(value) => env::split_paths(&value).collect(),
        None => match library_folder() {
            Some(folder) => vec![folder.join("../plugins"), folder],
            None => Vec::new(),
        },
    }
}

/// Sets the folders in which plugins are looked for.
pub fn set_search_path(folders: Vec<PathBuf>) {
    *write(&SEARCH_PATH) = Some(folders);
}

/// The folder of the file that this code was loaded from.
fn library_folder() -> Option<PathBuf> {
    let anchor = (&raw const ANCHOR).addr();
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let inside = usize::from_str_radix(start, 16).ok()? <= anchor
            && anchor < usize::from_str_radix(end, 16).ok()?;
        inside.then(|| rest.find('/').map(|at| PathBuf::from(&rest[at..])))?
    })?;
    file.parent().map(Path::to_owned)
}

/// A file that looks like a plugin.
pub(crate) struct Available {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Result<Metadata, Error>,
}

/// The plugins on the search path, read but not loaded. Libraries that are no plugins are left out.
pub(crate) fn available() -> Vec<Available> {
    let mut found = Vec::new();
    for folder in search_path() {
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
            // The SDK's own library is large, and known to be no plugin.
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name != "libpatchbay.so")
            })
            .collect();
        files.sort();
        for path in files {
            let metadata = read_metadata(&path);
            found.push(Available { path, metadata });
        }
    }
    found
}
