//! Magics: the lines of a cell that are not Rust.

use std::{collections::BTreeSet, sync::Arc};

use syn::{Attribute, Block, Item, Stmt, parse::Parser};

pub use super::timing::Timing;
use super::{
    Engine,
    brackets::Scanner,
    magic::{Argument, Magics},
    negation, nesting, parse, spans,
};

/// The most lines that the brackets of a `:dep` are looked for in.
const MOST_LINES_OF_DEP: usize = 1000;

/// A cell magic (`%%time`) with the rest of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellMagic {
    /// The name without `%%`.
    pub name: String,
    /// The rest of its line.
    pub argument: String,
}

/// A part of a cell. The parts run in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Rust, up to the next magic.
    Rust {
        /// The text.
        text: Arc<str>,
        /// The line of the cell (from 0) that it begins in.
        first_line: u32,
        /// Whether and how it is timed.
        timing: Timing,
    },
    /// A magic of one line.
    Directive(Directive),
}

/// A line that is not Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The word behind `%` or `:`, or `!` for a shell command.
    pub name: String,
    /// The rest of the line.
    pub argument: String,
    /// The line in the cell, from 0.
    pub line: u32,
}

/// Splits a cell into its cell magic and its parts.
///
/// A line is a directive if it begins with `%name`, `:name` or `!command` and what stands before it
/// is whole statements, so that an expression may go on with `% 3` in a new line and a string may
/// hold a line like `%who`.
///
/// Two such lines are Rust all the same; `knows` tells the names of variables and items that there are:
///
/// - `!expression` whose names are all known, or that no shell would take for a command
///   (`negation.rs`);
/// - `%name` that goes on with the expression before it, if no magic or a variable has that name.
///
/// A line `name?` is a question about the name, unless the name can be a value with an error; `knows` is asked for `name?`.
pub fn split(
    code: &str,
    magics: Magics,
    knows: &(dyn Fn(&str) -> bool + Sync),
) -> (Option<CellMagic>, Vec<Part>) {
    // A text that is nested too deeply to be read is told so where its Rust is parsed.
    nesting::read(code, || split_text(code, magics, knows)).unwrap_or_else(|_| {
        let text = Part::Rust {
            text: code.into(),
            first_line: 0,
            timing: Timing::No,
        };
        (None, vec![text])
    })
}

fn split_text(
    code: &str,
    magics: Magics,
    knows: &dyn Fn(&str) -> bool,
) -> (Option<CellMagic>, Vec<Part>) {
    let (magic, body, offset) = cell_magic(code);
    let known = magic.as_ref().and_then(|magic| magics.of_cell(&magic.name));
    if known.is_some_and(|known| known.argument == Argument::Text) {
        return (magic, Vec::new());
    }
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let mut parts = Vec::new();
    let mut rust = Rust::default();
    let mut first_line = offset;
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        let number = offset + u32::try_from(index).unwrap_or(u32::MAX);
        let directive = directive(line, number, magics)
            .or_else(|| question(line, number).filter(|_| magics.of_line(HELP).is_some()))
            .filter(|_| rust.is_whole())
            .filter(|directive| {
                let name = &directive.argument;
                let can_be_an_error = line.trim_end().ends_with('?')
                    && (rust.defines(name) || knows(&format!("{name}?")));
                !(can_be_an_error && directive.name == HELP)
            });
        let Some(mut directive) = directive else {
            rust.add(line);
            index += 1;
            continue;
        };
        let is_known = |name: &str| rust.defines(name) || knows(name);
        let rust_lines = match directive.name.as_str() {
            "!" => negation::lines(&lines[index..], &is_known),
            name if line.trim_start().starts_with('%')
                && (magics.of_line(name).is_none() || is_known(name))
                && rust.goes_on(line) =>
            {
                Some(1)
            }
            _ => None,
        };
        if let Some(count) = rust_lines {
            lines[index..index + count]
                .iter()
                .for_each(|line| rust.add(line));
            index += count;
            continue;
        }
        index += 1;
        let argument = argument_of(magics, &directive.name);
        if argument == Argument::Manifest
            && let Some((argument, count)) = in_brackets(&directive.argument, &lines[index..])
        {
            directive.argument = argument;
            index += count;
        }
        push_rust(&mut parts, rust.take(), first_line, Timing::No);
        match argument {
            Argument::Statement(timing) if !directive.argument.is_empty() => {
                // The statement keeps its columns, so that errors point to the right place.
                let column = line.find(&directive.argument).unwrap_or(0);
                rust.add(&(" ".repeat(column) + &directive.argument));
                rust.is_whole();
                push_rust(&mut parts, rust.take(), number, timing);
            }
            _ => parts.push(Part::Directive(directive)),
        }
        first_line = offset + u32::try_from(index).unwrap_or(u32::MAX);
    }
    push_rust(&mut parts, rust.take(), first_line, Timing::No);
    (magic, parts)
}

