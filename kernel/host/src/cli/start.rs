//! How sessions and what serves them are started.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc};

use patchbay_engine::cache::Cache;
use patchbay_session::SessionConfig;
use patchbay_side::SideConfig;
use patchbay_toolchain::{
    dependency::Workshop,
    snapshot::{Held, Snapshot},
};

use crate::engines::{EngineConfig, EngineName};

/// How a session of this snapshot starts in a folder.
pub fn session_config(snapshot: &Snapshot, working_directory: PathBuf) -> SessionConfig {
    let library_path = library_path(snapshot);
    SessionConfig {
        // Without it, completion knows what the kernel itself knows.
        side: SideConfig::of(snapshot, library_path.clone()).ok(),
        snapshot: Some(Arc::new(Held::of(snapshot))),
        compiler: snapshot.compiler(),
        runtime: snapshot.runtime(),
        library_path,
        cache: Cache::of_user(),
        dependencies: Workshop::new(snapshot),
        plugins: BTreeMap::new(),
        parameters: None,
        working_directory,
    }
}

/// How a session on an engine starts in a folder.
///
/// # Errors
///
/// Fails where the engine is evcxr and the side process is missing.
pub fn engine_config(
    snapshot: &Snapshot,
    engine: EngineName,
    working_directory: PathBuf,
) -> anyhow::Result<EngineConfig> {
    Ok(match engine {
        EngineName::Patchbay => {
            EngineConfig::Own(Box::new(session_config(snapshot, working_directory)))
        }
        EngineName::Evcxr => EngineConfig::Evcxr {
            side: Box::new(SideConfig::of(snapshot, library_path(snapshot))?),
            working_directory,
        },
    })
}

/// Where programs find the SDK's libraries.
pub fn library_path(snapshot: &Snapshot) -> OsString {
    let mut path = snapshot.library_folder().into_os_string();
    if let Some(inherited) = std::env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(inherited);
    }
    path
}

/// Runs a future on an executor with two workers: sockets and processes are all it has to serve.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(future)
}
