//! A notebook as a program: a folder with everything that it takes to run it where there is no
//! compiler.
//!
//! ```text
//! DIR/
//!   run              the command
//!   program.json     what this is
//!   notebook.ipynb   the source
//!   sdk.json         what lib/ holds; see the snapshot
//!   bin/             patchbay, patchbay-runtime
//!   lib/             libpatchbay.so, libstd-*.so, the crates that the notebook asked for
//!   plugins/         the plugins that were built with the SDK, and those of the notebook
//!   cells/           the compiled cells, by key, as in the cache
//!   .patchbay-build  which files `patchbay build` has written; see [`output`]
//! ```
//!
//! It is run by the same session as any notebook, with the folder as its cache: the same text and
//! the same compiler give the same keys. What is not there is an error and not a compile.

pub mod output;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use patchbay_files::{Access, replace};
use serde::{Deserialize, Serialize};

use patchbay_engine::compile::Compiler;
use patchbay_notebook::parameters::Parameter;
use patchbay_session::Kept;
use patchbay_toolchain::snapshot::{FileRecord, Manifest, Snapshot};

/// The name of the manifest.
pub const MANIFEST: &str = "program.json";

/// The version of the layout.
const LAYOUT: u32 = 1;

pub const NOTEBOOK: &str = "notebook.ipynb";

const RUN: &str = "#!/bin/sh
# Runs the notebook in this folder; ./run --help lists the options.
self=$0
while [ -L \"$self\" ]; do
    target=$(readlink -- \"$self\") || exit 127
    case $target in
        /*) self=$target ;;
        *) self=$(dirname -- \"$self\")/$target ;;
    esac
done
here=$(CDPATH= cd -P -- \"$(dirname -- \"$self\")\" && pwd -P) || exit 127
LD_LIBRARY_PATH=\"$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\" exec \"$here/bin/patchbay\" exec \"$here\" \"$@\"
";

/// What `program.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    layout: u32,
    /// The notebook's name without its extension.
    pub name: String,
    pub parameters: Vec<Parameter>,
    /// The compiler that compiled the cells; a part of their keys.
    pub compiler: Compiler,
    pub kept: Kept,
}

impl Program {
    pub fn new(name: &str, parameters: Vec<Parameter>, compiler: Compiler, kept: Kept) -> Program {
        Program {
            layout: LAYOUT,
            name: name.to_owned(),
            parameters,
            compiler,
            kept,
        }
    }

    /// # Errors
    ///
    /// Fails where the folder holds no program of this layout.
    pub fn open(folder: &Path) -> Result<(Program, Snapshot)> {
        let path = folder.join(MANIFEST);
        let text = patchbay_files::read(&path).with_context(|| {
            format!(
                "{} is no notebook that `patchbay build` has compiled",
                folder.display()
            )
        })?;
        let program: Program = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not readable", path.display()))?;
        if program.layout != LAYOUT {
            bail!(
                "{} has layout {}, this program reads layout {LAYOUT}; build the notebook again",
                path.display(),
                program.layout
            );
        }
        let manifest = Manifest::read(folder)?;
        manifest.verify_files(folder, false)?;
        let snapshot = Snapshot {
            prefix: folder.to_owned(),
            manifest,
            _lock: None,
        };
        Ok((program, snapshot))
    }

    /// Writes the program around the compiled cells, which are in the folder.
    ///
    /// # Errors
    ///
    /// Fails where a file cannot be copied.
    pub fn write(mut self, folder: &Path, snapshot: &Snapshot, notebook: &Path) -> Result<()> {
        let copy = |source: &Path, place: &str| -> Result<PathBuf> {
            let place = folder.join(place);
            fs::create_dir_all(&place).with_context(|| format!("{}", place.display()))?;
            let target = place.join(source.file_name().unwrap_or_default());
            let is_program = place.ends_with("bin");
            patchbay_files::read(source)
                .and_then(|bytes| replace(&target, &bytes, Access::Umask.file(is_program)))
                .with_context(|| format!("{} -> {}", source.display(), target.display()))?;
            Ok(target)
        };
        let mut manifest = snapshot.manifest.clone();
        manifest.files.retain(|file, _| file.starts_with("lib"));
        manifest.programs.clear();
        for file in manifest.files.keys() {
            copy(&snapshot.prefix.join(file), "lib")?;
        }
        for (file, record) in &mut manifest.files {
            *record = FileRecord::of(&folder.join(file))?;
        }
        for program in [snapshot.program(), snapshot.runtime()] {
            copy(&program, "bin")?;
        }
        for entry in fs::read_dir(snapshot.plugins())
            .into_iter()
            .flatten()
            .flatten()
        {
            copy(&entry.path(), "plugins")?;
        }
        let layers = self.kept.bundles.values().flat_map(|bundle| &bundle.layers);
        for library in layers.flat_map(|layer| layer.library.iter().chain(&layer.natives)) {
            copy(library, "lib")?;
        }
        for library in self.kept.plugins.values_mut() {
            let copied = copy(library, "notebook_plugins")?;
            *library = copied.strip_prefix(folder).unwrap_or(&copied).to_owned();
        }
        manifest.write(folder, Access::Umask)?;
        let write = |name: &str, bytes: &[u8], is_program: bool| {
            let path = folder.join(name);
            replace(&path, bytes, Access::Umask.file(is_program))
                .with_context(|| format!("{}", path.display()))
        };
        let source = fs::read(notebook).with_context(|| format!("{}", notebook.display()))?;
        write(NOTEBOOK, &source, false)?;
        write("run", RUN.as_bytes(), true)?;
        write(MANIFEST, &serde_json::to_vec_pretty(&self)?, false)
    }
}

/// The bytes of all files in a folder.
pub fn size(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