/// The Rust before a line. It grows line by line, so what is known of its beginning is not asked again.
#[derive(Default)]
struct Rust {
    text: String,
    scanner: Scanner,
    /// Where whole statements end that nothing can go on; the rest is judged by itself.
    settled: usize,
    /// There is an error that more text does not mend.
    is_hopeless: bool,
    /// Whether it is whole as it stands, where that has been asked.
    judged: Option<bool>,
    /// The names that it and what was taken before define.
    defined: BTreeSet<String>,
}

impl Rust {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
        self.scanner.add(text);
        self.judged = None;
    }

    /// Whether it is nothing but whole statements, of which the last may be an expression.
    fn is_whole(&mut self) -> bool {
        if let Some(judged) = self.judged {
            return judged;
        }
        let is_whole = self.judge();
        self.judged = Some(is_whole);
        is_whole
    }

    fn judge(&mut self) -> bool {
        if self.is_hopeless || self.scanner.unclosed().is_some() {
            return false;
        }
        let rest = &self.text[self.settled..];
        if rest.trim().is_empty() {
            return true;
        }
        match statements(rest) {
            Ok(statements) => {
                self.defined.extend(defined_by(rest));
                if statements.last().is_none_or(ends) {
                    self.settled = self.text.len();
                }
                true
            }
            Err(error) => {
                self.is_hopeless =
                    self.scanner.is_broken() || !spans::error_is_at_the_end(&error, rest);
                false
            }
        }
    }

    /// Whether it, which is whole, or what was taken before defines a name.
    fn defines(&self, name: &str) -> bool {
        self.defined.contains(name)
    }

    /// Whether a line goes on with the expression that it ends in.
    fn goes_on(&self, line: &str) -> bool {
        let before = &self.text[self.settled..];
        let (Ok(alone), Ok(joined)) = (statements(before), statements(&format!("{before}{line}")))
        else {
            return false;
        };
        !alone.is_empty() && alone.len() == joined.len()
    }

    /// Takes the text out; the names stay.
    fn take(&mut self) -> String {
        let defined = std::mem::take(&mut self.defined);
        let taken = std::mem::replace(
            self,
            Rust {
                defined,
                ..Rust::default()
            },
        );
        taken.text
    }
}

/// The names of the variables and items that whole statements define.
fn defined_by(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let chunk = parse::parse_with(text, &|_| false);
    if let Ok(chunk) = chunk {
        for statement in &chunk.statements {
            found.extend(statement.defines.iter().map(|known| known.name.clone()));
        }
        for item in &chunk.items {
            found.extend(item.provides.iter().cloned());
        }
    }
    found
}

/// Whether nothing that follows can go on with a statement.
fn ends(statement: &Stmt) -> bool {
    match statement {
        Stmt::Local(_) | Stmt::Expr(_, Some(_)) => true,
        Stmt::Item(item) => !matches!(item, Item::Macro(_) | Item::Verbatim(_)),
        Stmt::Macro(call) => call.semi_token.is_some(),
        Stmt::Expr(_, None) => false,
    }
}

/// The names of a session's variables and items, for [`split`].
pub fn names_of(engine: &Engine) -> impl Fn(&str) -> bool + Sync {
    |name| match name.strip_suffix('?') {
        Some(name) => engine
            .variables
            .get(name)
            .is_some_and(|variable| is_fallible(&variable.type_text)),
        None => engine.knows(name),
    }
}

/// Whether `?` can follow a value of this type.
fn is_fallible(type_text: &str) -> bool {
    let head = type_text.split('<').next().unwrap_or_default();
    let name = head.rsplit("::").next().unwrap_or_default();
    ["Result", "Option", "ControlFlow", "Poll"].contains(&name)
}

fn push_rust(parts: &mut Vec<Part>, text: String, first_line: u32, timing: Timing) {
    if !text.trim().is_empty() {
        parts.push(Part::Rust {
            text: text.into(),
            first_line,
            timing,
        });
    }
}

