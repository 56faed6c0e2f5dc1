//! The built plugins, as a kernel finds them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use patchbay::plugin;

/// Looks for plugins among sealed copies of the built libraries: cargo writes them without their digests.
pub fn find_built_plugins() -> io::Result<()> {
    static FOUND: Mutex<bool> = Mutex::new(false);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if *found {
        return Ok(());
    }
    let program = env::current_exe()?;
    let built = program.ancestors().nth(2).map(PathBuf::from);
    let built = built.unwrap_or_default();
    let sealed = built.join("sealed-plugins");
    fs::create_dir_all(&sealed)?;
    for entry in fs::read_dir(&built)?.flatten() {
        let path = entry.path();
        let is_library = path.extension().is_some_and(|extension| extension == "so");
        if is_library && plugin::read_metadata(&path).is_ok() {
            place(&path, &sealed.join(entry.file_name()))?;
        }
    }
    plugin::set_search_path(vec![sealed]);
    *found = true;
    Ok(())
}

/// Another test program may do the same at the same time.
fn place(source: &Path, target: &Path) -> io::Result<()> {
    let aside = target.with_extension(format!("part-{}", std::process::id()));
    fs::copy(source, &aside)?;
    plugin::seal(&aside).map_err(io::Error::other)?;
    fs::rename(&aside, target)
}
