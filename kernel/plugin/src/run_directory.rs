//! Where the files of loaded generations lie.
//!
//! The dynamic loader answers a path (and an inode) that it knows with the code that it has, so
//! every generation is a file of its own. They stay for as long as the process lives, because a
//! backtrace reads them. A runtime's are in the folder of its session, which the host removes; another
//! process has a folder of its own.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use patchbay_files::{Scratch, create_new, create_private_folders};
use patchbay_protocol::SOCKET_VARIABLE;

use super::Error;

/// Writes a plugin's bytes to a path that was never loaded from.
pub(crate) fn place(bytes: &[u8], name: &str) -> Result<PathBuf, Error> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = folder()?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{number:05}-{name}"));
    create_new(&path, 0o600)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| {
            Error::new(format!(
                "{}: the plugin's copy cannot be written: {error}; set TMPDIR to a folder with room",
                path.display()
            ))
        })?;
    Ok(path)
}

/// The folder, made again where somebody has removed it.
fn folder() -> Result<PathBuf, Error> {
    static OWN: OnceLock<Scratch> = OnceLock::new();
    let failed = |error: std::io::Error| {
        Error::new(format!(
            "no folder for the copies of plugins: {error}; set TMPDIR to a folder that can be written"
        ))
    };
    let of_session = env::var_os(SOCKET_VARIABLE)
        .and_then(|socket| Some(Path::new(&socket).parent()?.to_owned()));
    let folder = match (of_session, OWN.get()) {
        (Some(folder), _) => folder,
        (None, Some(own)) => {
            own.ensure().map_err(failed)?;
            own.path().to_owned()
        }
        (None, None) => {
            Scratch::remove_abandoned();
            let own = Scratch::new().map_err(failed)?;
            OWN.get_or_init(|| own).path().to_owned()
        }
    };
    let folder = folder.join(format!("loaded-{}", process::id()));
    create_private_folders(&folder).map_err(failed)?;
    Ok(folder)
}
