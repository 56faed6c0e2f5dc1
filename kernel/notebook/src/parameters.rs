//! The cell with the tag `parameters`, as papermill has it: each `let name = literal;` in it is a
//! default that whoever runs the notebook may replace.

use std::ops::Range;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use syn::{Expr, Lit, Pat, Stmt, UnOp, parse::Parser, spanned::Spanned};

use patchbay_engine::nesting;

/// The tag of the cell.
pub const TAG: &str = "parameters";

/// A value that may be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The variable's name.
    pub name: String,
    /// The kind of value that it takes.
    pub kind: Kind,
    /// The literal in the cell.
    pub default: String,
}

/// The kinds of value that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An integer literal.
    Integer,
    /// A literal with a point or an exponent.
    Number,
    /// `true` or `false`.
    Switch,
    /// A string.
    Text,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::Switch => "true or false",
            Kind::Text => "a text",
        }
    }

    fn read(self, text: &str) -> Option<Value> {
        match self {
            Kind::Integer => text.parse::<i64>().ok().map(|value| json!(value)),
            Kind::Number => text.parse::<f64>().ok().map(|value| json!(value)),
            Kind::Switch => text.parse::<bool>().ok().map(|value| json!(value)),
            Kind::Text => Some(json!(text)),
        }
    }
}

/// The parameters in a cell's text, each with the place of its literal. A text that cannot be read has none.
fn find(code: &str) -> Vec<(Parameter, Range<usize>)> {
    nesting::read(code, || find_in(code)).unwrap_or_default()
}

fn find_in(code: &str) -> Vec<(Parameter, Range<usize>)> {
    let Ok(statements) = syn::Block::parse_within.parse_str(code) else {
        return Vec::new();
    };
    let found = statements.iter().filter_map(|statement| {
        let Stmt::Local(local) = statement else {
            return None;
        };
        let pattern = match &local.pat {
            Pat::Type(typed) => &*typed.pat,
            pattern => pattern,
        };
        let Pat::Ident(name) = pattern else {
            return None;
        };
        let value = &local.init.as_ref()?.expr;
        let literal = match &**value {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => &*unary.expr,
            literal => literal,
        };
        let Expr::Lit(literal) = literal else {
            return None;
        };
        let kind = match &literal.lit {
            Lit::Int(_) => Kind::Integer,
            Lit::Float(_) => Kind::Number,
            Lit::Bool(_) => Kind::Switch,
            Lit::Str(_) => Kind::Text,
            _ => return None,
        };
        let range = value.span().byte_range();
        let parameter = Parameter {
            name: name.ident.to_string(),
            kind,
            default: code[range.clone()].to_owned(),
        };
        Some((parameter, range))
    });
    found.collect()
}

/// The parameters in a cell's text.
pub fn parameters(code: &str) -> Vec<Parameter> {
    find(code)
        .into_iter()
        .map(|(parameter, _)| parameter)
        .collect()
}

/// The cell's text with each literal behind a question for the value that was given.
pub fn open(code: &str) -> String {
    let mut text = code.to_owned();
    for (parameter, range) in find(code).into_iter().rev() {
        let question = format!(
            "::patchbay::parameter({:?}, {})?",
            parameter.name, parameter.default
        );
        text.replace_range(range, &question);
    }
    text
}

/// Reads `name=value` texts.
///
/// # Errors
///
/// Says what was expected, and which parameters there are.
pub fn read(given: &[String], parameters: &[Parameter]) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            bail!("expected -p NAME=VALUE, got -p {text}");
        };
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
            if parameters.is_empty() {
                bail!(
                    "the notebook has no parameters: no cell with the tag `{TAG}`, or no `let name = literal;` in it"
                );
            }
            let all: Vec<String> = parameters
                .iter()
                .map(|parameter| format!("{}={}", parameter.name, parameter.default))
                .collect();
            bail!(
                "the notebook has no parameter {name}; it has {}",
                all.join(", ")
            );
        };
        let Some(value) = parameter.kind.read(value) else {
            bail!(
                "the parameter {name} is {}; it was given {value}",
                parameter.kind.expected()
            );
        };
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "// What to train.\nlet rate = 1e-3;\nlet steps: usize = 10;\nlet name = \"ä\"; let mut on = true;\nlet other = rate * 2.0;\nlet low = -1;";

    #[test]
    fn literals_are_opened_and_all_else_stays() {
        assert_eq!(
            open(CELL),
            "// What to train.\nlet rate = ::patchbay::parameter(\"rate\", 1e-3)?;\n\
             let steps: usize = ::patchbay::parameter(\"steps\", 10)?;\n\
             let name = ::patchbay::parameter(\"name\", \"ä\")?; let mut on = ::patchbay::parameter(\"on\", true)?;\n\
             let other = rate * 2.0;\nlet low = ::patchbay::parameter(\"low\", -1)?;"
        );
        let names: Vec<String> = parameters(CELL)
            .into_iter()
            .map(|found| found.name)
            .collect();
        assert_eq!(names, ["rate", "steps", "name", "on", "low"]);
    }

    #[test]
    fn values_are_checked_against_the_cell() {
        let all = parameters(CELL);
        let read = |text: &str| read(&[text.to_owned()], &all);
        assert_eq!(read("rate=0.5").unwrap()["rate"], json!(0.5));
        assert_eq!(read("name=a=b").unwrap()["name"], json!("a=b"));
        for (given, words) in [
            ("rate", "expected -p NAME=VALUE"),
            ("steps=1.5", "steps is an integer; it was given 1.5"),
            ("rte=1", "no parameter rte; it has rate=1e-3, steps=10"),
        ] {
            let error = read(given).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
