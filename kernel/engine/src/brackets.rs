//! What is open at the end of a text that grows line by line: brackets, a string, a comment.
//!
//! The lexical grammar of Rust needs no parser (The Rust Reference, "Lexical structure"), so each line is looked at once.

/// A text as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// The brackets that would close those that are open.
    open: Vec<u8>,
    inside: Inside,
    /// A bracket closed nothing, which more text does not mend.
    is_broken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Code,
    /// Block comments nest.
    Comment {
        depth: usize,
    },
    Text,
    RawText {
        hashes: usize,
    },
}

impl Scanner {
    /// A whole text.
    pub fn of(text: &str) -> Scanner {
        let mut scanner = Scanner::default();
        scanner.add(text);
        scanner
    }

    /// How many brackets are open, if any is, or a string or a comment; `None` where nothing is.
    pub fn unclosed(&self) -> Option<usize> {
        let is_open = !self.is_broken && (self.inside != Inside::Code || !self.open.is_empty());
        is_open.then_some(self.open.len())
    }

    /// Whether a bracket closes nothing.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Goes on with more text, of whole lines.
    pub fn add(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && !self.is_broken {
            at += match self.inside {
                Inside::Code => self.code(bytes, at),
                Inside::Comment { depth } => self.comment(&bytes[at..], depth),
                Inside::Text => self.text(&bytes[at..]),
                Inside::RawText { hashes } => self.raw_text(&bytes[at..], hashes),
            };
        }
    }

    /// Looks at a token, or a part of one; returns its length.
    fn code(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = &bytes[at..];
        match rest[0] {
            b'/' if rest.starts_with(b"//") => rest
                .iter()
                .position(|&byte| byte == b'\n')
                .unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                self.inside = Inside::Comment { depth: 1 };
                2
            }
            b'"' => {
                self.inside = Inside::Text;
                1
            }
            b'r' if begins_raw_text(bytes, at) => {
                let hashes = hashes(&rest[1..]);
                self.inside = Inside::RawText { hashes };
                hashes + 2
            }
            b'\'' => character(rest),
            b'(' => self.opens(b')'),
            b'[' => self.opens(b']'),
            b'{' => self.opens(b'}'),
            close @ (b')' | b']' | b'}') => {
                self.is_broken = self.open.pop() != Some(close);
                1
            }
            _ => 1,
        }
    }

    fn opens(&mut self, close: u8) -> usize {
        self.open.push(close);
        1
    }

    fn comment(&mut self, rest: &[u8], depth: usize) -> usize {
        let depth = match rest {
            [b'/', b'*', ..] => depth + 1,
            [b'*', b'/', ..] => depth - 1,
            _ => return 1,
        };
        self.inside = match depth {
            0 => Inside::Code,
            depth => Inside::Comment { depth },
        };
        2
    }

    fn text(&mut self, rest: &[u8]) -> usize {
        match rest[0] {
            b'\\' => 2,
            b'"' => {
                self.inside = Inside::Code;
                1
            }
            _ => 1,
        }
    }

    fn raw_text(&mut self, rest: &[u8], count: usize) -> usize {
        if rest[0] == b'"' && hashes(&rest[1..]) >= count {
            self.inside = Inside::Code;
            return 1 + count;
        }
        1
    }
}

fn hashes(rest: &[u8]) -> usize {
    rest.iter().take_while(|&&byte| byte == b'#').count()
}

/// Whether the `r` at a place begins a raw string, alone or behind `b` or `c`, and no name ends in it.
fn begins_raw_text(bytes: &[u8], at: usize) -> bool {
    let in_word = |at: usize| {
        at.checked_sub(1).is_some_and(|before| {
            let byte = bytes[before];
            byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
        })
    };
    let starts = !in_word(at) || matches!(bytes[at - 1], b'b' | b'c') && !in_word(at - 1);
    let rest = &bytes[at + 1..];
    starts && rest.get(hashes(rest)) == Some(&b'"')
}

/// The length of a character literal, so that '{' and '"' do not count, or of a lifetime's quote.
fn character(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => {
            let end = rest.iter().skip(3).position(|&byte| byte == b'\'');
            end.map_or(2, |end| end + 4)
        }
        // The other bytes of a character.
        Some(_) => {
            let more = rest[2..]
                .iter()
                .take_while(|&&byte| byte & 0xc0 == 0x80)
                .count();
            match rest.get(2 + more) {
                Some(b'\'') => 3 + more,
                _ => 1,
            }
        }
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_known_however_the_text_comes() {
        for (text, expected) in [
            ("", None),
            ("f(1)[2]{3}", None),
            ("fn f() {\n    g(", Some(2)),
            ("\"abc\n", Some(0)),
            ("(\"a\\\"b\n", Some(1)),
            ("\"a\\\n\"", None),
            ("/* a /* b */\n", Some(0)),
            ("/* a /* b */ */ // (", None),
            ("r\"\\\" (", Some(1)),
            ("r#\"{\" \"# [", Some(1)),
            ("br##\"a\"# (\"## cr\"(\" b\"(\" c\"(\"", None),
            ("br#\"a\"b\"#;", None),
            ("for r in x { r#fn(", Some(2)),
            ("'{' '\\'' '\\u{7b}' b'\"' 'é' '\\n'", None),
            ("let c: &'static str = x::<'a, 'b>(", Some(1)),
            ("'a: loop { break 'a", Some(1)),
            ("var\"(\"", None),
            (")", None),
            ("([)", None),
        ] {
            assert_eq!(Scanner::of(text).unclosed(), expected, "{text}");
            let mut grown = Scanner::default();
            for line in text.split_inclusive('\n') {
                grown.add(line);
            }
            assert_eq!(grown.unclosed(), expected, "{text}");
        }
        assert!(Scanner::of("a)\n(").is_broken());
    }
}
