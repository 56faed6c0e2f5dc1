//! Sizes as both sides show them.

/// Bytes for people: `512 B`, `1.5 KiB`, `3.0 GiB`.
pub fn readable_bytes(bytes: usize) -> String {
    let exponent = (bytes.max(1).ilog2() / 10).min(4);
    if exponent == 0 {
        return format!("{bytes} B");
    }
    let unit = ["B", "KiB", "MiB", "GiB", "TiB"][exponent as usize];
    format!("{:.1} {unit}", bytes as f64 / 1024f64.powi(exponent as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable_bytes(0), "0 B");
        assert_eq!(readable_bytes(512), "512 B");
        assert_eq!(readable_bytes(1536), "1.5 KiB");
        assert_eq!(readable_bytes(3 << 30), "3.0 GiB");
    }
}
