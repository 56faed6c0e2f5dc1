//! Whether a crate in a folder has changed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sha2::{Digest, Sha256};

/// The largest file whose content is read; of larger ones, size and time of change stand for it.
const MOST_BYTES: u64 = 4 << 20;

/// Folders of a package that its library is not made of.
const LEFT_OUT: [&str; 4] = ["target", "tests", "benches", "examples"];

/// The digest of a package's files: their names and contents. What cannot be read is left out.
pub fn digest(folder: &Path) -> String {
    let mut files = Vec::new();
    collect(folder, true, &mut files);
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let Ok(metadata) = fs::metadata(&file) else {
            continue;
        };
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy();
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(metadata.len().to_le_bytes());
        if metadata.len() > MOST_BYTES {
            let changed = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .unwrap_or_default();
            hasher.update(changed.as_nanos().to_le_bytes());
        } else {
            hasher.update(fs::read(&file).unwrap_or_default());
        }
    }
    hex(&hasher.finalize())
}

/// The digest of a text.
pub fn digest_of_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(digest: &[u8]) -> String {
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn collect(folder: &Path, is_top: bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || is_top && LEFT_OUT.contains(&name.as_ref()) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), false, files),
            Ok(_) => files.push(entry.path()),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_follows_names_and_contents_of_what_a_library_is_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "a");
        let first = digest(folder.path());
        write("target/x", "b");
        write("tests/x.rs", "b");
        write(".git/x", "b");
        assert_eq!(digest(folder.path()), first);
        write("src/lib.rs", "a");
        assert_eq!(digest(folder.path()), first);
        write("src/lib.rs", "b");
        let second = digest(folder.path());
        assert_ne!(second, first);
        write("src/tests/lib.rs", "b");
        assert_ne!(digest(folder.path()), second);
    }
}
