//! What cargo knows of a plugin's crate.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

/// The package of a plugin.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub edition: String,
    pub manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

impl Package {
    /// Reads the manifest in `folder`, without resolving dependencies.
    ///
    /// # Errors
    ///
    /// Fails where cargo cannot read it, with cargo's words.
    pub async fn read(cargo: &Path, folder: &Path) -> Result<Package> {
        let manifest = folder.join("Cargo.toml");
        let output = Command::new(cargo)
            .args([
                "metadata",
                "--format-version=1",
                "--no-deps",
                "--offline",
                "--manifest-path",
            ])
            .arg(&manifest)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("cargo does not start: {}", cargo.display()))?;
        if !output.status.success() {
            bail!(
                "{}: {}",
                manifest.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo metadata of {}", manifest.display()))?;
        let manifest = manifest.canonicalize().unwrap_or(manifest);
        let package = metadata
            .packages
            .into_iter()
            .find(|package| package.manifest_path == manifest);
        package.with_context(|| format!("{} describes no package", manifest.display()))
    }

    /// The root of the library, which must be a cdylib.
    ///
    /// # Errors
    ///
    /// Says what to write where it is none.
    pub fn library(&self) -> Result<(&str, &Path)> {
        match self
            .targets
            .iter()
            .find(|target| target.kind.iter().any(|kind| kind == "cdylib"))
        {
            Some(target) => Ok((&target.name, &target.src_path)),
            None => bail!(
                "{} has no library of crate-type cdylib; write in {}:\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]",
                self.name,
                self.manifest_path.display()
            ),
        }
    }

    /// Whether the crate names the SDK as a dependency, as those of its repository do.
    pub fn names_sdk(&self) -> bool {
        self.ordinary().any(|name| name == "patchbay")
    }

    /// Whether one call of rustc builds it: nothing but the SDK is needed, and no build script.
    pub fn is_simple(&self) -> bool {
        let has_script = self
            .targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "custom-build"));
        !has_script && self.ordinary().all(|name| name == "patchbay")
    }

    fn ordinary(&self) -> impl Iterator<Item = &str> {
        self.dependencies
            .iter()
            .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
            .map(|dependency| dependency.name.as_str())
    }
}
