//! The header of a `.npy` file: a dictionary as Python writes it.

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Byte order, kind and size: `<f4`. Of records it is what stands there.
    pub kind: String,
    pub is_fortran: bool,
    pub shape: Vec<usize>,
}

/// The header, and the bytes behind it; none where there is no header.
pub(crate) fn read(file: &[u8]) -> Option<(Header, &[u8])> {
    let rest = file.strip_prefix(b"\x93NUMPY")?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        _ => return None,
    };
    let (head, data) = rest.split_at_checked(length)?;
    Some((parse(std::str::from_utf8(head).ok()?)?, data))
}

/// The value behind a key.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let (_, after) = quoted
        .iter()
        .find_map(|key| text.split_once(key.as_str()))?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

fn parse(text: &str) -> Option<Header> {
    let kind = value(text, "descr")?;
    let kind = match kind.chars().next()? {
        quote @ ('\'' | '"') => kind[1..].split(quote).next()?.to_owned(),
        // Records: a list.
        _ => kind.split(']').next()?.to_owned() + "]",
    };
    let is_fortran = value(text, "fortran_order")?.starts_with("True");
    let shape = value(text, "shape")?.strip_prefix('(')?.split(')').next()?;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.trim_end_matches('L').parse().ok())
        .collect::<Option<Vec<usize>>>()?;
    Some(Header {
        kind,
        is_fortran,
        shape,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them() {
        for (text, kind, is_fortran, shape) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
                "<f4",
                false,
                vec![2, 3],
            ),
            (
                "{'descr': '|b1', 'fortran_order': True, 'shape': (5,), }\n",
                "|b1",
                true,
                vec![5],
            ),
            (
                "{\"shape\": (), \"descr\": \">i8\", \"fortran_order\": False}",
                ">i8",
                false,
                vec![],
            ),
            (
                "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1L,)}",
                "[('a', '<f4')]",
                false,
                vec![1],
            ),
        ] {
            let header = parse(text).unwrap();
            assert_eq!(
                header,
                Header {
                    kind: kind.to_owned(),
                    is_fortran,
                    shape
                }
            );
        }
        for bad in [
            "",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(read(b"\x93NUMPY\x01\x00\xff\xff").is_none() && read(b"PK").is_none());
    }
}
