//! Pictures as part of the page.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

/// The largest picture file that becomes part of a page.
const MAX_BYTES: u64 = 32 << 20;

/// A `data:` address of base64 text, whose line breaks do not belong into an address.
pub fn base64_address(mime: &str, base64: &str) -> String {
    let compact: String = base64.split_ascii_whitespace().collect();
    format!("data:{mime};base64,{compact}")
}

/// A `data:` address of bytes.
pub fn address(mime: &str, bytes: &[u8]) -> String {
    base64_address(mime, &STANDARD.encode(bytes))
}

/// A `data:` address of a picture file that a text refers to, or `None` where the reference is to
/// the network, to no picture, or to no file.
pub fn file_address(reference: &str, folder: &Path) -> Option<String> {
    if reference.contains("://") || reference.starts_with("data:") {
        return None;
    }
    let path = folder.join(reference.replace("%20", " "));
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let mime = match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        _ => return None,
    };
    if fs::metadata(&path).ok()?.len() > MAX_BYTES {
        return None;
    }
    fs::read(&path).ok().map(|bytes| address(mime, &bytes))
}
