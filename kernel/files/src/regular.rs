//! Opening regular files, and nothing else.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens a regular file to be read. The last part of the path may not be a link; a FIFO or a device is neither waited for
/// nor read.
///
/// # Errors
///
/// Fails where the file cannot be opened, and says what it is where it is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Without this flag the opening of a FIFO waits for its other end.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => irregular("a link"),
            Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => irregular("a socket"),
            _ => error,
        })?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    Err(irregular(if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else {
        "a device"
    }))
}

fn irregular(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("expected a regular file, found {what}"),
    )
}

/// Opens a regular file of this user that nobody else can write to.
///
/// # Errors
///
/// Fails as [`open`] does, and where the file is another user's or others can write to it.
pub fn open_private(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != super::user() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "others can write to it (uid {}, mode {:04o})",
                metadata.uid(),
                metadata.mode() & 0o7777
            ),
        ));
    }
    Ok(file)
}

/// Reads a regular file; see [`open`].
///
/// # Errors
///
/// Fails where the file cannot be read or is no regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_all(open(path)?)
}

/// Reads a regular file that is this user's alone; see [`open_private`].
///
/// # Errors
///
/// Fails where the file cannot be read, is no regular file, or others can write to it.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    read_all(open_private(path)?)
}

/// Reads a regular file of UTF-8 text; see [`open`].
///
/// # Errors
///
/// Fails where the file cannot be read, is no regular file, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::PermissionsExt, net::UnixListener},
        process::Command,
    };

    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(at("fifo"))
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(read_text(&at("file")).unwrap(), "text");
        for (name, words) in [
            ("folder", "found a folder"),
            ("link", "found a link"),
            ("socket", "found a socket"),
            ("fifo", "found a FIFO"),
        ] {
            let error = read(&at(name)).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(error.to_string().contains("found a device"), "{error}");
        assert_eq!(
            read(&at("missing")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_file_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        for (mode, passes) in [(0o600, true), (0o644, true), (0o660, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path).is_ok(), passes, "{mode:o}");
        }
    }
}
