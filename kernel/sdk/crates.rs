//! The crates of this repository that the SDK is made of, for build scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Returns the folders of the crates of this repository that the one in `folder` is made of, itself included, by the names that
/// their sources give them. The manifests say which: dependencies with a path, in the manifest or in the workspace's.
///
/// # Errors
///
/// Fails where a manifest cannot be read.
pub fn made_of(folder: &Path, workspace: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let root = read(&workspace.join("Cargo.toml"))?;
    let shared: BTreeMap<&str, PathBuf> = entries(&root, "[workspace.dependencies]")
        .filter_map(|(name, value)| Some((name, workspace.join(path_in(value)?))))
        .collect();
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let folder = folder.canonicalize()?;
        if !seen.insert(folder.clone()) {
            continue;
        }
        let manifest = read(&folder.join("Cargo.toml"))?;
        for (name, value) in entries(&manifest, "[dependencies]") {
            let bare = name.strip_suffix(".workspace");
            match (bare.and_then(|name| shared.get(name)), path_in(value)) {
                (Some(path), _) => open.push(path.clone()),
                (None, Some(path)) => open.push(folder.join(path)),
                (None, None) => {}
            }
        }
        let name = entries(&manifest, "[package]")
            .find(|(key, _)| *key == "name")
            .map(|(_, value)| value.trim_matches('"').replace('-', "_"))
            .ok_or_else(|| io::Error::other(format!("{}: no name", folder.display())))?;
        found.insert(name, folder);
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The keys and values of a section, those on one line.
fn entries<'a>(manifest: &'a str, section: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    manifest
        .lines()
        .skip_while(move |line| *line != section)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
}

/// The path in `{ path = "..." }`.
fn path_in(value: &str) -> Option<&str> {
    value.split_once("path = \"")?.1.split('"').next()
}
