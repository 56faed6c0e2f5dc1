//! The one way to the parsers of Rust: text that is nested too deeply is told, and none can overflow a stack.
//!
//! Parsers, visitors and destructors of syntax trees call themselves, once a level: of brackets, but also of operators,
//! method calls, closures, generics and `else if`. So everything that reads a user's text, or a type's that the compiler
//! names, does it within [`read`]: the levels are counted on the tokens first, without recursion. What few levels need is
//! read where it is; the rest on a thread whose stack holds as many as are allowed.

use std::{cell::Cell, fmt, thread};

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// How many levels a text may have.
pub const LIMIT: usize = 4096;

/// Address space for the stack; only what is used is ever backed by memory.
const STACK_BYTES: usize = 512 << 20;

/// How many levels any thread's stack holds. A thread of its own for every text would cost more than most texts take.
const LEVELS_OF_A_SMALL_STACK: usize = 24;

/// How many colons a path has at most that any thread's stack holds. A `use` is parsed a level for each name of its path,
/// which are no levels of a text: all other paths are lists.
const COLONS_OF_A_SMALL_STACK: usize = 64;

thread_local! {
    /// Whether this thread has the large stack.
    static IS_LARGE: Cell<bool> = const { Cell::new(false) };

    /// How many calls of [`read`] are at work on this thread, one within the other.
    static READING: Cell<usize> = const { Cell::new(0) };
}

/// The time in which this thread has texts in its source map. The map would keep all that were ever read; nothing looks
/// up the place of a token once the outermost reader is done.
struct Reading;

impl Reading {
    fn begin() -> Reading {
        READING.set(READING.get() + 1);
        Reading
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(READING.get() - 1);
        if READING.get() == 0 {
            proc_macro2::extra::invalidate_current_thread_spans();
        }
    }
}

/// How many tokens a text may have: each takes a hundred bytes and more when it is parsed.
const MOST_TOKENS: usize = 4_000_000;

/// How long a text is that may take a moment to read.
const LONG_TEXT: usize = 64 << 10;

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More levels than any stack holds.
    TooDeep {
        /// The levels of the text.
        depth: usize,
        /// The levels that can be read.
        limit: usize,
    },
    /// More tokens than memory is given for.
    TooLong {
        /// About how many tokens the text has.
        tokens: usize,
    },
}