fn cell_magic(code: &str) -> (Option<CellMagic>, &str, u32) {
    let Some(rest) = code.strip_prefix("%%") else {
        return (None, code, 0);
    };
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    let (name, argument) = line
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((line.trim(), ""));
    let magic = CellMagic {
        name: name.to_owned(),
        argument: argument.trim().to_owned(),
    };
    (Some(magic), body, 1)
}

/// How the argument of a line's magic is written; as words where there is no such magic.
fn argument_of(magics: Magics, name: &str) -> Argument {
    magics
        .of_line(name)
        .map_or(Argument::Words, |magic| magic.argument)
}

/// The magic that a question is answered by.
const HELP: &str = "doc";

/// A line that asks for help, as in IPython: `name?`, `name??`, `?name`, `Type::method?`.
fn question(line: &str, number: u32) -> Option<Directive> {
    let text = line.trim();
    let name = text.trim_start_matches('?').trim_end_matches('?');
    let signs = text.len() - name.len();
    let is_name = |part: &str| {
        let part = part.strip_suffix('!').unwrap_or(part);
        !part.is_empty()
            && !part.starts_with(|first: char| first.is_ascii_digit())
            && part
                .chars()
                .all(|character| character == '_' || character.is_alphanumeric())
    };
    let is_question = (1..=2).contains(&signs) && name.split("::").all(is_name);
    is_question.then(|| Directive {
        name: HELP.to_owned(),
        argument: name.to_owned(),
        line: number,
    })
}

fn directive(line: &str, number: u32, magics: Magics) -> Option<Directive> {
    let text = line.trim();
    let (name, argument) = match text.as_bytes() {
        [b'!', _, ..] if !text.starts_with("!(") => ("!", &text[1..]),
        [b'%' | b':', second, ..] if second.is_ascii_alphabetic() => {
            let (name, argument) = text[1..]
                .split_once(char::is_whitespace)
                .unwrap_or((&text[1..], ""));
            // The statement behind `%time` is Rust, which has its comments.
            match argument_of(magics, name) {
                Argument::Statement(_) => (name, argument),
                Argument::Words | Argument::Manifest | Argument::Text => {
                    (name, without_comment(argument))
                }
            }
        }
        _ => return None,
    };
    Some(Directive {
        name: name.to_owned(),
        argument: argument.trim().to_owned(),
        line: number,
    })
}

/// An argument with the lines that its brackets take in, as a manifest's entry may, and their number; `None`
/// where no bracket is open or none closes it.
fn in_brackets(argument: &str, lines: &[&str]) -> Option<(String, usize)> {
    let mut scanner = Scanner::of(argument);
    scanner.unclosed().filter(|depth| *depth > 0)?;
    let mut text = argument.to_owned();
    for (index, line) in lines.iter().take(MOST_LINES_OF_DEP).enumerate() {
        let line = without_comment(line.trim_end()).trim_end();
        for piece in ["\n", line] {
            text.push_str(piece);
            scanner.add(piece);
        }
        if scanner.unclosed().is_none() {
            return Some((text, index + 1));
        }
    }
    None
}

/// An argument up to a comment: `//` outside of quotes with a space before it.
fn without_comment(argument: &str) -> &str {
    let bytes = argument.as_bytes();
    let mut quote = None;
    for (at, &byte) in bytes.iter().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if bytes[at..].starts_with(b"//")
                && (at == 0 || bytes[at - 1].is_ascii_whitespace()) =>
            {
                return &argument[..at];
            }
            None => {}
        }
    }
    argument
}

