//! The members of a zip file that are stored without compression, as PyTorch stores them; also zip64.

use std::{cell::Cell, collections::HashMap, io::Cursor};

use ::zip::{CompressionMethod, ZipArchive, result::ZipError};

/// A member of a zip file.
pub struct Member<'a> {
    bytes: &'a [u8],
    /// The checksum that the directory gives; 0 where the writer computed none, as PyTorch may be told to.
    crc32: u32,
    is_plain: bool,
    is_checked: Cell<bool>,
}

impl<'a> Member<'a> {
    /// The bytes, whose checksum was compared.
    ///
    /// # Errors
    ///
    /// Fails where the checksum differs, or the member is compressed.
    pub fn bytes(&self) -> Result<&'a [u8], String> {
        if !self.is_plain {
            return Err(
                "the member is compressed or encrypted; PyTorch stores its members plainly: unpack the file and torch.save \
                 its state_dict() again"
                    .to_owned(),
            );
        }
        if !self.is_checked.get() && self.crc32 != 0 {
            let found = crc32fast::hash(self.bytes);
            if found != self.crc32 {
                return Err(format!(
                    "damaged: its checksum is {found:08x}, the file says {:08x}; copy or download it again",
                    self.crc32
                ));
            }
        }
        self.is_checked.set(true);
        Ok(self.bytes)
    }
}

/// The members by name.
///
/// # Errors
///
/// Fails for a file that is no zip, or whose members overlap. One that is compressed, as TorchScript's programs are, cannot
/// be read.
pub fn members(file: &[u8]) -> Result<HashMap<String, Member<'_>>, String> {
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|error| broken(&error))?;
    let mut members = HashMap::new();
    let mut total = 0usize;
    for index in 0..archive.len() {
        let member = archive
            .by_index_raw(index)
            .map_err(|error| broken(&error))?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let is_plain = member.compression() == CompressionMethod::Stored && !member.encrypted();
        let place = |number: u64| usize::try_from(number).ok();
        let bytes = member
            .data_start()
            .and_then(place)
            .zip(place(member.compressed_size()))
            .and_then(|(at, length)| file.get(at..at.checked_add(length)?))
            .ok_or_else(|| format!("a zip file that ends inside its member {name}: truncated"))?;
        total = total.saturating_add(bytes.len());
        let member = Member {
            bytes,
            crc32: member.crc32(),
            is_plain,
            is_checked: Cell::new(false),
        };
        members.insert(name, member);
    }
    if total > file.len() {
        return Err(format!(
            "a zip file of {} bytes whose members have {total}: they overlap",
            file.len()
        ));
    }
    Ok(members)
}

fn broken(error: &ZipError) -> String {
    format!("a zip file that is broken or truncated: {error}; copy or download it again")
}
