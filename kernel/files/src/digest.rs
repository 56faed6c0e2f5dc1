//! SHA-256 as hexadecimal text.

use std::{fs::File, io, io::Read, path::Path};

use sha2::{Digest, Sha256};

/// The digest of bytes that come in parts.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes; where one addition ends and the next begins does not matter.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a part with its length, so that no two lists of parts are one text.
    pub fn add_part(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64).to_le_bytes());
        self.add(bytes);
    }

    /// Returns the digest in hexadecimal digits.
    pub fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.add(bytes);
    hasher.finish()
}

/// The digest of a regular file.
///
/// # Errors
///
/// Fails where the file cannot be read or is no regular file.
pub fn digest_of_file(path: &Path) -> io::Result<String> {
    let mut file: File = super::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.add(&buffer[..count]);
    }
}
