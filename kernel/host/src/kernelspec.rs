//! Registering the kernel with Jupyter.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::snapshot::Snapshot;

/// The kernel's name in Jupyter.
pub const NAME: &str = "patchbay";

/// Where Jupyter looks for kernels.
#[derive(Clone, Debug)]
pub enum Place {
    /// The user's data folder.
    User,
    /// `share/jupyter` in an environment or in `/usr/local`.
    Prefix(PathBuf),
}

impl Place {
    /// The folder of the kernelspec.
    ///
    /// # Errors
    ///
    /// Fails where there is no home folder.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let data = match self {
            Place::Prefix(prefix) => prefix.join("share/jupyter"),
            Place::User => user_data()?,
        };
        Ok(data.join("kernels").join(NAME))
    }
}

/// Jupyter's data folder of the user, as `jupyter --data-dir` finds it.
fn user_data() -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os("JUPYTER_DATA_DIR") {
        return Ok(folder.into());
    }
    let home = env::home_dir();
    if cfg!(target_os = "macos") {
        return Ok(home
            .context("there is no home folder; set JUPYTER_DATA_DIR")?
            .join("Library/Jupyter"));
    }
    let data = env::var_os("XDG_DATA_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(home?.join(".local/share")))
        .context("there is no home folder; set JUPYTER_DATA_DIR")?;
    Ok(data.join("jupyter"))
}

/// The content of `kernel.json`.
pub fn content(snapshot: &Snapshot) -> Value {
    json!({
        "argv": [snapshot.program(), "kernel", "--connection-file", "{connection_file}"],
        "display_name": "Rust (Patchbay)",
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    })
}

/// Registers the kernel and returns the folder of its kernelspec.
///
/// # Errors
///
/// Fails where the folder cannot be written.
pub fn install(snapshot: &Snapshot, place: &Place) -> anyhow::Result<PathBuf> {
    let folder = place.folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    write(
        &folder.join("kernel.json"),
        serde_json::to_string_pretty(&content(snapshot))?.as_bytes(),
    )?;
    write(
        &folder.join("logo-svg.svg"),
        include_bytes!("../assets/logo.svg"),
    )?;
    write(
        &folder.join("logo-64x64.png"),
        include_bytes!("../assets/logo-64x64.png"),
    )?;
    write(
        &folder.join("logo-32x32.png"),
        include_bytes!("../assets/logo-32x32.png"),
    )?;
    Ok(folder)
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

/// Removes the kernelspec. Returns its folder, or `None` where there was none.
///
/// # Errors
///
/// Fails where the folder cannot be removed.
pub fn uninstall(place: &Place) -> anyhow::Result<Option<PathBuf>> {
    let folder = place.folder()?;
    if !folder.exists() {
        return Ok(None);
    }
    fs::remove_dir_all(&folder)
        .with_context(|| format!("{} cannot be removed", folder.display()))?;
    Ok(Some(folder))
}

/// The program that the user's kernelspec starts, if there is one.
pub fn registered_program() -> Option<PathBuf> {
    let text = fs::read_to_string(Place::User.folder().ok()?.join("kernel.json")).ok()?;
    let content: Value = serde_json::from_str(&text).ok()?;
    Some(PathBuf::from(content["argv"][0].as_str()?))
}

/// Whether the user's kernelspec starts a program of this snapshot.
pub fn uses(prefix: &Path) -> bool {
    registered_program().is_some_and(|program| program.starts_with(prefix))
}
