//! A chunk of Rust as it was read.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use crate::items::Shape;

/// A chunk of a cell as the engine understands it. All positions are byte offsets into its text.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The items, in their order.
    pub items: Vec<Arc<ParsedItem>>,
    /// The statements that run, in order.
    pub statements: Vec<Statement>,
    /// The final expression, which is shown.
    pub last: Option<Statement>,
    /// Whether `.await` occurs outside every function and block of its own.
    pub awaits: bool,
    /// Whether the text did not parse, and is one statement as it stands.
    pub is_unparsed: bool,
    /// Inner attributes for the whole program.
    pub crate_attributes: Vec<String>,
    /// Lint levels for the items, as attributes.
    pub lint_levels: String,
    /// An attribute that no cell can have, and why.
    pub refused: Option<(Range<usize>, String)>,
}

/// A statement or the final expression.
#[derive(Debug)]
pub struct Statement {
    /// The statement's bytes in the chunk's text.
    pub range: Range<usize>,
    /// The identifiers it mentions.
    pub mentions: BTreeSet<String>,
    /// The variables that it defines at the chunk's top level.
    pub defines: Vec<Definition>,
    /// Where an interruption check goes: the positions behind the opening braces of its loops.
    pub loop_bodies: Vec<usize>,
    /// The expressions in front of `?` in its closures and functions, the outer ones first.
    pub questions: Vec<Range<usize>>,
    /// Whether it is worth optimizing: it has loops, or functions and closures that may run often.
    pub repeats: bool,
    /// Whether it is a `let`.
    pub is_let: bool,
    /// Whether it is a `let` that only names a literal.
    pub is_constant: bool,
    /// Whether it is a `let` of a closure or an async block, whose type has no name.
    pub is_closure: bool,
    /// Whether that closure takes what it captures by value.
    pub is_moving: bool,
    /// Whether it is a macro call.
    pub is_macro: bool,
    /// The identifiers between the brackets of a macro of the user's, each of which may name a variable that the macro
    /// defines.
    pub macro_names: Vec<String>,
    /// Whether a closure or a reference is in it, which may borrow what is named.
    pub captures: bool,
    /// What is inserted where it returns from the cell, in the order of the positions.
    pub returns: Vec<Insertion>,
    /// Variables that it gives away as a whole, as far as its syntax tells.
    pub gives_away: BTreeSet<String>,
    /// Variables that it assigns as a whole.
    pub assigns: BTreeSet<String>,
}

/// Text that a program has behind a position of the source.
#[derive(Debug)]
pub struct Insertion {
    /// The offset in the chunk's text, in bytes.
    pub position: usize,
    /// The text that is inserted.
    pub text: &'static str,
}

/// A variable that a `let` defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The variable's name.
    pub name: String,
    /// Whether it was defined with `mut`.
    pub mutable: bool,
}

/// An item: a function, a type, a trait, an impl, an import, a macro, a module.
#[derive(Debug)]
pub struct ParsedItem {
    /// The item's bytes in the chunk's text.
    pub range: Range<usize>,
    /// What a later definition with an equal key replaces.
    pub keys: Vec<ItemKey>,
    /// The identifiers under which other code reaches the item.
    pub provides: BTreeSet<String>,
    /// The local names of an impl's header: it belongs to a program that has all of them.
    pub belongs_to: Option<BTreeSet<String>>,
    /// The names in the item's text.
    pub mentions: BTreeSet<String>,
    /// The offsets at which bodies of loops begin, for checks of interrupts.
    pub loop_bodies: Vec<usize>,
    /// The expressions in front of `?` in its functions, the outer ones first.
    pub questions: Vec<Range<usize>>,
    /// Whether it has loops or calls itself.
    pub repeats: bool,
    /// Whether it defines a type, whose variables a redefinition makes stale.
    pub is_type: bool,
    /// Whether it has state of its own, so that two runs must not share one loaded program.
    pub has_state: bool,
    /// The text to use in place of the source, for a part of a grouped import.
    pub replacement: Option<String>,
    /// Whether every program repeats it: an import of an outside crate, whose traits are reached
    /// without being named.
    pub always: bool,
    /// Where types and modules within a module are defined that are private to it: the positions of their keywords.
    pub private_types: Vec<usize>,
    /// What the item is made of, as far as edits ask.
    pub shape: Shape,
}

/// What makes two items the same item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKey {
    /// A type, trait or alias.
    Type(String),
    /// A function, constant or static.
    Value(String),
    /// A macro.
    Macro(String),
    /// A name that a `use` brings.
    Import(String),
    /// An impl of a trait, by its header.
    Impl(String),
    /// A method or constant of an inherent impl, by header and name.
    Inherent(String, String),
}

impl ItemKey {
    /// The name that a type has.
    pub fn type_name(&self) -> Option<&str> {
        match self {
            ItemKey::Type(name) => Some(name),
            _ => None,
        }
    }
}

impl Chunk {
    /// Whether a name was taken for a variable because the call of a macro mentions it.
    pub fn is_of_macro(&self, name: &str) -> bool {
        self.statements.iter().any(|statement| {
            statement.is_macro && statement.defines.iter().any(|known| known.name == name)
        })
    }

    /// Takes the names in calls of the user's macros for variables that the macros define, where `is_known` says
    /// of nothing else of the name. The compiler is asked whether they are there.
    pub fn expect_variables_of_macros(&mut self, is_known: impl Fn(&str) -> bool) {
        let mut known: BTreeSet<String> = self
            .items
            .iter()
            .flat_map(|item| item.provides.iter().cloned())
            .collect();
        for statement in &mut self.statements {
            for name in &statement.macro_names {
                if known.insert(name.clone()) && !is_known(name) {
                    statement.defines.push(Definition {
                        name: name.clone(),
                        mutable: true,
                    });
                }
            }
            known.extend(statement.defines.iter().map(|known| known.name.clone()));
        }
    }
}

impl Chunk {
    /// Whether the chunk defines a function, constant or static of this name.
    pub fn has_value(&self, name: &str) -> bool {
        self.items.iter().flat_map(|item| &item.keys).any(
            |key| matches!(key, ItemKey::Value(known) | ItemKey::Import(known) if known == name),
        )
    }

    /// The position of the `let` of a closure that nothing in the chunk uses and that an error points at.
    pub fn unused_closure(&self, touched: &BTreeSet<usize>) -> Option<usize> {
        let is_unused = |position: usize, statement: &Statement| {
            self.statements
                .iter()
                .chain(&self.last)
                .skip(position + 1)
                .all(|later| {
                    statement
                        .defines
                        .iter()
                        .all(|definition| !later.mentions.contains(&definition.name))
                })
        };
        self.statements
            .iter()
            .enumerate()
            .find(|(position, statement)| {
                statement.is_closure
                    && touched.contains(position)
                    && is_unused(*position, statement)
            })
            .map(|(position, _)| position)
    }
}
