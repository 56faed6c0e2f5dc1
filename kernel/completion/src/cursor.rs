//! What stands before the cursor, as far as its characters tell.

/// A place in a cell that a completion or a description is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorContext {
    /// The name of a magic, with its sign: `%wh`, `:va`.
    Magic {
        /// The offset at which the sign stands, in bytes.
        start: usize,
    },
    /// A text that is the id of a component: the first argument of `create`, `swap` or `describe`.
    PluginId {
        /// The offset at which the id begins, in bytes.
        start: usize,
    },
    /// A key of the settings of this component; `quoted` where the cursor is inside the quotes.
    Setting {
        /// The offset at which the key begins, in bytes.
        start: usize,
        /// The component's id.
        id: String,
        /// Whether the cursor is inside the quotes.
        quoted: bool,
    },
    /// A name of its own.
    Name {
        /// The offset at which the name begins, in bytes.
        start: usize,
    },
    /// A name behind `.` or `::`, which takes the types to tell.
    Member {
        /// The offset at which the name behind the sign begins, in bytes.
        start: usize,
    },
    /// In a comment or a text, where there is nothing to say.
    Nothing,
}

impl CursorContext {
    /// Where what is typed so far begins.
    pub fn start(&self) -> Option<usize> {
        match self {
            CursorContext::Magic { start }
            | CursorContext::PluginId { start }
            | CursorContext::Setting { start, .. }
            | CursorContext::Name { start }
            | CursorContext::Member { start } => Some(*start),
            CursorContext::Nothing => None,
        }
    }
}

/// Functions whose first argument is the id of a component.
const BY_ID: [&str; 3] = ["create", "swap", "describe"];

/// The place at a byte of a cell.
pub fn context(code: &str, cursor: usize) -> CursorContext {
    let before = &code[..cursor];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = &before[line_start..];
    let indent = line.len() - line.trim_start().len();
    let word = line.trim_start();
    let is_magic = word.starts_with(['%', ':']) && !word.starts_with("::");
    if is_magic && !word.contains(char::is_whitespace) {
        return CursorContext::Magic {
            start: line_start + indent,
        };
    }
    let scan = Scan::of(before);
    match scan.inside {
        Inside::Comment => CursorContext::Nothing,
        Inside::Text { start } => scan.text_context(before, start),
        Inside::Code => {
            let start = word_start(before);
            let head = before[..start].trim_end();
            if head.ends_with("::") || head.ends_with('.') && !head.ends_with("..") {
                return CursorContext::Member { start };
            }
            if before[start..].starts_with(|first: char| first.is_ascii_digit()) {
                return CursorContext::Nothing;
            }
            match scan.setting(before, start) {
                Some(id) if start == cursor => CursorContext::Setting {
                    start,
                    id,
                    quoted: false,
                },
                _ => CursorContext::Name { start },
            }
        }
    }
}

/// The name that a place of a cell is in or behind, with its range.
pub fn word_at(code: &str, cursor: usize) -> (usize, &str) {
    let is_part = |character: char| character == '_' || character.is_alphanumeric();
    let start = word_start(&code[..cursor]);
    let end = code[cursor..]
        .find(|character| !is_part(character))
        .map_or(code.len(), |length| cursor + length);
    (start, &code[start..end])
}

/// The name that a question at a place is about: the one there, else the one that it is behind, else that of the innermost call
/// around it. `slider` of `widgets::slider(|` and of `widgets::slider("rate", 0.0|)`, `lines` of `plot::lines().|`.
pub fn name_at(code: &str, cursor: usize) -> (usize, &str) {
    let found = word_at(code, cursor);
    let is_name =
        |word: &str| word.starts_with(|first: char| first == '_' || first.is_alphabetic());
    if is_name(found.1) {
        return found;
    }
    let before = &code[..found.0];
    let scan = Scan::of(before);
    if scan.inside != Inside::Code {
        return found;
    }
    // A name before a bracket, `!` or generic arguments.
    let called = |head: &str| {
        let head = head.trim_end();
        let head = head.strip_suffix('!').unwrap_or(head);
        let head = without_generics(head);
        let start = word_start(head);
        is_name(&head[start..]).then(|| (start, &code[start..head.len()]))
    };
    let behind = before.trim_end();
    let behind = behind.strip_suffix(['.', '?']).unwrap_or(behind);
    let name = match behind.chars().next_back() {
        Some('(' | '!') => called(behind.strip_suffix('(').unwrap_or(behind)),
        Some(')') => scan
            .closed
            .iter()
            .find(|(_, close)| *close == behind.len() - 1)
            .and_then(|(open, _)| called(&code[..*open])),
        _ => None,
    };
    // A block's bracket ends what is inside of a call.
    let around = || {
        let brackets = scan.open.iter().rev();
        brackets
            .take_while(|&&open| code.as_bytes()[open] != b'{')
            .find_map(|&open| called(&code[..open]))
    };
    name.or_else(around).unwrap_or(found)
}