impl Refusal {
    /// The name of the error that a cell fails with.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::TooDeep { .. } => "NestedTooDeeply",
            Refusal::TooLong { .. } => "TooLong",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooDeep { depth, limit } => write!(
                f,
                "the text is nested too deeply: {depth} levels of brackets, operators and calls, at most {limit} are \
                 read; give parts of it names with `let`, or compute it in a loop"
            ),
            Refusal::TooLong { tokens } => write!(
                f,
                "the text is too long: about {tokens} tokens, at most {MOST_TOKENS} are read; keep data in a file, and \
                 read it in the cell"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for syn::Error {
    fn from(error: Refusal) -> syn::Error {
        syn::Error::new(proc_macro2::Span::call_site(), error)
    }
}

/// Calls what reads `text`, on a stack that is large enough.
///
/// # Errors
///
/// Fails where the text is nested too deeply, or too long.
pub fn read<T: Send>(text: &str, reader: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
    let tokens = count_tokens(text);
    if tokens > MOST_TOKENS {
        return Err(Refusal::TooLong { tokens });
    }
    let read = || read_short(text, reader);
    // Whoever waits for the same worker goes on beside it.
    match tokio::runtime::Handle::try_current() {
        Ok(runtime)
            if text.len() > LONG_TEXT
                && runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread =>
        {
            tokio::task::block_in_place(read)
        }
        _ => read(),
    }
}

fn read_short<T: Send>(text: &str, reader: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
    let _reading = Reading::begin();
    let Nesting { depth, colons } = nesting(text);
    if depth > LIMIT {
        return Err(Refusal::TooDeep {
            depth,
            limit: LIMIT,
        });
    }
    if depth <= LEVELS_OF_A_SMALL_STACK && colons <= COLONS_OF_A_SMALL_STACK {
        return Ok(reader());
    }
    on_large_stack(|is_large| {
        if is_large {
            return Ok(reader());
        }
        Err(Refusal::TooDeep {
            depth,
            limit: LEVELS_OF_A_SMALL_STACK,
        })
    })
}

/// Whether the text can be read.
///
/// # Errors
///
/// Fails where it is nested too deeply, or too long.
pub fn check(text: &str) -> Result<(), Refusal> {
    read(text, || ())
}

fn on_large_stack<T: Send>(work: impl FnOnce(bool) -> T + Send) -> T {
    if IS_LARGE.get() {
        return work(true);
    }
    // Handed over in a place of its own, so that it is still there if no thread can be had.
    let mut work = Some(work);
    let done = thread::scope(|scope| {
        let place = &mut work;
        let thread = thread::Builder::new()
            .name("patchbay-reader".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, move || {
                IS_LARGE.set(true);
                let _reading = Reading::begin();
                place.take().map(|work| work(true))
            });
        thread.ok().map(thread::ScopedJoinHandle::join)
    });
    match done {
        Some(Ok(Some(value))) => value,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        Some(Ok(None)) | None => match work {
            Some(work) => work(false),
            None => unreachable!("the work is taken by the thread only, which returns its value"),
        },
    }
}

/// About how many tokens a text has, told from its bytes: words, and whatever else is no white space. A string counts as
/// one, as far as its end is where it seems to be.
fn count_tokens(text: &str) -> usize {
    let mut bytes = text.bytes().peekable();
    let mut count = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            // A quote or a backslash as a character begins no string.
            b'\'' if bytes.next_if(|next| matches!(next, b'"' | b'\\')) == Some(b'\\') => {
                bytes.next();
            }
            byte if byte.is_ascii_whitespace() => continue,
            byte if is_word(byte) => while bytes.next_if(|&next| is_word(next)).is_some() {},
            _ => {}
        }
        count += 1;
    }
    count
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The tokens of one bracket, as far as they were looked at.
struct Level {
    tokens: token_stream::IntoIter,
    /// The levels around it.
    base: usize,
    /// How many levels the present statement, argument or arm has so far.
    chain: usize,
    /// How many colons it has.
    colons: usize,
    /// Whether these are a macro's tokens, in which only brackets nest.
    is_macro: bool,
    before: Before,
}

/// What stands before the present token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Braces,
    Name,
    /// A name and an exclamation mark: a macro.
    Call,
    Other,
}

/// Words with which an expression, a type or a pattern can go on inwards.
const KEYWORDS: [&str; 36] = [
    "as", "async", "auto", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "extern", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod",
    "move", "mut", "pub", "ref", "return", "static", "struct", "try", "unsafe", "use", "where",
    "while", "yield",
];

/// How many levels a text has at most, whatever its syntax; 0 where it has no tokens.
pub fn depth(text: &str) -> usize {
    let _reading = Reading::begin();
    nesting(text).depth
}

#[derive(Default)]
struct Nesting {
    depth: usize,
    /// The most colons of one statement, argument or arm.
    colons: usize,
}

fn nesting(text: &str) -> Nesting {
    let mut deepest = Nesting::default();
    let Ok(tokens) = text.parse::<TokenStream>() else {
        // What cannot be taken apart into tokens is not parsed either.
        return deepest;
    };
    let level = |tokens: TokenStream, base, is_macro| Level {
        tokens: tokens.into_iter(),
        base,
        chain: 0,
        colons: 0,
        is_macro,
        before: Before::Nothing,
    };
    let mut levels = vec![level(tokens, 0, false)];
    while let Some(top) = levels.last_mut() {
        let Some(token) = top.tokens.next() else {
            levels.pop();
            continue;
        };
        let mut inner = None;
        let before = std::mem::replace(&mut top.before, Before::Other);
        let starts_anew = before == Before::Braces && !continues(&token);
        if starts_anew {
            (top.chain, top.colons) = (0, 0);
        }
        match token {
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace {
                    top.before = Before::Braces;
                }
                top.chain += 1;
                let is_macro = top.is_macro || before == Before::Call;
                inner = Some(level(group.stream(), top.base + top.chain, is_macro));
                if top.is_macro {
                    top.chain -= 1;
                }
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ';' | ',' => (top.chain, top.colons) = (0, 0),
                ':' => top.colons += 1,
                '#' | '\'' => {}
                '!' if before == Before::Name => top.before = Before::Call,
                _ if top.is_macro => {}
                _ => top.chain += 1,
            },
            TokenTree::Ident(ident) => {
                if KEYWORDS.iter().any(|keyword| ident == keyword) {
                    top.chain += usize::from(!top.is_macro);
                } else {
                    // `macro_rules! name { .. }`
                    top.before = match before {
                        Before::Call => Before::Call,
                        _ => Before::Name,
                    };
                }
            }
            TokenTree::Literal(_) => {}
        }
        deepest.depth = deepest.depth.max(top.base + top.chain);
        deepest.colons = deepest.colons.max(top.colons);
        levels.extend(inner);
    }
    deepest
}

