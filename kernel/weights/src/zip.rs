//! The members of a zip file that are stored without compression, as PyTorch stores them.

use std::collections::HashMap;

/// The members by name.
///
/// # Errors
///
/// Fails for a file that is no zip, or has a compressed member.
pub fn members(file: &[u8]) -> Result<HashMap<String, &[u8]>, String> {
    const END: [u8; 4] = *b"PK\x05\x06";
    let end = file
        .windows(4)
        .rposition(|window| window == END)
        .ok_or("a zip file without its directory: truncated")?;
    let count = u16_at(file, end + 10)?;
    let mut at = u32_at(file, end + 16)? as usize;
    let mut members = HashMap::new();
    for _ in 0..count {
        if slice(file, at, 4)? != b"PK\x01\x02" {
            return Err("a zip file whose directory is broken".to_owned());
        }
        let (method, length) = (u16_at(file, at + 10)?, u32_at(file, at + 24)? as usize);
        let [name, extra, comment] = [28, 30, 32].map(|offset| u16_at(file, at + offset));
        let (name, extra, comment) = (name? as usize, extra? as usize, comment? as usize);
        let local = u32_at(file, at + 42)? as usize;
        let name_text = String::from_utf8_lossy(slice(file, at + 46, name)?).into_owned();
        if method != 0 {
            return Err(format!(
                "the member {name_text} is compressed; PyTorch stores its members plainly"
            ));
        }
        let data =
            local + 30 + u16_at(file, local + 26)? as usize + u16_at(file, local + 28)? as usize;
        members.insert(name_text, slice(file, data, length)?);
        at += 46 + name + extra + comment;
    }
    Ok(members)
}

fn slice(file: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    at.checked_add(length)
        .and_then(|end| file.get(at..end))
        .ok_or_else(|| format!("a zip file that ends before byte {at} + {length}: truncated"))
}

fn u16_at(file: &[u8], at: usize) -> Result<u16, String> {
    let bytes = slice(file, at, 2)?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn u32_at(file: &[u8], at: usize) -> Result<u32, String> {
    let bytes = slice(file, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
