//! Magics: the lines of a cell that are not Rust.

use std::sync::Arc;

/// A cell magic (`%%time`) with the rest of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellMagic {
    pub name: String,
    pub argument: String,
}

/// A part of a cell. The parts run in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Rust {
        text: Arc<str>,
        /// The line of the cell (from 0) that it begins in.
        first_line: u32,
        timing: Timing,
    },
    Directive(Directive),
}

/// Whether and how a part is timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    #[default]
    No,
    /// `%time`: once.
    Once,
    /// `%timeit`: many times, with the mean and the spread.
    Repeated,
}

/// A line that is not Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The word behind `%` or `:`, or `!` for a shell command.
    pub name: String,
    pub argument: String,
    pub line: u32,
}

/// Splits a cell into its cell magic and its parts.
///
/// A line is a directive if it begins with `%name`, `:name` or `!command` and what stands before it
/// is whole statements, so that an expression may go on with `% 3` in a new line and a string may
/// hold a line like `%who`.
pub fn split(code: &str) -> (Option<CellMagic>, Vec<Part>) {
    let (magic, body, offset) = cell_magic(code);
    let mut parts = Vec::new();
    let mut rust = String::new();
    let mut first_line = offset;
    for (index, line) in body.split_inclusive('\n').enumerate() {
        let number = offset + u32::try_from(index).unwrap_or(u32::MAX);
        let directive = directive(line, number).filter(|_| is_whole(&rust));
        let Some(directive) = directive else {
            rust.push_str(line);
            continue;
        };
        push_rust(&mut parts, &mut rust, first_line, Timing::No);
        match directive.name.as_str() {
            "time" | "timeit" if !directive.argument.is_empty() => {
                let timing = if directive.name == "time" {
                    Timing::Once
                } else {
                    Timing::Repeated
                };
                // The statement keeps its columns, so that errors point to the right place.
                let column = line.find(&directive.argument).unwrap_or(0);
                let mut text = " ".repeat(column) + &directive.argument;
                push_rust(&mut parts, &mut text, number, timing);
            }
            _ => parts.push(Part::Directive(directive)),
        }
        first_line = number + 1;
    }
    push_rust(&mut parts, &mut rust, first_line, Timing::No);
    (magic, parts)
}

fn push_rust(parts: &mut Vec<Part>, rust: &mut String, first_line: u32, timing: Timing) {
    let text = std::mem::take(rust);
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

fn directive(line: &str, number: u32) -> Option<Directive> {
    let text = line.trim();
    let (name, argument) = match text.as_bytes() {
        [b'!', _, ..] if !text.starts_with("!(") => ("!", &text[1..]),
        [b'%' | b':', second, ..] if second.is_ascii_alphabetic() => text[1..]
            .split_once(char::is_whitespace)
            .unwrap_or((&text[1..], "")),
        _ => return None,
    };
    Some(Directive {
        name: name.to_owned(),
        argument: argument.trim().to_owned(),
        line: number,
    })
}

/// Whether a text is nothing but whole statements, of which the last may be an expression.
fn is_whole(text: &str) -> bool {
    let parses = || syn::parse::Parser::parse_str(syn::Block::parse_within, text).is_ok();
    text.trim().is_empty() || super::nesting::read(text, parses).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