/// Whether a token behind `}` goes on with what stands before it.
fn continues(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == "else" || ident == "as",
        TokenTree::Punct(punct) => !matches!(punct.as_char(), '#' | '\''),
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// Texts whose syntax trees are `levels` deep, each by another construct.
    fn nested(levels: usize) -> Vec<String> {
        let around = |open: &str, inner: &str, close: &str| {
            [&open.repeat(levels), inner, &close.repeat(levels)].concat()
        };
        let texts = [
            around("(", "1", ")"),
            around("[", "1", "]"),
            around("{", "1", "}"),
            around("f(", "1", ")"),
            around("(1,", "1", ")"),
            around("if a { ", "1", " }"),
            around("if a { 1 } else ", "{ 1 }", ""),
            around("match a { _ => ", "1", " }"),
            around("match ", "a", " {}"),
            around("if ", "a", " {}"),
            around("loop { ", "", " }"),
            around("for a in ", "b", " {}"),
            around("unsafe {", "", "}"),
            around("async {", "", "}"),
            around("|a| ", "1", ""),
            around("move || ", "1", ""),
            around("return ", "1", ""),
            around("break ", "1", ""),
            around("1 + ", "1", ""),
            around("a = ", "1", ""),
            around("a += ", "1", ""),
            around("a && ", "b", ""),
            around("-", "1", ""),
            around("!", "a", ""),
            around("*", "a", ""),
            around("& ", "a", ""),
            around("&mut ", "a", ""),
            around("a..", "b", ""),
            around("", "a", ".b"),
            around("", "a", ".b()"),
            around("", "a", "()"),
            around("", "a", "[0]"),
            around("", "a", "?"),
            around("", "a", " as u8"),
            around("", "a", ".await"),
            around("let a = ", "1", ";"),
            around("S { a: ", "1", " }"),
            format!("let a: {};", around("Vec<", "u8", ">")),
            format!("let a: {};", around("&", "u8", "")),
            format!("let a: {};", around("*const ", "u8", "")),
            format!("let a: {};", around("fn() -> ", "u8", "")),
            format!("let a: {};", around("[", "u8", "; 1]")),
            format!("let a: {};", around("Box<dyn Fn(", "u8", ")>")),
            format!("let a: {};", around("impl Fn() -> ", "u8", "")),
            format!("let a: {};", around("<", "u8", " as T>::A")),
            format!("let {} = a;", around("(", "b", ")")),
            format!("let {} = a;", around("&", "b", "")),
            format!("let {} = a;", around("Some(", "b", ")")),
            format!("let {} = a;", around("b @ ", "c", "")),
            format!("use {};", around("a::{", "b", "}")),
            format!("use {};", around("a::", "b", "")),
            format!("println!({});", around("(", "1", ")")),
            around("mod a {", "", "}"),
            around("fn f() {", "", "}"),
            around("impl A { fn f() {", "", "}}"),
            format!("fn f<{}>() {{}}", around("T: Fn(", "u8", ")")),
            format!("fn f() where {} {{}}", around("for<'a> ", "T: A", "")),
            format!("#[a{}] fn f() {{}}", around("(", "1", ")")),
            around("f!(", "1", ")"),
            around("r#\"a\"#;", "", "b'\\'';"),
        ];
        texts.into()
    }

    #[test]
    fn everything_up_to_the_limit_is_read_and_more_is_told() {
        for text in nested(LIMIT / 8) {
            let start: String = text.chars().take(60).collect();
            let read = read(&text, || parse::parse_with(&text, &|_| false).is_ok());
            assert!(read.is_ok() || depth(&text) > LIMIT, "{start}");
        }
        // As deep as the limit allows, by whichever construct.
        for levels in [LIMIT / 3, LIMIT / 2, LIMIT - 10, LIMIT * 2] {
            for text in nested(levels) {
                let depth = depth(&text);
                let result = read(&text, || drop(parse::parse_with(&text, &|_| false)));
                assert_eq!(result.is_err(), depth > LIMIT);
            }
        }
    }

    #[test]
    fn few_levels_are_read_on_any_stack() {
        let reader = || {
            for text in nested(LEVELS_OF_A_SMALL_STACK) {
                for inner in [text.clone(), format!("fn f() {{ mod a {{ {text} }} }}")] {
                    drop(parse::parse_with(&inner, &|_| false));
                }
            }
        };
        let thread = thread::Builder::new().stack_size(1 << 20).spawn(reader);
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn a_thread_keeps_no_text_that_it_has_read() {
        let place_of_a_token = || {
            let place = read("let b = 2;", || {
                let outer: TokenStream = "let a = 1;".parse().unwrap();
                // The outer text is still being read: its tokens keep their places.
                assert_eq!(read("c", || ()), Ok(()));
                let token = outer.into_iter().nth(1).unwrap();
                assert_eq!(token.span().source_text().as_deref(), Some("a"));
                format!("{:?}", token.span())
            });
            place.unwrap()
        };
        // Places are counted through all texts of the source map.
        let first = place_of_a_token();
        assert!(first.contains(char::is_numeric), "{first}");
        assert_eq!(place_of_a_token(), first);
        assert_eq!(depth("(1)"), 1);
        assert_eq!(place_of_a_token(), first);
    }

    #[test]
    fn one_after_the_other_is_not_nested() {
        for text in [
            "let a = vec![1, 2];\n".repeat(5000),
            "fn f() -> u8 { 1 }\n".repeat(5000),
            "#[test]\nfn f() {}\n".repeat(5000),
            "if a { b } else { c }\n".repeat(5000),
            "for a in b {}\n".repeat(5000),
            "*a = 1;\n".repeat(5000),
            format!("[{}]", "-1, ".repeat(5000)),
            format!("match a {{ {} }}", "1 => {}".repeat(5000)),
            format!("match a {{ {} }}", "A(1) | B => {} _ => {}".repeat(5000)),
            format!("match a {{ {} }}", "(1, 2) => {}".repeat(5000)),
            format!("f!({})", "a . b + c ".repeat(5000)),
            format!("struct S {{ {} }}", "a: Vec<Option<u8>>,".repeat(5000)),
        ] {
            let depth = depth(&text);
            assert!(depth < 20, "{depth}: {}", &text[..60]);
        }
    }

    #[test]
    fn an_exclamation_mark_alone_is_no_macro() {
        let sum = "1 + ".repeat(LIMIT + 1) + "1";
        for text in [
            format!("!({sum})"),
            format!("if !({sum}) {{}}"),
            format!("return !({sum})"),
            format!("a = !{{{sum}}}"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(
                error.to_string().contains("nested too deeply: 4"),
                "{error}"
            );
        }
        assert!(check(&format!("f!({sum})")).is_ok());
    }

    #[test]
    fn tokens_are_counted_before_they_are_made() {
        assert_eq!(count_tokens("let x = f(1.5, \"a \\\" b\"); // ß c"), 16);
        assert_eq!(count_tokens("['\"', '\\\\', '\\'', \"+ +\", 'a']"), 16);
        let data = format!("let x = \"{}\";", "1+".repeat(MOST_TOKENS));
        assert!(count_tokens(&data) < 10);
        let error = check(&"1;".repeat(MOST_TOKENS)).unwrap_err();
        assert_eq!(error.name(), "TooLong");
    }

    #[test]
    fn a_panic_of_the_reader_is_the_callers() {
        let caught = std::panic::catch_unwind(|| read("1", || panic!("of the reader")));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"of the reader"));
    }
}
