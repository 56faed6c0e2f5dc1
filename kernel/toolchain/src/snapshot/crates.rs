//! The crates inside the SDK, each with its version and features, as cargo noted them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A crate that the SDK contains, or a procedural macro that its crates re-export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdkCrate {
    /// The package's name, `candle-core` for instance.
    pub package: String,
    /// The version.
    pub version: String,
    /// The name in Rust, `candle_core` for instance.
    pub name: String,
    /// The features that it was built with.
    pub features: BTreeSet<String>,
    /// The file that describes it to the compiler, in the prefix.
    pub file: PathBuf,
}

impl SdkCrate {
    /// Reads what cargo has noted beside a dependency of a build tree. `None` for what is not from a
    /// registry, the SDK's own crates for instance.
    pub fn of(build: &Path, dependency: &Path) -> Option<SdkCrate> {
        let stem = dependency.file_stem()?.to_str()?.strip_prefix("lib")?;
        let (name, hash) = stem.rsplit_once('-')?;
        let notes = fs::read_to_string(build.join("deps").join(format!("{stem}.d"))).ok()?;
        let (package, version) = package_of_sources(&notes)?;
        let features = fingerprint_features(build, &package, hash)?;
        Some(SdkCrate {
            package,
            version,
            name: name.to_owned(),
            features,
            file: Path::new("deps").join(dependency.file_name()?),
        })
    }
}

/// The package whose sources a `.d` file lists: those of a registry are in a folder `name-version`.
fn package_of_sources(notes: &str) -> Option<(String, String)> {
    let source = notes
        .lines()
        .next()?
        .split_once(": ")?
        .1
        .split(' ')
        .next()?;
    Path::new(source).iter().rev().find_map(|folder| {
        let folder = folder.to_str()?;
        folder.match_indices('-').find_map(|(at, _)| {
            let (name, version) = (&folder[..at], &folder[at + 1..]);
            let numbers: Vec<&str> = version.splitn(3, '.').collect();
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let is_version = numbers.len() == 3
                && numbers[..2].iter().all(|number| is_number(number))
                && numbers[2].starts_with(|c: char| c.is_ascii_digit());
            is_version.then(|| (name.to_owned(), version.to_owned()))
        })
    })
}

/// The features with which cargo built a library.
fn fingerprint_features(build: &Path, package: &str, hash: &str) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Fingerprint {
        features: String,
    }
    let folder = build.join(".fingerprint").join(format!("{package}-{hash}"));
    let note = fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        (name.starts_with("lib-") && name.ends_with(".json")).then(|| entry.path())
    })?;
    let fingerprint: Fingerprint = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    serde_json::from_str(&fingerprint.features).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_the_folders_of_their_sources() {
        let package =
            |path: &str| package_of_sources(&format!("out.d: {path} /other-1.0.0/x.rs\n"));
        let is = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(
            package("/r/src/index-19/candle-core-0.11.1/src/lib.rs"),
            is("candle-core", "0.11.1")
        );
        assert_eq!(
            package("/r/zip-7.2.0-beta.1/src/lib.rs"),
            is("zip", "7.2.0-beta.1")
        );
        assert_eq!(
            package("/r/x86-64-v4-0.5.1+a/src/lib.rs"),
            is("x86-64-v4", "0.5.1+a")
        );
        assert_eq!(package("/repository/kernel/sdk/src/lib.rs"), None);
    }
}
