//! What compiles have taught about a cell: which variables it keeps, and how it must be cut into segments. [`learn`](super::learn)
//! draws the lessons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syn::visit::{self, Visit};

use crate::{aside::Aside, chunk::Chunk, nesting};

/// A variable at one place of a cell: a name, and how many definitions of that name the cell has had
/// before; 0 is the earlier cells' variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// The variable's name.
    pub name: String,
    /// The number of the definition among those of this name in the chunk, from 0.
    pub ordinal: usize,
}

impl Binding {
    /// The value of the last expression.
    pub fn shown() -> Binding {
        Binding {
            name: "__shown".to_owned(),
            ordinal: 1,
        }
    }
}

/// What compiles have taught about a cell, for the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lessons {
    /// Bindings that the cell gives away; from there on they cannot be stored.
    pub moved: BTreeSet<Binding>,
    /// Bindings that a segment gives away and assigns again; the segment hands them back.
    pub returned: BTreeSet<Binding>,
    /// Bindings that borrow from the cell's own variables; they cannot be stored.
    pub borrowed: BTreeSet<Binding>,
    /// Bindings whose types have no name, closures for instance; no later cell could take them.
    pub unnameable: BTreeSet<Binding>,
    /// Bindings that are not stored and are not dropped early either, because a drop is one more use.
    pub unreleased: BTreeSet<Binding>,
    /// Positions of statements behind which no segment ends.
    pub joined: BTreeSet<usize>,
    /// The cell is run in one segment.
    pub whole: bool,
    /// A macro of the cell returns from it without a value.
    pub returns_nothing: bool,
    /// Macros whose bodies name variables; they are defined where the variables are.
    pub local_macros: BTreeSet<String>,
    /// Positions of closures that nothing in the cell uses, so that their parameters have no types yet; they are
    /// left to the cells that call them.
    pub left_to_callers: BTreeSet<usize>,
    /// Names in calls of macros that are no variables.
    #[serde(default)]
    pub undefined: BTreeSet<String>,
    /// A variable is of a type that is private to a module; such types can be named by the whole program.
    #[serde(default)]
    pub opens_modules: bool,
    /// Items of earlier cells that no longer compile, by id.
    #[serde(default)]
    pub set_aside: BTreeMap<String, Aside>,
    /// The type of the last expression, where the compiler knows it too late to show the value.
    pub shown_type: Option<String>,
    /// The calls that note the way of an error are left out: the compiler does not take the text with them.
    #[serde(default)]
    pub plain_questions: bool,
    /// A trait of the notebook has a method of a name that the library gives tensors, too: the library's are left out.
    #[serde(default)]
    pub own_tensor_methods: bool,
    /// The program only checks the text: one function, nothing stored.
    #[serde(skip)]
    pub checks_text: bool,
}

impl Lessons {
    /// Whether a binding ends with its cell.
    pub fn ends_with_cell(&self, binding: &Binding) -> bool {
        self.borrowed.contains(binding) || self.unnameable.contains(binding)
    }

    /// The same lessons for a program that only checks the text.
    pub fn checking_text(&self) -> Lessons {
        Lessons {
            checks_text: true,
            ..self.clone()
        }
    }

    /// Gives up storing what the cell defines, and cuts it into no segments.
    pub fn store_nothing(&mut self, chunk: &Chunk) {
        self.whole = true;
        for (binding, _) in bindings(chunk) {
            self.unreleased.insert(binding.clone());
            if !self.unnameable.contains(&binding) {
                self.borrowed.insert(binding);
            }
        }
    }

    /// Whether the cell is one segment.
    pub fn is_whole(&self) -> bool {
        self.whole || !self.local_macros.is_empty() || self.returns_nothing
    }
}

/// The bindings that a chunk's statements define, with the statement of each.
pub fn bindings(chunk: &Chunk) -> Vec<(Binding, usize)> {
    let mut ordinals: BTreeMap<&str, usize> = BTreeMap::new();
    let mut bindings = Vec::new();
    for (position, statement) in chunk.statements.iter().enumerate() {
        for definition in &statement.defines {
            let ordinal = ordinals.entry(&definition.name).or_default();
            *ordinal += 1;
            let name = definition.name.clone();
            let ordinal = *ordinal;
            bindings.push((Binding { name, ordinal }, position));
        }
    }
    bindings
}

/// Whether a name says that its value is not wanted.
pub fn is_unwanted(name: &str) -> bool {
    name.starts_with('_') && !name.starts_with("__")
}

/// Whether a later program can write the type: closures, futures, functions and hidden types have no
/// name, and `!` has none outside of a function's result.
pub fn is_nameable(type_text: &str) -> bool {
    #[derive(Default)]
    struct Never(bool);
    impl<'ast> Visit<'ast> for Never {
        fn visit_type_never(&mut self, _: &'ast syn::TypeNever) {
            self.0 = true;
        }
        fn visit_return_type(&mut self, node: &'ast syn::ReturnType) {
            if !matches!(node, syn::ReturnType::Type(_, output) if matches!(**output, syn::Type::Never(_)))
            {
                visit::visit_return_type(self, node);
            }
        }
    }
    let hidden = ["impl ", "{", "[closure", "[async", "<unnamed"];
    if hidden.iter().any(|mark| type_text.contains(mark)) {
        return false;
    }
    let has_name = || {
        syn::parse_str::<syn::Type>(type_text).is_ok_and(|parsed| {
            let mut never = Never::default();
            never.visit_type(&parsed);
            !never.0
        })
    };
    nesting::read(type_text, has_name).unwrap_or(false)
}