/// The names of the path before a name that begins at `start`: `[nn, optim]` of `nn::optim::Adam`.
pub fn path_before(code: &str, start: usize) -> Vec<&str> {
    let mut path = Vec::new();
    let mut before = code[..start].trim_end();
    while let Some(head) = before.strip_suffix("::") {
        let head = head.trim_end();
        let start = word_start(head);
        if start == head.len() {
            return Vec::new();
        }
        path.push(&head[start..]);
        before = head[..start].trim_end();
    }
    path.reverse();
    path
}

/// The expression in front of the `.` that a name beginning at `start` stands behind: `x.relu()?` of `x.relu()?.su|`.
pub fn receiver(code: &str, start: usize) -> Option<&str> {
    let before = code[..start].trim_end().strip_suffix('.')?.trim_end();
    let scan = Scan::of(before);
    let opened = |close: usize| {
        let found = scan.closed.iter().find(|(_, known)| *known == close);
        found.map(|(open, _)| *open)
    };
    let mut at = before.len();
    loop {
        let head = before[..at].trim_end();
        at = head.len();
        match head.chars().next_back()? {
            '?' => {
                at -= 1;
                continue;
            }
            ')' | ']' | '}' => {
                at = opened(at - 1)?;
                let called = before[..at].trim_end();
                let called = without_generics(called.strip_suffix('!').unwrap_or(called));
                let name = &called[word_start(called)..];
                // `list[0]` of a list that is itself called or indexed.
                if called.ends_with([')', ']', '?']) && called.len() == at {
                    continue;
                }
                if name.is_empty() || KEYWORDS.contains(&name) {
                    break;
                }
                at = called.len() - name.len();
            }
            '>' => {
                at = without_generics(head).len();
                if at == head.len() {
                    return None;
                }
                continue;
            }
            '"' => {
                let text = scan.texts.iter().find(|(_, end)| *end == at - 1)?;
                at = text.0 - 1;
                break;
            }
            last if last == '_' || last.is_alphanumeric() => at = word_start(head),
            _ => return None,
        }
        let head = before[..at].trim_end();
        if let Some(path) = head.strip_suffix("::") {
            at = path.len();
        } else if head.ends_with('.') && !head.ends_with("..") {
            at = head.len() - 1;
        } else {
            break;
        }
    }
    Some(before[at..].trim_start())
}

/// Words that a bracket can follow without being called.
const KEYWORDS: [&str; 8] = [
    "if", "in", "match", "while", "return", "else", "for", "loop",
];

fn word_start(before: &str) -> usize {
    before
        .char_indices()
        .rev()
        .take_while(|(_, character)| *character == '_' || character.is_alphanumeric())
        .last()
        .map_or(before.len(), |(at, _)| at)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    Code,
    Comment,
    /// A string literal; `start` is behind its quote.
    Text {
        start: usize,
    },
}

/// The state at the end of a text.
pub(crate) struct Scan {
    inside: Inside,
    /// The open brackets, outermost first.
    pub(crate) open: Vec<usize>,
    /// The brackets that have been closed: where each opens and closes.
    pub(crate) closed: Vec<(usize, usize)>,
    /// The texts that have ended: where each begins and ends, without quotes.
    pub(crate) texts: Vec<(usize, usize)>,
}

