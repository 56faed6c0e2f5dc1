//! What a session needs to start.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc};

use patchbay_engine::{cache::Cache, compile::Compiler};
use patchbay_side::SideConfig;
use patchbay_toolchain::{dependency::Workshop, snapshot::Held};

/// The configuration of a session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The compiler for cells.
    pub compiler: Compiler,
    /// The program that owns the variables.
    pub runtime: PathBuf,
    /// Where the runtime finds the SDK and the standard library.
    pub library_path: OsString,
    /// Compiled cells; `None` compiles every cell.
    pub cache: Option<Cache>,
    /// Where crates for cells are built.
    pub dependencies: Workshop,
    /// The libraries of plugins whose source is not there, by the path in `%plugin PATH`.
    pub plugins: BTreeMap<String, PathBuf>,
    /// The values of the notebook's parameters, a JSON object.
    pub parameters: Option<String>,
    /// Where the runtime starts; a notebook's folder for instance.
    pub working_directory: PathBuf,
    /// The side process with rust-analyzer, if it has been built.
    pub side: Option<SideConfig>,
    /// The snapshot, whose files are put back where somebody removes them.
    pub snapshot: Option<Arc<Held>>,
}
