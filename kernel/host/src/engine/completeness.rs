//! Whether a text can be executed as it stands, for consoles that decide what Enter does.

use super::{directive, nesting, parse};
use crate::session::Completeness;

/// Judges a cell's text.
pub fn judge(code: &str) -> Completeness {
    let (_, parts) = directive::split(code, &|_| false);
    let Some(directive::Part::Rust { text, .. }) = parts.last() else {
        return Completeness::Complete;
    };
    if let Some(depth) = unclosed(text) {
        return Completeness::Incomplete {
            indent: "    ".repeat(depth),
        };
    }
    let judge = || match syn::parse::Parser::parse_str(syn::Block::parse_within, text) {
        Ok(_) => Completeness::Complete,
        Err(error) if parse::error_is_at_the_end(&error, text) => Completeness::Incomplete {
            indent: String::new(),
        },
        Err(_) => Completeness::Invalid,
    };
    nesting::read(text, judge).unwrap_or(Completeness::Invalid)
}

/// How many brackets are open at the end of the text, or that a string or comment is; `None`
/// where nothing is open.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut position = 0;
    while position < bytes.len() {
        let rest = &bytes[position..];
        match rest[0] {
            b'/' if rest.starts_with(b"//") => {
                position += rest
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with(b"/*") => match end_of_comment(rest) {
                Some(length) => {
                    position += length;
                    continue;
                }
                None => return Some(open.len()),
            },
            b'"' => match end_of_string(rest) {
                Some(length) => {
                    position += length;
                    continue;
                }
                None => return Some(open.len()),
            },
            b'r' if !in_word(bytes, position) && raw_hashes(rest).is_some() => {
                let hashes = raw_hashes(rest).unwrap_or(0);
                let body = &rest[hashes + 2..];
                let close: Vec<u8> = std::iter::once(b'"')
                    .chain(std::iter::repeat_n(b'#', hashes))
                    .collect();
                match body.windows(close.len()).position(|window| window == close) {
                    Some(length) => {
                        position += hashes + 2 + length + close.len();
                        continue;
                    }
                    None => return Some(open.len()),
                }
            }
            // A character literal, so that '{' and '"' do not count; a lifetime has no end quote.
            b'\'' if rest.get(1) == Some(&b'\\') => {
                position += rest[2..]
                    .iter()
                    .skip(1)
                    .position(|&byte| byte == b'\'')
                    .map_or(1, |end| end + 4);
                continue;
            }
            b'\'' if rest.get(2) == Some(&b'\'') => {
                position += 3;
                continue;
            }
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            // A bracket that closes nothing is an error, which more text does not mend.
            close @ (b')' | b']' | b'}') if open.pop() != Some(close) => return None,
            _ => {}
        }
        position += 1;
    }
    (!open.is_empty()).then_some(open.len())
}

fn in_word(bytes: &[u8], position: usize) -> bool {
    position > 0 && (bytes[position - 1].is_ascii_alphanumeric() || bytes[position - 1] == b'_')
}

/// For a raw string's beginning, the number of its hashes.
fn raw_hashes(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(hashes + 1) == Some(&b'"')).then_some(hashes)
}

fn end_of_string(rest: &[u8]) -> Option<usize> {
    let mut position = 1;
    while position < rest.len() {
        match rest[position] {
            b'\\' => position += 1,
            b'"' => return Some(position + 1),
            _ => {}
        }
        position += 1;
    }
    None
}

/// Block comments nest.
fn end_of_comment(rest: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut position = 0;
    while position + 1 < rest.len() {
        match &rest[position..position + 2] {
            b"/*" => {
                depth += 1;
                position += 2;
            }
            b"*/" => {
                depth -= 1;
                position += 2;
                if depth == 0 {
                    return Some(position);
                }
            }
            _ => position += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_incomplete_and_invalid_texts() {
        for code in [
            "1 + 1",
            "let x = 5;",
            "fn f() {}",
            "",
            "%who",
            "'{'",
            "r#\"{\"#",
            "let c: &'static str = \"(\";",
        ] {
            assert_eq!(judge(code), Completeness::Complete, "{code}");
        }
        for (code, indent) in [
            ("fn f() {", "    "),
            ("let x = (1,", "    "),
            ("\"abc", ""),
            ("/* x", ""),
            ("let x =", ""),
            ("let x = 5", ""),
            ("for i in 0..3 { if i > 1 {", "        "),
        ] {
            let expected = Completeness::Incomplete {
                indent: indent.to_owned(),
            };
            assert_eq!(judge(code), expected, "{code}");
        }
        for code in ["let = 5;", "fn f) {", "let x = 1 1;"] {
            assert_eq!(judge(code), Completeness::Invalid, "{code}");
        }
    }
}
