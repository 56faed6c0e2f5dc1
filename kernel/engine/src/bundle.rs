//! Crates that cells use beside those of the SDK, as the compiler finds them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// What cells need to use the crates that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The name in Rust of each crate that was asked for, with the file that describes it.
    pub externs: Vec<(String, PathBuf)>,
    /// The libraries, in the order in which they were added.
    pub layers: Vec<Layer>,
}

/// The crates that one request has added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its folder's name: the digest of all that decides what is in it.
    pub key: String,
    /// The name in Rust of each crate that was asked for, with the file that describes it.
    pub externs: Vec<(String, PathBuf)>,
    /// The library that holds what was not there before; `None` where everything was.
    pub library: Option<PathBuf>,
    /// Libraries of C code that the crates bring, beside the library.
    pub natives: Vec<PathBuf>,
    /// The folder that describes the crates inside the library.
    pub dependencies: PathBuf,
    /// What is said of each crate that was asked for, by its name in the request.
    pub answers: Vec<(String, String)>,
    /// The crates inside the library.
    pub crates: Vec<LayerCrate>,
    /// The versions that cargo chose.
    pub lock: PathBuf,
}

/// A crate inside a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCrate {
    /// The package's name in its registry.
    pub package: String,
    /// The version that was resolved.
    pub version: String,
    /// The name in Rust.
    pub name: String,
    /// The features that it was built with.
    pub features: BTreeSet<String>,
    /// The native library that the package claims for itself in a process.
    pub links: Option<String>,
    /// For a crate in a folder of the user's: the digest of its sources.
    pub sources: Option<String>,
    /// The file that describes it to the compiler, and the digest of that.
    pub file: PathBuf,
    /// The digest of `file`.
    pub digest: String,
}

impl Bundle {
    /// The libraries of the layers, oldest first, each with its name as a crate.
    pub fn libraries(&self) -> impl Iterator<Item = (String, &Path)> {
        self.layers.iter().filter_map(|layer| {
            Some((format!("{BUNDLE}_{}", layer.key), layer.library.as_deref()?))
        })
    }

    /// What is said of a crate that was asked for.
    pub fn answer(&self, name: &str) -> Option<&str> {
        let answers = self.layers.iter().flat_map(|layer| &layer.answers);
        answers
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, answer)| answer.as_str())
    }

    /// The newest crate of a package.
    pub fn newest(&self, package: &str) -> Option<&LayerCrate> {
        let crates = self.layers.iter().flat_map(|layer| &layer.crates);
        crates.rev().find(|known| known.package == package)
    }

    /// With one more layer, whose crates are what their names stand for from here on.
    pub fn with(&self, layer: Layer) -> Bundle {
        let mut bundle = self.clone();
        let brings_nothing = layer.library.is_none()
            && layer
                .externs
                .iter()
                .all(|known| self.externs.contains(known));
        if brings_nothing && !layer.externs.is_empty() {
            return bundle;
        }
        bundle
            .externs
            .retain(|(name, _)| layer.externs.iter().all(|(newer, _)| newer != name));
        bundle.externs.extend(layer.externs.iter().cloned());
        // A request whose layer is there already changes what names stand for, and nothing else.
        let is_new = bundle.layers.iter().all(|known| known.key != layer.key);
        if is_new {
            bundle.layers.push(layer);
        }
        bundle
    }
}

/// The name of the crate that bundles the crates that were asked for.
pub const BUNDLE: &str = "patchbay_dependencies";
