//! The SDK snapshot: all that a kernel needs to compile and run cells, in one folder of its own.
//!
//! `cargo build` replaces files under the feet of whatever uses them, so a kernel never works in a
//! build tree. It works in a prefix that belongs to one build of the SDK and never changes:
//!
//! ```text
//! <data dir>/patchbay/sdk/<build id>-<digest of libpatchbay.so>/
//!   sdk.json              what this is; written last
//!   bin/                  patchbay, patchbay-runtime
//!   lib/                  libpatchbay.so, libstd-*.so
//!   deps/                 metadata and procedural macros of the SDK's dependencies
//!   plugins/              the plugins that were built with it
//! ```

mod build_tree;
mod crates;
mod held;
mod linker;
mod lock;
mod manifest;
mod names;
pub mod native;
mod placement;
mod record;
mod rustc;
pub mod section;
mod store;

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};

use crate::dependency::Bundle;
use patchbay_engine::compile::Compiler;

pub use build_tree::BuildTree;
pub use crates::SdkCrate;
pub use held::Held;
pub use manifest::Manifest;
pub use names::{MANIFEST_NAME, REBUILD};
pub use record::FileRecord;
pub use rustc::Rustc;
pub use section::Description;
pub use store::Store;

/// Crates of the SDK that a cell can name as it would in a crate of its own.
const NAMEABLE: [&str; 7] = [
    "candle_core",
    "candle_nn",
    "plotters",
    "serde",
    "serde_json",
    "schemars",
    "safetensors",
];

/// The environment variable that names a prefix to use, whatever program is run.
pub const PREFIX_VARIABLE: &str = "PATCHBAY_PREFIX";

/// A verified snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The snapshot's folder.
    pub prefix: PathBuf,
    /// What it was made of.
    pub manifest: Manifest,
    /// Keeps others from removing it; `None` for a compiled notebook.
    pub _lock: Option<Arc<File>>,
}

impl Snapshot {
    /// Finds the snapshot of the running program: the prefix that `PATCHBAY_PREFIX` names, the one
    /// that holds the program, or one made from the build tree that holds it. A store that gets a new prefix removes old ones,
    /// but none of those that are `registered` with Jupyter.
    ///
    /// # Errors
    ///
    /// Fails where there is no SDK, or no compiler that fits it.
    pub fn locate(registered: &dyn Fn() -> Vec<PathBuf>) -> Result<Snapshot> {
        if let Some(prefix) = env::var_os(PREFIX_VARIABLE).filter(|value| !value.is_empty()) {
            return Snapshot::open(Path::new(&prefix)).with_context(|| {
                format!(
                    "{PREFIX_VARIABLE} is set to {}",
                    Path::new(&prefix).display()
                )
            });
        }
        let program = env::current_exe().context("the path of the running program is not known")?;
        let program = program.canonicalize().unwrap_or(program);
        let folder = program.parent().unwrap_or(Path::new("/"));
        if let Some(prefix) = folder.parent().filter(|_| folder.ends_with("bin"))
            && prefix.join(MANIFEST_NAME).is_file()
        {
            return Snapshot::open_or_mend(prefix);
        }
        if let Some(tree) = BuildTree::at(folder)? {
            return Store::of_user()?.snapshot_of(&tree, registered);
        }
        bail!(
            "no SDK for {}: expected sdk.json in its parent folder or libpatchbay.so beside it, found \
             neither\nin the repository, type: {REBUILD}",
            program.display()
        )
    }

    /// Opens a prefix. One that is damaged is made again if the build tree that it came from is still there as it was.
    fn open_or_mend(prefix: &Path) -> Result<Snapshot> {
        let error = match Snapshot::open(prefix) {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => error,
        };
        let is_damaged = error.to_string().contains("is damaged");
        let Ok(manifest) = Manifest::read(prefix) else {
            return Err(error);
        };
        let damaged = Snapshot {
            prefix: prefix.to_owned(),
            manifest,
            _lock: None,
        };
        if !is_damaged || damaged.make_again().is_err() {
            return Err(error);
        }
        patchbay_contract::log(format_args!("{error}\nit was made again"));
        Snapshot::open(prefix)
    }