/// The statements of a text; an error where it is not whole statements. The last may be an expression.
fn statements(text: &str) -> syn::Result<Vec<Stmt>> {
    #[cfg(test)]
    tests::PARSED.set(tests::PARSED.get() + text.len());
    let whole = |input: syn::parse::ParseStream| {
        Attribute::parse_inner(input)?;
        Block::parse_within(input)
    };
    whole.parse_str(text)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::magic::Magic;

    thread_local! {
        /// How many bytes this thread has parsed.
        pub static PARSED: Cell<usize> = const { Cell::new(0) };
    }

    fn split(code: &str) -> (Option<CellMagic>, Vec<Part>) {
        let knows = |name: &str| ["flag", "v", "env", "date", "failed?"].contains(&name);
        super::split(code, Magics(|| &MAGICS), &knows)
    }

    const fn magic(names: &'static [&'static str], argument: Argument) -> Magic {
        Magic {
            names,
            usage: "",
            summary: "",
            argument,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        }
    }

    static MAGICS: [&Magic; 8] = [
        &magic(&[":doc"], Argument::Words),
        &magic(&["%%bash"], Argument::Text),
        &magic(&["%who", ":vars"], Argument::Words),
        &magic(&["%env"], Argument::Words),
        &magic(&["%cd"], Argument::Words),
        &magic(&["%time"], Argument::Statement(Timing::Once)),
        &magic(&["%timeit"], Argument::Statement(Timing::Repeated)),
        &magic(&[":dep"], Argument::Manifest),
    ];

    fn rust(text: &str, first_line: u32, timing: Timing) -> Part {
        Part::Rust {
            text: text.into(),
            first_line,
            timing,
        }
    }

    fn line(name: &str, argument: &str, line: u32) -> Part {
        Part::Directive(Directive {
            name: name.into(),
            argument: argument.into(),
            line,
        })
    }

    #[test]
    fn questions_are_told_from_errors_that_are_passed_on() {
        for (code, name) in [
            ("Tensor?", "Tensor"),
            ("?Tensor", "Tensor"),
            ("Tensor::matmul??", "Tensor::matmul"),
            ("json!?", "json!"),
            ("v?", "v"),
        ] {
            assert_eq!(split(code).1, [line("doc", name, 0)], "{code}");
        }
        for code in [
            "failed?",
            "f()?",
            "x.y?",
            "1?",
            "?",
            "let r = f();\nr?",
            "let a =\nv?",
        ] {
            let text = rust(code, 0, Timing::No);
            assert_eq!(split(code).1, [text], "{code}");
        }
        let (magic, parts) = split("%%bash\nls?\n%who");
        assert!(magic.is_some() && parts.is_empty());
    }

    #[test]
    fn directives_stand_between_whole_statements() {
        let (magic, parts) = split("let x = 1;\n%who\n!ls -l\n:vars\nx");
        assert_eq!(magic, None);
        assert_eq!(
            parts,
            [
                rust("let x = 1;\n", 0, Timing::No),
                line("who", "", 1),
                line("!", "ls -l", 2),
                line("vars", "", 3),
                rust("x", 4, Timing::No),
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_directive_stays_rust() {
        for code in [
            "let r = 10\n  % 3;",
            "let s = \"\n%who\n\";",
            "fn f() {\n!true;\n}",
            "/*\n%who\n*/",
        ] {
            let (_, parts) = split(code);
            assert_eq!(parts, [rust(code, 0, Timing::No)], "{code}");
        }
    }

    #[test]
    fn timed_statements_keep_their_columns() {
        let (_, parts) = split("%time let y = f();");
        assert_eq!(parts, [rust("      let y = f();", 0, Timing::Once)]);
        let (magic, parts) = split("%%time\nlet y = f();");
        assert_eq!(
            magic,
            Some(CellMagic {
                name: "time".into(),
                argument: String::new()
            })
        );
        assert_eq!(parts, [rust("let y = f();", 1, Timing::No)]);
    }

    #[test]
    fn comments_end_an_argument_and_requests_take_several_lines() {
        let argument = |code: &str| match split(code).1.into_iter().next() {
            Some(Part::Directive(directive)) => directive.argument,
            other => panic!("{other:?}"),
        };
        assert_eq!(argument(":dep regex // for words"), "regex");
        assert_eq!(
            argument(":dep a = { git = \"https://x//y\" } // z"),
            "a = { git = \"https://x//y\" }"
        );
        assert_eq!(argument("%env A=http://host/x"), "A=http://host/x");
        assert_eq!(
            argument("%cd größer/ＡＢ \u{202e} // ü"),
            "größer/ＡＢ \u{202e}"
        );
        let (_, parts) =
            split(":dep a = {\n  version = \"1\",\n  features = [\"x\"] }\nlet y = 1;");
        assert_eq!(
            parts,
            [
                line(
                    "dep",
                    "a = {\n  version = \"1\",\n  features = [\"x\"] }",
                    0
                ),
                rust("let y = 1;", 3, Timing::No),
            ]
        );
        // What is never closed is one line.
        for code in [":dep a = { version\nlet y = 1;", ":dep a = \"1\nlet y = 1;"] {
            assert_eq!(
                split(code).1[1],
                rust("let y = 1;", 1, Timing::No),
                "{code}"
            );
        }
    }

    #[test]
    fn a_remainder_by_a_name_goes_on_with_the_expression() {
        for code in ["7\n%count", "let env = 3;\n7\n  %env", "7\n%env + 1"] {
            assert_eq!(split(code).1, [rust(code, 0, Timing::No)], "{code}");
        }
        assert_eq!(
            split("7\n%who").1,
            [rust("7\n", 0, Timing::No), line("who", "", 1)]
        );
        assert_eq!(
            split("7;\n%count").1,
            [rust("7;\n", 0, Timing::No), line("count", "", 1)]
        );
    }

    #[test]
    fn negations_are_rust_and_commands_are_not() {
        for code in [
            "!flag",
            "!flag && !v.is_empty()",
            "let q = 1;\n!q == 2",
            "!v.iter()\n    .any(|x| *x > 2)",
            "!matches!(flag,\n    true)\n",
            "!flag\n&& flag",
            "#![allow(unused)]\nlet a = 1;\n!a",
        ] {
            assert_eq!(split(code).1, [rust(code, 0, Timing::No)], "{code}");
        }
        for code in [
            "!ls -l",
            "!echo don't",
            "!ls *.rs | head -3",
            "!flag --version",
            "! date",
        ] {
            let (_, parts) = split(&format!("{code}\nlet x = 1;"));
            assert_eq!(parts[0], line("!", code[1..].trim(), 0), "{code}");
            assert_eq!(parts[1], rust("let x = 1;", 1, Timing::No), "{code}");
        }
    }

    /// However many lines may be magics, a text is not parsed from its beginning for each of them.
    #[test]
    fn lines_that_may_be_magics_cost_no_more_in_a_long_text() {
        for (head, line, tail) in [
            ("let s = \"\n", "%x\n", "\";"),
            ("let s = r#\"\n", "!ls\n:vars\n", "\"#;"),
            ("/*\n", "%x\n", "*/"),
            ("fn f() {\n", "!x;\n", "}"),
            ("", "!v.is_empty();\n", ""),
            ("let x = 1 1;\n", "%who\n", ""),
            ("let v = ", "%who\n", ""),
            (")\n", "%who\n", ""),
            ("", "let a = 1;\n%who\n", ""),
        ] {
            let code = format!("{head}{}{tail}", line.repeat(3000));
            PARSED.set(0);
            split_text(&code, Magics(|| &MAGICS), &|name| {
                ["v", "x"].contains(&name)
            });
            let parsed = PARSED.get();
            assert!(
                parsed <= 8 * code.len(),
                "{parsed} bytes of {} in lines {line:?}",
                code.len()
            );
        }
    }

    /// What is known of the beginning of a text must not change what is made of its rest.
    #[test]
    fn a_text_that_grows_is_judged_as_one_that_comes_at_once() {
        for code in [
            "let a = 1;\n!v.is_empty();\n!v.is_empty();\n%who\nlet b = 2",
            "let a = 7\n%env\n%env;\n%who",
            "fn f() {\n%who\n}\n%who\nf()",
            "let s = \"\n%who\n\";\n%who",
            "let s = br#\"a\"b\"#;\n%who\nlet c = '\"';\n%who",
            "let x = 1 1;\n%who\nlet y = 2;\n%who",
            "let x =\n!flag;\n%who",
            "#[derive(Debug)]\nstruct S;\n%who",
            "if flag {}\n%who\nmacro_rules! m { () => {} }\n%who\nm! {}\n%who",
            ")\n%who\n(\n%who",
        ] {
            let (_, parts) = split(code);
            let lines: Vec<&str> = code.split_inclusive('\n').collect();
            let directives: Vec<u32> = parts
                .iter()
                .filter_map(|part| match part {
                    Part::Directive(directive) => Some(directive.line),
                    Part::Rust { .. } => None,
                })
                .collect();
            let mut from = 0;
            for (index, line) in lines.iter().enumerate() {
                if line.trim() != "%who" {
                    continue;
                }
                let before = lines[from..index].concat();
                let is_whole = before.trim().is_empty() || statements(&before).is_ok();
                let is_directive = directives.contains(&(index as u32));
                assert_eq!(is_directive, is_whole, "line {index} of {code:?}");
                if is_directive {
                    from = index + 1;
                }
            }
        }
    }
}
