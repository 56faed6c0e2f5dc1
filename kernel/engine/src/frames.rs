//! The way of an error through functions of cells, as it is shown.
//!
//! The runtime has noted each `?` that passed an error on, also of errors that were handled. A note belongs to the way if the `?`
//! next further out calls the function that the note is in.

use std::{collections::BTreeSet, ops::Range};

use quote::ToTokens;
use syn::{
    Expr, Pat,
    parse::Parser,
    visit::{self, Visit},
};

use crate::{items::attributes, names::mentions, nesting, program::Location, spans::range};

/// A `?` that an error passed.
struct Passage {
    /// The function, or the variable of the closure.
    function: Option<String>,
    /// The names in the expressions that begin here.
    calls: BTreeSet<String>,
    /// Those expressions as a whole.
    range: Range<usize>,
}

/// The lines that tell of the way to the `?` at `last`, the outermost first; `noted` are the places before it, the innermost
/// first.
pub fn lines(last: &Location, noted: &[Location]) -> Vec<String> {
    let mut outer = (last.clone(), Passage::at(last));
    let mut found = Vec::new();
    for location in noted.iter().rev() {
        let passage = Passage::at(location);
        let is_called = passage
            .function
            .as_ref()
            .is_some_and(|name| outer.1.calls.contains(name));
        let is_inside = location.source.cell == outer.0.source.cell
            && location.source.first_line == outer.0.source.first_line
            && outer.1.range.start < location.range.start
            && location.range.start < outer.1.range.end;
        if !is_called && !is_inside {
            break;
        }
        found.push(line(location, passage.function.as_deref()));
        outer = (location.clone(), passage);
    }
    found
}

fn line(location: &Location, function: Option<&str>) -> String {
    let source = &location.source;
    let text = &source.text;
    let at = location.range.start;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let column = text[start..at].chars().count() + 1;
    let function = function.map_or_else(String::new, |name| format!(", in {name}"));
    format!(
        "called through: cell [{}]:{}:{column}{function}: {}",
        source.cell,
        source.line_of(at),
        text[start..end].trim()
    )
}

impl Passage {
    fn at(location: &Location) -> Passage {
        let at = location.range.start;
        let text = &location.source.text;
        let read = || {
            let mut finder = Finder {
                at,
                functions: Vec::new(),
                found: Passage {
                    function: None,
                    calls: BTreeSet::new(),
                    range: at..at,
                },
            };
            if let Ok((_, statements)) = attributes::parse.parse_str(text) {
                for statement in &statements {
                    finder.visit_stmt(statement);
                }
            }
            finder.found
        };
        nesting::read(text, read).unwrap_or(Passage {
            function: None,
            calls: BTreeSet::new(),
            range: at..at,
        })
    }
}

/// Looks for the expressions in front of `?` that begin at a place.
struct Finder {
    at: usize,
    /// The functions around the current place.
    functions: Vec<String>,
    found: Passage,
}

impl Finder {
    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.functions.push(name);
        visit(self);
        self.functions.pop();
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_expr_try(&mut self, node: &'ast syn::ExprTry) {
        let whole = range(&node.expr);
        if whole.start == self.at {
            self.found.function = self.functions.last().cloned();
            self.found.range.end = self.found.range.end.max(whole.end);
            let calls = mentions(node.expr.to_token_stream());
            self.found.calls.extend(calls);
        }
        visit::visit_expr_try(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        let name = node.sig.ident.to_string();
        self.within(name, |this| visit::visit_item_fn(this, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        let name = node.sig.ident.to_string();
        self.within(name, |this| visit::visit_impl_item_fn(this, node));
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        let name = node.sig.ident.to_string();
        self.within(name, |this| visit::visit_trait_item_fn(this, node));
    }

    fn visit_local(&mut self, node: &'ast syn::Local) {
        let closure = node
            .init
            .as_ref()
            .filter(|init| matches!(*init.expr, Expr::Closure(_) | Expr::Async(_)));
        match (closure, &node.pat) {
            (Some(_), Pat::Ident(name)) => {
                let name = name.ident.to_string();
                self.within(name, |this| visit::visit_local(this, node));
            }
            _ => visit::visit_local(self, node),
        }
    }
}
