//! Whether a text can be executed as it stands, for consoles that decide what Enter does.

use super::{brackets::Scanner, directive, magic::Magics, nesting, spans};
use patchbay_contract::Completeness;

/// Judges a cell's text.
pub fn judge(code: &str, magics: Magics) -> Completeness {
    let (_, parts) = directive::split(code, magics, &|_| false);
    let Some(directive::Part::Rust { text, .. }) = parts.last() else {
        return Completeness::Complete;
    };
    if let Some(depth) = Scanner::of(text).unclosed() {
        return Completeness::Incomplete {
            indent: "    ".repeat(depth),
        };
    }
    let judge = || match syn::parse::Parser::parse_str(syn::Block::parse_within, text) {
        Ok(_) => Completeness::Complete,
        Err(error) if spans::error_is_at_the_end(&error, text) => Completeness::Incomplete {
            indent: String::new(),
        },
        Err(_) => Completeness::Invalid,
    };
    nesting::read(text, judge).unwrap_or(Completeness::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(code: &str) -> Completeness {
        super::judge(code, Magics::NONE)
    }

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
