//! Lines that begin with `!`: a negation in Rust, or a shell command.
//!
//! A line is Rust if it, with the lines that its brackets need, is an expression and
//!
//! - all the names in it are variables or items that there are, or it has no names (`!true`), or
//! - it has what no shell takes for a command: a call `f(x)` or `v.f()`, a macro `m!(…)`, a path `a::b`.
//!
//! Everything else is a command. `! name`, with a space, is one whatever there is of that name.

use std::collections::BTreeSet;

use syn::{
    Block, Expr, ExprPath, Lit, Pat, Stmt,
    parse::Parser,
    visit::{self, Visit},
};

use super::{brackets::Scanner, spans};

/// The most lines that one expression is looked for in.
const MOST_LINES: usize = 100;

/// How many of the lines, of which the first begins with `!`, are one Rust expression; `None` where
/// the first is a shell command.
pub fn lines(lines: &[&str], knows: &dyn Fn(&str) -> bool) -> Option<usize> {
    let first = lines.first()?.trim_start();
    if first[1..].starts_with(char::is_whitespace) {
        return None;
    }
    let mut text = String::new();
    let mut scanner = Scanner::default();
    for (index, line) in lines.iter().take(MOST_LINES).enumerate() {
        text.push_str(line);
        scanner.add(line);
        if scanner.is_broken() {
            return None;
        }
        if scanner.unclosed().is_some() {
            continue;
        }
        match Block::parse_within.parse_str(&text) {
            Ok(statements) => return is_rust(&statements, knows).then_some(index + 1),
            // An operator waits for its right side.
            Err(error) if spans::error_is_at_the_end(&error, &text) => {}
            Err(_) => return None,
        }
    }
    None
}

fn is_rust(statements: &[Stmt], knows: &dyn Fn(&str) -> bool) -> bool {
    let mut signs = Signs::default();
    for statement in statements {
        signs.visit_stmt(statement);
    }
    !signs.odd
        && (signs.certain
            || signs
                .names
                .iter()
                .all(|name| signs.bound.contains(name) || knows(name)))
}

/// What an expression has that tells it from a command.
#[derive(Default)]
struct Signs {
    /// The plain names that it uses.
    names: BTreeSet<String>,
    /// The names that its own patterns bind.
    bound: BTreeSet<String>,
    /// It has something that no shell would take.
    certain: bool,
    /// It has something that rustc would not take, `7z` for instance.
    odd: bool,
}

impl<'ast> Visit<'ast> for Signs {
    fn visit_expr(&mut self, node: &'ast Expr) {
        self.certain |= matches!(
            node,
            Expr::Call(_)
                | Expr::MethodCall(_)
                | Expr::Macro(_)
                | Expr::Struct(_)
                | Expr::Closure(_)
                | Expr::Match(_)
        );
        visit::visit_expr(self, node);
    }

    fn visit_stmt_macro(&mut self, _: &'ast syn::StmtMacro) {
        self.certain = true;
    }

    fn visit_expr_path(&mut self, node: &'ast ExprPath) {
        match node.path.get_ident() {
            Some(name) => drop(self.names.insert(name.to_string())),
            None => self.certain = true,
        }
    }

    fn visit_pat(&mut self, node: &'ast Pat) {
        if let Pat::Ident(name) = node {
            self.bound.insert(name.ident.to_string());
        }
        visit::visit_pat(self, node);
    }

    fn visit_lit(&mut self, node: &'ast Lit) {
        const TYPES: [&str; 15] = [
            "", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
            "usize", "f32", "f64",
        ];
        let suffix = match node {
            Lit::Int(number) => number.suffix(),
            Lit::Float(number) => number.suffix(),
            _ => "",
        };
        self.odd |= !TYPES.contains(&suffix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_rust(text: &str) -> bool {
        let all: Vec<&str> = text.split_inclusive('\n').collect();
        lines(&all, &|name| ["flag", "v", "x", "y"].contains(&name)).is_some()
    }

    #[test]
    fn expressions_of_known_names_and_with_calls_are_rust() {
        for text in [
            "!flag",
            "!x && y",
            "!x & y == 0;",
            "!true",
            "!0u8",
            "!v[0]",
            "!*x",
            "!(x) || y",
            "!unknown()",
            "!unknown.is_empty()",
            "!std::env::args().any(|word| word == \"x\")",
            "!Path::ROOT",
            "!cfg!(test)",
            "!{ let a = x; a > y }",
            "!if x { y } else { x }",
            "!x // the other",
            "!!x",
            "!x as u8 as char == 'a'",
            "!v\n    .contains(&3)",
            "!x &&\n    y",
            "!matches!(\n    x,\n    Some(_)\n)",
        ] {
            assert!(is_rust(text), "{text}");
        }
    }

    #[test]
    fn commands_are_not_rust() {
        for text in [
            "!ls",
            "!ls -l",
            "!ls -l | head -3",
            "!ls; pwd",
            "!script.sh",
            "!cat x",
            "!echo \"hello\"",
            "!echo don't",
            "!python -c 'print(1)'",
            "!kill -9 1234",
            "!a=1",
            "!7z",
            "!{ ls; }",
            "!ls > y",
            "! flag",
            "! x",
            "!test -f x && echo y",
            "!cargo --version",
            "!(cd /; ls)",
        ] {
            assert!(!is_rust(text), "{text}");
        }
    }
}
