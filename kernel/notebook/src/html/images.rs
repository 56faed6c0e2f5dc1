//! Pictures as part of the page.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

/// The largest picture file that becomes part of a page.
const MAX_BYTES: u64 = 32 << 20;

/// A `data:` address of base64 text, whose white space does not belong into an address; `None` where the text is something
/// else, which could be more than an address where it is put.
pub fn base64_address(mime: &str, base64: &str) -> Option<String> {
    let mut address = String::with_capacity(base64.len() + mime.len() + 16);
    address.push_str("data:");
    address.push_str(mime);
    address.push_str(";base64,");
    for character in base64.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '+' | '/' | '=' => address.push(character),
            ' ' | '\t' | '\n' | '\r' => {}
            _ => return None,
        }
    }
    Some(address)
}

/// A `data:` address of bytes.
pub fn address(mime: &str, bytes: &[u8]) -> String {
    let mut address = format!("data:{mime};base64,");
    STANDARD.encode_string(bytes, &mut address);
    address
}

/// A `data:` address of a picture file that a text refers to, or `None` where the reference is to
/// the network, to no picture, to no file, or out of the notebook's folder: whoever passes a page on must not pass on
/// files that the notebook's author has only named.
pub fn file_address(reference: &str, folder: &Path) -> Option<String> {
    if reference.contains("://") || reference.starts_with("data:") {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let path = folder.join(reference.replace("%20", " "));
    let path = path
        .canonicalize()
        .ok()
        .filter(|path| path.starts_with(&folder))?;
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let mime = match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        _ => return None,
    };
    // Reading a pipe would never end.
    let found = fs::metadata(&path).ok()?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return None;
    }
    fs::read(&path).ok().map(|bytes| address(mime, &bytes))
}