impl Scan {
    pub(crate) fn of(text: &str) -> Scan {
        let bytes = text.as_bytes();
        let mut scan = Scan {
            inside: Inside::Code,
            open: Vec::new(),
            closed: Vec::new(),
            texts: Vec::new(),
        };
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let step = match rest[0] {
                b'/' if rest.starts_with(b"//") => match find(rest, b"\n") {
                    Some(length) => length,
                    None => return scan.ends_in(Inside::Comment),
                },
                b'/' if rest.starts_with(b"/*") => match find(rest, b"*/") {
                    Some(length) => length + 2,
                    None => return scan.ends_in(Inside::Comment),
                },
                b'r' if is_raw(rest) && !is_word_end(bytes, at) => {
                    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
                    let end: Vec<u8> = [b'"'].into_iter().chain(vec![b'#'; hashes]).collect();
                    let start = at + hashes + 2;
                    match find(&bytes[start..], &end) {
                        Some(length) => {
                            scan.texts.push((start, start + length));
                            hashes + 2 + length + end.len()
                        }
                        None => return scan.ends_in(Inside::Text { start }),
                    }
                }
                b'"' => match end_of_text(&rest[1..]) {
                    Some(length) => {
                        scan.texts.push((at + 1, at + 1 + length));
                        length + 2
                    }
                    None => return scan.ends_in(Inside::Text { start: at + 1 }),
                },
                // A character; a lifetime has no second quote that near.
                b'\'' => match rest.get(1) {
                    Some(b'\\') => find(&rest[2..], b"'").map_or(1, |length| length + 3),
                    Some(_) => text[at + 1..]
                        .chars()
                        .next()
                        .map(char::len_utf8)
                        .filter(|length| rest.get(1 + length) == Some(&b'\''))
                        .map_or(1, |length| length + 2),
                    None => 1,
                },
                b'(' | b'[' | b'{' => {
                    scan.open.push(at);
                    1
                }
                b')' | b']' | b'}' => {
                    if let Some(open) = scan.open.pop() {
                        scan.closed.push((open, at));
                    }
                    1
                }
                _ => 1,
            };
            at += step;
        }
        scan
    }

    fn ends_in(mut self, inside: Inside) -> Scan {
        self.inside = inside;
        self
    }

    fn text_context(&self, before: &str, start: usize) -> CursorContext {
        let Some(&bracket) = self.open.last() else {
            return CursorContext::Nothing;
        };
        let is_first = before[bracket + 1..start - 1].trim().is_empty();
        if is_first && is_by_id(&before[..bracket]) {
            return CursorContext::PluginId { start };
        }
        match self.setting(before, start - 1) {
            Some(id) => CursorContext::Setting {
                start,
                id,
                quoted: true,
            },
            None => CursorContext::Nothing,
        }
    }

    /// The component whose settings have a key at this place: in `create("id", json!({ `.
    fn setting(&self, before: &str, at: usize) -> Option<String> {
        let [.., call, macro_call, object] = self.open[..] else {
            return None;
        };
        let follows = before[..at].trim_end();
        let is_key = follows.len() == object + 1 || follows.ends_with(',');
        let in_json =
            before[..macro_call].trim_end().ends_with("json!") && before.as_bytes()[object] == b'{';
        if !(is_key && in_json && is_by_id(&before[..call])) {
            return None;
        }
        let (start, end) = self.texts.iter().find(|(start, _)| *start > call)?;
        Some(before[*start..*end].to_owned())
    }
}

/// Whether the name in front of a bracket is of a function that takes an id.
fn is_by_id(before: &str) -> bool {
    let head = without_generics(before.trim_end());
    let name = &head[word_start(head)..];
    BY_ID.contains(&name)
}

/// What stands before generic arguments at the end of a text: `create` of `create::<dyn Loss>`.
fn without_generics(head: &str) -> &str {
    head.strip_suffix('>')
        .and_then(|generic| generic.rfind("::<"))
        .map_or(head, |at| &head[..at])
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

fn is_raw(rest: &[u8]) -> bool {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    rest.get(1 + hashes) == Some(&b'"')
}

fn is_word_end(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1] == b'_' || bytes[at - 1].is_ascii_alphanumeric())
}

