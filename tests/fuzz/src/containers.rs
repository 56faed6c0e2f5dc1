//! Checksums that mutations would break: what is behind them is to be reached.

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG with the checksums of its chunks put right; `None` where it is none.
pub fn with_png_checksums(file: &[u8]) -> Option<Vec<u8>> {
    let mut file = file.to_vec();
    let mut at = PNG.len();
    if !file.starts_with(PNG) {
        return None;
    }
    while let Some(length) = file.get(at..at + 4) {
        let length = length
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        let (start, end) = (at + 4, at + 8 + length);
        if end + 4 > file.len() {
            break;
        }
        let checksum = crc32fast::hash(&file[start..end]);
        file[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
        at = end + 4;
    }
    Some(file)
}

/// A `.pth` with this pickle, and a storage of 256 bytes.
pub fn pth(pickle: &[u8]) -> Vec<u8> {
    let storage: Vec<u8> = (0..=255).collect();
    zip(&[
        ("archive/data.pkl", pickle),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &storage),
        ("archive/version", b"3\n"),
    ])
}

/// A zip archive whose entries are stored as they are.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = file.len() as u32;
        let size = (bytes.len() as u32).to_le_bytes();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32fast::hash(bytes).to_le_bytes());
        common.extend(size);
        common.extend(size);
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let start = (file.len() as u32).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(size);
    file.extend(start);
    file.extend([0, 0]);
    file
}
