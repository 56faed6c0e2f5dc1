//! Making folders.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

/// Makes a folder and those above it that are missing, each for this user alone, whatever the umask.
///
/// # Errors
///
/// Fails where the disk refuses, or something else has the name.
pub fn create_private_folders(path: &Path) -> io::Result<()> {
    create(path, 0o700)
}

/// Makes a folder and those above it that are missing with this mode, whatever the umask. Those that are there stay as they
/// are.
///
/// # Errors
///
/// Fails where the disk refuses, or something else has the name.
pub fn create_folders(path: &Path, mode: u32) -> io::Result<()> {
    create(path, mode)
}

fn create(path: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        // A umask takes bits away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let Some(parent) = parent else {
                return Err(error);
            };
            create(parent, mode)?;
            match fs::DirBuilder::new().mode(mode).create(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                    Ok(())
                }
                Err(error) => Err(error),
                Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            }
        }
        Err(error) => Err(error),
    }
}

/// The umask of this process, read without changing it; the usual one where the system does not tell.
pub fn process_umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok())
        .unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_made_and_others_are_left() {
        let root = tempfile::tempdir().unwrap();
        let outer = root.path().join("outer");
        fs::create_dir(&outer).unwrap();
        fs::set_permissions(&outer, fs::Permissions::from_mode(0o755)).unwrap();
        create_private_folders(&outer.join("a/b")).unwrap();
        create_private_folders(&outer.join("a/b")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            [&outer, &outer.join("a"), &outer.join("a/b")].map(|path| mode(path)),
            [0o755, 0o700, 0o700]
        );
        fs::write(outer.join("file"), "").unwrap();
        assert!(create_private_folders(&outer.join("file")).is_err());
        assert!(create_private_folders(&outer.join("file/a")).is_err());
    }
}