    /// Makes this prefix again from its build tree, whose folder is returned.
    ///
    /// # Errors
    ///
    /// Fails where the build tree is not there, or is of another build by now.
    pub fn make_again(&self) -> Result<PathBuf> {
        let source = &self.manifest.source;
        let tree = BuildTree::at(source)?
            .filter(|tree| tree.digest == self.manifest.digest)
            .with_context(|| {
                format!("{} does not hold the same build any more", source.display())
            })?;
        Store::of_prefix(&self.prefix).make_again(&tree, &self.prefix)?;
        Ok(source.clone())
    }

    /// Opens a prefix and checks that its files and its compiler are those that it was made with, and that nobody else can
    /// change them.
    ///
    /// # Errors
    ///
    /// Says what is missing or differs and how to mend it.
    pub fn open(prefix: &Path) -> Result<Snapshot> {
        let prefix = prefix.canonicalize().with_context(|| {
            format!(
                "no SDK snapshot at {}\nin the repository, type: {REBUILD}",
                prefix.display()
            )
        })?;
        let lock = lock::share(&prefix)?;
        for folder in [
            &prefix,
            &prefix.join("lib"),
            &prefix.join("deps"),
            &prefix.join("bin"),
        ] {
            patchbay_files::check_folder(folder).map_err(|text| {
                let (what, _) = text.split_once('\n').unwrap_or((&text, ""));
                anyhow::anyhow!(
                    "the SDK snapshot is not used: {what}\ntype: rm -r {}\nin the repository, type: {REBUILD}",
                    prefix.display()
                )
            })?;
        }
        let mut manifest = Manifest::read(&prefix)?;
        if !manifest.verify_files(&prefix, false)? {
            // The files were copied or put back; the next start need not read them again.
            let access = Store::access_of(&prefix);
            let mut renewed = manifest.clone();
            if renewed.renew(&prefix).is_ok() && renewed.write(&prefix, access).is_ok() {
                manifest = renewed;
            }
        }
        manifest.rustc.verify()?;
        Ok(Snapshot {
            prefix,
            manifest,
            _lock: Some(Arc::new(lock)),
        })
    }

    /// The one library that holds candle.
    pub fn library(&self) -> PathBuf {
        self.library_folder().join("libpatchbay.so")
    }

    /// What the compiler reads about the SDK's dependencies.
    pub fn dependencies(&self) -> PathBuf {
        self.prefix.join("deps")
    }

    /// The folder of the shared libraries.
    pub fn library_folder(&self) -> PathBuf {
        self.prefix.join("lib")
    }

    /// The program that owns the variables.
    pub fn runtime(&self) -> PathBuf {
        self.prefix.join("bin/patchbay-runtime")
    }

    /// This program, in the prefix.
    pub fn program(&self) -> PathBuf {
        self.prefix.join("bin/patchbay")
    }

    /// The plugins that were built with the SDK.
    pub fn plugins(&self) -> PathBuf {
        self.prefix.join("plugins")
    }

    /// The compiler for cells.
    pub fn compiler(&self) -> Compiler {
        Compiler {
            rustc: self.manifest.rustc.path.clone(),
            library: self.library(),
            dependencies: self.dependencies(),
            externs: self.externs(),
            bundle: Bundle::default(),
            linker: linker::present(&self.manifest.linker),
            build_id: self.manifest.sdk.build_id.clone(),
            environment: Vec::new(),
            folder: PathBuf::new(),
            sealed: false,
        }
    }

    /// The crates that a cell can name, with the file that describes each.
    fn externs(&self) -> Vec<(String, PathBuf)> {
        let files = self
            .manifest
            .files
            .keys()
            .filter(|file| file.starts_with("deps"));
        files
            .filter_map(|file| {
                let stem = file.file_stem()?.to_str()?.strip_prefix("lib")?;
                let (name, _hash) = stem.split_once('-')?;
                NAMEABLE
                    .contains(&name)
                    .then(|| (name.to_owned(), self.prefix.join(file)))
            })
            .collect()
    }

    /// The compiler's version number, for instance `1.95.0`.
    pub fn language_version(&self) -> String {
        self.manifest
            .sdk
            .compiler
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }
}
