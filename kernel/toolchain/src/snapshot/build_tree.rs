//! A folder that cargo built into, `target/release` for instance.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::{Description, Rustc, section};

/// Programs that a prefix holds where the build tree has them; the first two are needed.
const PROGRAMS: [&str; 3] = ["patchbay", "patchbay-runtime", "patchbay-evcxr"];
const NEEDED_PROGRAMS: usize = 2;

/// The build of an SDK.
#[derive(Debug)]
pub struct BuildTree {
    /// The folder of the build, `target/release` for instance.
    pub folder: PathBuf,
    /// What the SDK says of itself.
    pub sdk: Description,
    /// SHA-256 of `libpatchbay.so`.
    pub digest: String,
}

impl BuildTree {
    /// The build in this folder, or `None` where the folder holds no SDK.
    ///
    /// # Errors
    ///
    /// Fails where the library is there but is not readable.
    pub fn at(folder: &Path) -> Result<Option<BuildTree>> {
        let library = folder.join("libpatchbay.so");
        if !library.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&library).with_context(|| format!("{}", library.display()))?;
        let sdk = Description::of_library(&bytes, &library)?;
        let digest = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Some(BuildTree {
            folder: folder.to_owned(),
            sdk,
            digest,
        }))
    }

    /// The path of the SDK's library.
    pub fn library(&self) -> PathBuf {
        self.folder.join("libpatchbay.so")
    }

    /// The compiler that works here, checked to be the one that built the SDK.
    ///
    /// # Errors
    ///
    /// Says which compiler built the SDK and which one was found.
    pub fn compiler(&self) -> Result<Rustc> {
        let compiler = Rustc::of_folder(&self.folder)?;
        if compiler.short_version() != self.sdk.compiler {
            bail!(
                "{} was built by {}, but the compiler here is {} ({})\n\
                 in the repository, type: cargo build --release",
                self.library().display(),
                self.sdk.compiler,
                compiler.short_version(),
                compiler.path.display()
            );
        }
        Ok(compiler)
    }

    /// # Errors
    ///
    /// Fails where a needed program has not been built.
    pub fn programs(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for (index, name) in PROGRAMS.iter().enumerate() {
            let path = self.folder.join(name);
            if path.is_file() {
                found.push(path);
            } else if index < NEEDED_PROGRAMS {
                bail!(
                    "{} has not been built\nin the repository, type: cargo build --release",
                    path.display()
                );
            }
        }
        Ok(found)
    }

    /// The plugins, known by their ELF section; the procedural macros beside them have none.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be listed.
    pub fn plugins(&self) -> Result<Vec<PathBuf>> {
        let mut plugins: Vec<PathBuf> = fs::read_dir(&self.folder)
            .with_context(|| format!("{}", self.folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
            .filter(|path| *path != self.library() && section::is_plugin(path))
            .collect();
        plugins.sort();
        Ok(plugins)
    }

    /// The files that the compiler reads when it reads the SDK: metadata and procedural macros of
    /// all that the SDK depends on, as the compiler itself lists them.
    ///
    /// # Errors
    ///
    /// Fails where the compiler does not list the dependencies or one of them is not there.
    pub fn dependencies(&self, compiler: &Rustc) -> Result<Vec<PathBuf>> {
        // The listing is an unstable option, which a stable compiler takes with this variable set.
        let output = Command::new(&compiler.path)
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("-Zls=root")
            .arg(self.library())
            .output()
            .with_context(|| format!("{} does not start", compiler.path.display()))?;
        if !output.status.success() {
            bail!(
                "{} does not list the dependencies of {}:\n{}",
                compiler.path.display(),
                self.library().display(),
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        let sysroot = compiler
            .sysroot
            .join("lib/rustlib")
            .join(&self.sdk.target)
            .join("lib");
        dependency_names(&String::from_utf8_lossy(&output.stdout))
            .into_iter()
            .filter_map(|name| self.dependency(&name, &sysroot).transpose())
            .collect()
    }

    /// The file of one dependency, `None` for a part of the standard library.
    fn dependency(&self, name: &str, sysroot: &Path) -> Result<Option<PathBuf>> {
        let deps = self.folder.join("deps");
        let candidates = ["rmeta", "so"].map(|extension| format!("lib{name}.{extension}"));
        for candidate in &candidates {
            let path = deps.join(candidate);
            if path.is_file() {
                return Ok(Some(path));
            }
        }
        if candidates
            .iter()
            .any(|candidate| sysroot.join(candidate).is_file())
        {
            return Ok(None);
        }
        bail!(
            "{} needs {}, which is not in {}\nin the repository, type: cargo build --release",
            self.library().display(),
            candidates.join(" or "),
            deps.display()
        )
    }
}

/// The names with their hashes from the compiler's numbered listing.
fn dependency_names(listing: &str) -> Vec<String> {
    listing
        .lines()
        .skip_while(|line| *line != "=External Dependencies=")
        .skip(1)
        .map_while(|line| {
            let mut words = line.split(' ');
            let number = words.next()?;
            number.parse::<u32>().ok()?;
            words.next().map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_is_read_up_to_its_end() {
        let listing = "Crate info:\nname patchbay\n=External Dependencies=\n\
                       1 std-d1237 hash 34dc host_hash None\n2 serde_derive-c573 hash f2f1\n\nother 3\n";
        assert_eq!(
            dependency_names(listing),
            ["std-d1237", "serde_derive-c573"]
        );
        assert!(dependency_names("name patchbay\n").is_empty());
    }

    #[test]
    fn a_folder_without_the_library_is_no_build_tree() {
        let folder = tempfile::tempdir().unwrap();
        assert!(BuildTree::at(folder.path()).unwrap().is_none());
    }
}
