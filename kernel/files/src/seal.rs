//! A digest inside of the file that it is the digest of.
//!
//! A plugin's metadata hold the field `"digest":"…"` with 64 zeros when the compiler has written them. Sealing puts the
//! digest of the whole file there, taken with the zeros in its place. It is looked for in the bytes, not by way of the
//! file's headers, which may be what is damaged.

use std::{fmt, fs, io, path::Path};

use memchr::memmem;

/// What stands in front of the digest.
pub const DIGEST_FIELD: &str = "\"digest\":\"";

/// The digits of a digest.
pub const DIGEST_LENGTH: usize = 64;

/// Why a file is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// There is no place for a digest.
    NoField,
    /// The digest was never written.
    NotSealed,
    /// The file has another digest.
    Damaged,
}

impl fmt::Display for SealError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SealError::NoField => "its metadata have no digest",
            SealError::NotSealed => "it has no digest yet",
            SealError::Damaged => {
                "it is damaged: its bytes do not have the digest that was written when it was built"
            }
        })
    }
}

/// Where digests stand.
fn places(bytes: &[u8]) -> Vec<usize> {
    memmem::find_iter(bytes, DIGEST_FIELD)
        .map(|at| at + DIGEST_FIELD.len())
        .filter(|&at| {
            let digits = bytes.get(at..at + DIGEST_LENGTH);
            let is_digest = digits.is_some_and(|digits| {
                digits
                    .iter()
                    .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            });
            is_digest && bytes.get(at + DIGEST_LENGTH) == Some(&b'"')
        })
        .collect()
}

/// The digest of the bytes with zeros at the places of digests.
fn blank_digest(bytes: &[u8], places: &[usize]) -> String {
    let mut hasher = super::Hasher::default();
    let mut from = 0;
    for &at in places {
        hasher.add(&bytes[from..at]);
        hasher.add(&[b'0'; DIGEST_LENGTH]);
        from = at + DIGEST_LENGTH;
    }
    hasher.add(&bytes[from..]);
    hasher.finish()
}

/// Checks that the bytes of a file are those that were sealed.
///
/// # Errors
///
/// Says what is wrong.
pub fn check_seal(bytes: &[u8]) -> Result<(), SealError> {
    let places = places(bytes);
    if places.is_empty() {
        return Err(SealError::NoField);
    }
    let digits = |&at: &usize| &bytes[at..at + DIGEST_LENGTH];
    if places
        .iter()
        .map(digits)
        .all(|digits| digits.iter().all(|&digit| digit == b'0'))
    {
        return Err(SealError::NotSealed);
    }
    let expected = blank_digest(bytes, &places);
    if places
        .iter()
        .map(digits)
        .all(|digits| digits == expected.as_bytes())
    {
        Ok(())
    } else {
        Err(SealError::Damaged)
    }
}

/// Writes the digest into the bytes of a file. Returns whether there is a place for one.
pub fn seal(bytes: &mut [u8]) -> bool {
    let places = places(bytes);
    let digest = blank_digest(bytes, &places);
    for &at in &places {
        bytes[at..at + DIGEST_LENGTH].copy_from_slice(digest.as_bytes());
    }
    !places.is_empty()
}

/// Seals a file, which is replaced as a whole and keeps its mode and its time of change. One without a place for a digest
/// stays as it is.
///
/// # Errors
///
/// Fails where the file cannot be read or written.
pub fn seal_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path)?;
    let mut bytes = super::read(path)?;
    if !seal(&mut bytes) {
        return Ok(());
    }
    super::replace(path, &bytes, metadata.permissions().mode() & 0o777)?;
    fs::File::options()
        .append(true)
        .open(path)?
        .set_modified(metadata.modified()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Vec<u8> {
        let mut bytes = vec![7; 1000];
        bytes.extend(format!("{{\"abi\":1,{DIGEST_FIELD}{}\",", "0".repeat(64)).bytes());
        bytes.extend(vec![9; 1000]);
        bytes
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = library();
        assert_eq!(check_seal(&bytes), Err(SealError::NotSealed));
        assert_eq!(check_seal(&bytes[..100]), Err(SealError::NoField));
        assert!(seal(&mut bytes));
        assert_eq!(check_seal(&bytes), Ok(()));
        let again = bytes.clone();
        assert!(seal(&mut bytes));
        assert!(bytes == again, "sealing twice gives the same file");
        for at in 0..bytes.len() {
            for bit in [0, 5, 7] {
                bytes[at] ^= 1 << bit;
                assert!(check_seal(&bytes).is_err(), "byte {at}");
                bytes[at] ^= 1 << bit;
            }
        }
        assert!(check_seal(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_file_keeps_its_mode_and_time() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        fs::write(&path, library()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let before = fs::metadata(&path).unwrap();
        seal_file(&path).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(after.permissions().mode(), before.permissions().mode());
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        check_seal(&fs::read(&path).unwrap()).unwrap();
    }
}