/// The length of a text up to its closing quote.
fn end_of_text(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of the mark `|`.
    fn at(text: &str) -> CursorContext {
        let cursor = text.find('|').unwrap();
        context(&text.replacen('|', "", 1), cursor)
    }

    #[test]
    fn names_and_members_are_told_apart() {
        assert_eq!(at("let a = fo|"), CursorContext::Name { start: 8 });
        assert_eq!(at("a.so|"), CursorContext::Member { start: 2 });
        assert_eq!(at("Tensor::ze|"), CursorContext::Member { start: 8 });
        assert_eq!(
            at("v.iter()\n    .ma|"),
            CursorContext::Member { start: 14 }
        );
        assert_eq!(at("0..n|"), CursorContext::Name { start: 3 });
        assert_eq!(at("let x = 12|"), CursorContext::Nothing);
        assert_eq!(at("größe.l|"), CursorContext::Member { start: 8 });
    }

    #[test]
    fn comments_and_texts_say_nothing() {
        assert_eq!(at("// fo|"), CursorContext::Nothing);
        assert_eq!(at("/* a */ fo|"), CursorContext::Name { start: 8 });
        assert_eq!(at("println!(\"fo|"), CursorContext::Nothing);
        assert_eq!(at("let c = '\"'; fo|"), CursorContext::Name { start: 13 });
        assert_eq!(
            at("fn f<'a>(x: &'a str) { fo|"),
            CursorContext::Name { start: 23 }
        );
        assert_eq!(
            at("let r = r#\"a\"b\"#; fo|"),
            CursorContext::Name { start: 18 }
        );
    }

    #[test]
    fn magics_begin_a_line() {
        assert_eq!(at("let a = 1;\n  %wh|"), CursorContext::Magic { start: 13 });
        assert_eq!(at(":va|"), CursorContext::Magic { start: 0 });
        assert_eq!(at("7 % wh|"), CursorContext::Name { start: 4 });
    }

    #[test]
    fn ids_and_settings_of_components_are_found() {
        assert_eq!(
            at("let l = create::<dyn Loss>(\"loss/fo|"),
            CursorContext::PluginId { start: 28 }
        );
        assert_eq!(at("loss.swap(\"|"), CursorContext::PluginId { start: 11 });
        let setting = |start, quoted| CursorContext::Setting {
            start,
            id: "loss/focal".to_owned(),
            quoted,
        };
        assert_eq!(at("swap(\"loss/focal\", json!({ \"ga|"), setting(28, true));
        assert_eq!(
            at("swap(\"loss/focal\", json!({ \"a\": 1, |"),
            setting(35, false)
        );
        assert_eq!(
            at("swap(\"loss/focal\", json!({ \"a\": \"x|"),
            CursorContext::Nothing
        );
        assert_eq!(at("json!({ \"ga|"), CursorContext::Nothing);
    }

    #[test]
    fn paths_are_read_backwards() {
        let before = |text: &'static str| path_before(text, text.len());
        assert_eq!(before("let a = nn::optim::"), ["nn", "optim"]);
        assert_eq!(before("nn :: "), ["nn"]);
        assert!(before("a.").is_empty());
        assert!(before("Vec::<f32>::").is_empty());
    }

    #[test]
    fn the_name_at_a_place_is_that_of_the_call_around_it() {
        let name = |text: &str| {
            let cursor = text.find('|').unwrap();
            let code = text.replacen('|', "", 1);
            let (start, name) = name_at(&code, cursor);
            (start, name.to_owned())
        };
        for (text, start, expected) in [
            ("widgets::slider(|", 9, "slider"),
            ("widgets::slider(\"rate\", 0.0, |1.0)", 9, "slider"),
            ("plot::lines().|", 6, "lines"),
            ("json!|", 0, "json"),
            ("json!(|", 0, "json"),
            ("create(\"loss/focal\")|", 0, "create"),
            ("create::<dyn Loss>(\"loss/focal\")?|", 0, "create"),
            ("große_funktion(|1.0)", 0, "große_funktion"),
            ("f(g(1), |2)", 0, "f"),
            ("f(|g(1))", 2, "g"),
            ("alpha|", 0, "alpha"),
            ("f({ |", 4, ""),
            ("// f(|", 5, ""),
            ("1 + |", 4, ""),
        ] {
            assert_eq!(name(text), (start, expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_word_at_a_place_is_whole() {
        assert_eq!(word_at("let alpha = 1;", 6), (4, "alpha"));
        assert_eq!(word_at("alpha", 5), (0, "alpha"));
        assert_eq!(word_at("a + b", 2).1, "");
    }
}
