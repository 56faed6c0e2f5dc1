//! Rust code with highlighting. It is a lexer of its own because cells hold what no Rust parser
//! takes: magics, shell commands, code that does not compile.

use super::escape::escape_to;

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "self", "Self", "static", "struct", "super", "trait", "true", "type", "union",
    "unsafe", "use", "where", "while",
];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

/// The code as HTML, each token of note in a span whose class names its kind.
pub fn highlight(source: &str) -> String {
    let mut html = String::new();
    write_highlighted(source, &mut html);
    html
}

/// [`highlight`], appended.
pub fn write_highlighted(source: &str, html: &mut String) {
    let mut rest = source;
    let mut line_start = true;
    while !rest.is_empty() {
        let (class, length) = token(rest, line_start);
        let (text, after) = rest.split_at(length);
        match class {
            Some(class) => {
                html.push_str("<span class=\"");
                html.push_str(class);
                html.push_str("\">");
                escape_to(text, html);
                html.push_str("</span>");
            }
            None => escape_to(text, html),
        }
        line_start = text.ends_with('\n') || (line_start && text.trim().is_empty());
        rest = after;
    }
}

/// The class and the length in bytes of the first token.
fn token(rest: &str, line_start: bool) -> (Option<&'static str>, usize) {
    let mut characters = rest.chars();
    let first = characters.next().unwrap_or('\n');
    let second = characters.next();
    // Looked for only where it matters: a line may be long, and have many tokens.
    let line = || rest.find('\n').unwrap_or(rest.len());
    match first {
        '%' | ':'
            if line_start && second.is_some_and(|next| next.is_alphabetic() || next == '%') =>
        {
            (Some("magic"), line())
        }
        '!' if line_start
            && second
                .is_some_and(|next| next.is_alphanumeric() || matches!(next, ' ' | '.' | '/')) =>
        {
            (Some("magic"), line())
        }
        '/' if second == Some('/') => (Some("comment"), line()),
        '/' if second == Some('*') => (Some("comment"), block_comment(rest)),
        '#' if matches!(second, Some('[' | '!')) => {
            (Some("attribute"), attribute(rest).min(line().max(2)))
        }
        '"' => (Some("string"), quoted(rest, 1)),
        '\'' => quote(rest),
        '0'..='9' => (Some("number"), number(rest)),
        _ if is_word(first) => word(rest),
        _ if first.is_whitespace() && first != '\n' => (
            None,
            rest.find(|c: char| !c.is_whitespace() || c == '\n')
                .unwrap_or(rest.len()),
        ),
        _ => (None, first.len_utf8()),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word(rest: &str) -> (Option<&'static str>, usize) {
    let length = rest
        .find(|character| !is_word(character))
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    let raw = matches!(word, "r" | "br" | "cr");
    if raw && let Some(end) = raw_string(after) {
        return (Some("string"), length + end);
    }
    if matches!(word, "b" | "c") && after.starts_with('"') {
        return (Some("string"), length + quoted(after, 1));
    }
    if word == "b" && after.starts_with('\'') {
        return (Some("string"), length + quote(after).1);
    }
    if KEYWORDS.contains(&word) {
        return (Some("keyword"), length);
    }
    let mut next = after.chars();
    let followed = (next.next(), next.next());
    if followed.0 == Some('!') && followed.1 != Some('=') {
        return (Some("macro"), length + 1);
    }
    if PRIMITIVES.contains(&word) || word.starts_with(char::is_uppercase) {
        return (Some("type"), length);
    }
    if followed.0 == Some('(') {
        return (Some("function"), length);
    }
    (None, length)
}

/// The length of what begins with `#"` or `"`, the part of a raw string after its `r`.
fn raw_string(after: &str) -> Option<usize> {
    let hashes = after.bytes().take_while(|&byte| byte == b'#').count();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&end)
            .map_or(after.len(), |position| hashes + 1 + position + end.len()),
    )
}

/// The length of a string that ends with the first unescaped `"` after `start`.
fn quoted(rest: &str, start: usize) -> usize {
    let mut escaped = false;
    for (index, byte) in rest.bytes().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character such as `'a'`, or a lifetime such as `'a`.
fn quote(rest: &str) -> (Option<&'static str>, usize) {
    let body = &rest[1..];
    let first = body.chars().next().unwrap_or(' ');
    if first == '\\' {
        let end = body
            .char_indices()
            .skip(2)
            .find(|(_, character)| *character == '\'');
        return (
            Some("string"),
            end.map_or(rest.len(), |(index, _)| index + 2),
        );
    }
    if body[first.len_utf8().min(body.len())..].starts_with('\'') {
        return (Some("string"), first.len_utf8() + 2);
    }
    let name = body
        .find(|character| !is_word(character))
        .unwrap_or(body.len());
    (Some("lifetime"), 1 + name)
}

fn number(rest: &str) -> usize {
    let mut end = 0;
    let mut characters = rest.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let exponent_sign = matches!(character, '+' | '-')
            && rest[..index].ends_with(['e', 'E'])
            && !rest.starts_with("0x")
            && next.is_some_and(|next| next.is_ascii_digit());
        // A point belongs to the number unless a range or a method follows.
        let point = character == '.'
            && !next.is_some_and(|next| next == '.' || next == '_' || next.is_alphabetic());
        if !(is_word(character) || exponent_sign || point) {
            break;
        }
        end = index + character.len_utf8();
    }
    end
}

fn attribute(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            b'\n' => return index,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a block comment, which in Rust may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    let mut index = 0;
    while index + 1 < bytes.len() {
        match &bytes[index..index + 2] {
            b"/*" => {
                depth += 1;
                index += 2;
            }
            b"*/" => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    rest.len()
}
