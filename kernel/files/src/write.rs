//! Writing files under names that nothing else has.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Who can use what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// This user alone.
    #[default]
    Owner,
    /// Everybody can read it, and this user can write it.
    Everyone,
    /// Whoever the umask lets: what a user has asked for by name.
    Umask,
}

impl Access {
    /// The mode of a file.
    pub fn file(self, is_program: bool) -> u32 {
        let all = if is_program { 0o777 } else { 0o666 };
        match self {
            Access::Owner => all & 0o700,
            Access::Everyone => all & 0o755,
            Access::Umask => all & !super::process_umask(),
        }
    }

    /// The mode of a folder.
    pub fn folder(self) -> u32 {
        self.file(true)
    }
}

/// Makes a file that was not there, with this mode whatever the umask. A link, a FIFO or a file of that name is an error.
///
/// # Errors
///
/// Fails where something has the name, or the disk refuses.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// Puts a file in its place as a whole, whatever has the name before: it is written beside it and renamed.
///
/// # Errors
///
/// Fails where the disk refuses, or a folder has the name.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let aside = folder.join(format!(".new-{}", unique_name()?));
    let written = create_new(&aside, mode)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A name that nobody can guess: 32 hexadecimal digits from the system's random numbers.
///
/// # Errors
///
/// Fails where the system has none.
pub fn unique_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_name_is_neither_followed_nor_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(create_new(&link, 0o600).is_err());
        replace(&link, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        assert_eq!(fs::read(&link).unwrap(), b"new");
        let mode = fs::symlink_metadata(&link).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(replace(&folder.path().join("folder"), b"new", 0o600).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
