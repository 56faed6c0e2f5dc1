//! From a parsed chunk and the history to a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use super::{
    directive::Timing,
    history::{Engine, Item},
    parse::{Chunk, Definition, ItemKey},
    program::{Program, Source},
};

/// The symbol of a cell's entry.
pub const ENTRY: &str = "patchbay_cell";

const CHECK: &str = "::patchbay::interrupt::check();";

/// Lints that say nothing in a notebook: a cell's program has names that only later cells use.
const HEAD: &str = "#![allow(unused_variables, unused_mut, unused_imports, unused_macros, unused_assignments, \
     unused_unsafe, unused_parens, unused_braces, unused_attributes, unused_doc_comments, dead_code, \
     unreachable_code, redundant_semicolons, non_local_definitions)]\n\
     use ::patchbay::prelude::*;\n";

/// What a compile has taught about a cell, for the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// Earlier variables that the cell gives away; they cannot be put back.
    pub given_away: BTreeSet<String>,
    /// New variables that the cell itself gives away; they cannot be stored.
    pub moved: BTreeSet<String>,
    /// Variables that borrow from the cell's own; they cannot be stored.
    pub borrowed: BTreeSet<String>,
}

/// How hard to optimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// By what the cell does.
    #[default]
    Auto,
    Fixed(u8),
}

/// A program with all that the session must know about it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub program: Program,
    /// The earlier variables that the cell takes.
    pub takes: Vec<String>,
    /// The variables that it stores.
    pub defines: Vec<Definition>,
    /// Lines of the program that stand for a variable.
    pub marks: BTreeMap<usize, Mark>,
    /// `-C opt-level`.
    pub optimisation: u8,
    /// Whether there is nothing to run.
    pub items_only: bool,
    /// Whether the program has state of its own and must not be shared by two runs.
    pub has_state: bool,
}

/// What a line of the engine's own does with a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub name: String,
    pub purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Makes the compiler name the type.
    AskType,
    Store,
    PutBack,
}

/// Plans the program of a chunk.
pub fn plan(engine: &Engine, chunk: &Chunk, source: &Source, lessons: &Lessons, level: Level, timing: Timing) -> Plan {
    let staying = engine.items_that_stay(chunk);
    let takes = taken_variables(engine, chunk);
    // What a repeated statement defines ends with each repetition.
    let defines =
        if timing == Timing::Repeated { Vec::new() } else { defined_variables(chunk) };
    let earlier = needed_items(engine, &staying, chunk, &takes);

    let mut program = Program::default();
    program.generated(HEAD);
    for item in &earlier {
        write_item(&mut program, &item.parsed, &item.source);
    }
    for item in &chunk.items {
        write_item(&mut program, item, source);
    }

    let repeats = timing == Timing::Repeated
        || chunk.items.iter().any(|item| item.repeats)
        || earlier.iter().any(|item| item.parsed.repeats)
        || chunk.statements.iter().chain(&chunk.last).any(|statement| statement.repeats);
    let mut plan = Plan {
        program,
        takes,
        defines,
        marks: BTreeMap::new(),
        optimisation: match level {
            Level::Fixed(level) => level,
            Level::Auto if repeats => 2,
            Level::Auto => 0,
        },
        items_only: chunk.statements.is_empty() && chunk.last.is_none(),
        has_state: chunk.items.iter().any(|item| item.has_state)
            || earlier.iter().any(|item| item.parsed.has_state),
    };
    if !plan.items_only {
        plan.write_entry(engine, chunk, source, lessons, timing);
    }
    plan
}

/// A program for text that does not parse, so that rustc can say what is wrong with it.
pub fn plan_unparsed(source: &Source) -> Plan {
    let mut program = Program::default();
    program.generated(HEAD);
    program.generated("pub fn patchbay_cell() {\n");
    program.source(source, 0..source.text.len(), &[], "");
    program.generated("\n}\n");
    Plan {
        program,
        takes: Vec::new(),
        defines: Vec::new(),
        marks: BTreeMap::new(),
        optimisation: 0,
        items_only: true,
        has_state: false,
    }
}

impl Plan {
    fn line(&mut self, text: &str) {
        self.program.generated(text);
        self.program.generated("\n");
    }

    fn marked_line(&mut self, text: &str, name: &str, purpose: Purpose) {
        let line = self.program.line_of(self.program.text.len());
        self.marks.insert(line, Mark { name: name.to_owned(), purpose });
        self.line(text);
    }

    fn write_entry(
        &mut self,
        engine: &Engine,
        chunk: &Chunk,
        source: &Source,
        lessons: &Lessons,
        timing: Timing,
    ) {
        self.line("#[unsafe(no_mangle)]");
        self.line(&format!(
            "pub fn {ENTRY}(__cell: &mut ::patchbay::cell::Cell<'_>) \
             -> ::core::result::Result<(), ::patchbay::Failure> {{"
        ));
        let takes = self.takes.clone();
        let types: Vec<(&str, &str, bool)> = takes
            .iter()
            .filter_map(|name| {
                let variable = engine.variables.get(name)?;
                Some((name.as_str(), variable.type_text.as_str(), variable.mutable))
            })
            .collect();
        if !types.is_empty() {
            let mut required = String::from("__cell.require(&[");
            for (name, type_text, _) in &types {
                let _ = write!(required, "(\"{name}\", ::core::any::TypeId::of::<{type_text}>()), ");
            }
            required.push_str("])?;");
            self.line(&required);
            for (name, type_text, mutable) in &types {
                let mutable = if *mutable { "mut " } else { "" };
                self.line(&format!("let {mutable}{name}: {type_text} = __cell.take(\"{name}\");"));
            }
        }
        self.line(
            "let __end = ::patchbay::cell::run(|| -> ::core::result::Result<(), ::patchbay::cell::CellError> {",
        );
        if chunk.awaits {
            self.line("::patchbay::cell::block_on(async {");
        }
        if timing == Timing::Repeated {
            self.line("::patchbay::timing::timeit(|| -> ::core::result::Result<(), ::patchbay::cell::CellError> {");
        }
        for statement in &chunk.statements {
            self.program.source(source, statement.range.clone(), &statement.loop_bodies, CHECK);
            self.program.generated("\n");
        }
        if let Some(last) = &chunk.last {
            let (open, close) = match timing {
                Timing::Repeated => ("let _ = ::core::hint::black_box(", ");\n"),
                _ => ("::patchbay::__show_result!(", ");\n"),
            };
            self.program.generated(open);
            self.program.source(source, last.range.clone(), &last.loop_bodies, CHECK);
            self.program.generated(close);
        }
        if timing == Timing::Repeated {
            self.line("Ok(())");
            self.line("})?;");
        }
        for Definition { name, .. } in self.defines.clone() {
            if lessons.moved.contains(&name) || lessons.borrowed.contains(&name) {
                continue;
            }
            self.marked_line(&format!("::core::mem::drop(&{name});"), &name, Purpose::AskType);
            self.marked_line(&format!("__cell.put(\"{name}\", {name});"), &name, Purpose::Store);
        }
        self.line("::core::result::Result::<(), ::patchbay::cell::CellError>::Ok(())");
        if chunk.awaits {
            self.line("})");
        }
        self.line("});");
        for name in &takes {
            if !lessons.given_away.contains(name) {
                self.marked_line(&format!("__cell.put_back(\"{name}\", {name});"), name, Purpose::PutBack);
            }
        }
        self.line("__end");
        self.line("}");
    }
}

fn write_item(program: &mut Program, item: &super::parse::ParsedItem, source: &Source) {
    match &item.replacement {
        Some(text) => program.stand_in(source, item.range.clone(), text),
        None => program.source(source, item.range.clone(), &item.loop_bodies, CHECK),
    }
    program.generated("\n");
}

/// The earlier variables that a chunk uses before it defines its own of that name.
fn taken_variables(engine: &Engine, chunk: &Chunk) -> Vec<String> {
    let mut defined: BTreeSet<&str> = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for statement in chunk.statements.iter().chain(&chunk.last) {
        for name in &statement.mentions {
            if !defined.contains(name.as_str()) && engine.variables.contains_key(name) {
                taken.insert(name.clone());
            }
        }
        defined.extend(statement.defines.iter().map(|definition| definition.name.as_str()));
    }
    taken.into_iter().collect()
}

/// The variables that a chunk defines, each once, as its last definition has it.
fn defined_variables(chunk: &Chunk) -> Vec<Definition> {
    let mut definitions: Vec<Definition> = Vec::new();
    for definition in chunk.statements.iter().flat_map(|statement| &statement.defines) {
        definitions.retain(|known| known.name != definition.name);
        // A leading underscore says that the value is not wanted.
        if !definition.name.starts_with('_') {
            definitions.push(definition.clone());
        }
    }
    definitions
}

/// The earlier items that a chunk needs, directly or through others, in the order of definition.
fn needed_items(engine: &Engine, staying: &[Arc<Item>], chunk: &Chunk, takes: &[String]) -> Vec<Arc<Item>> {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for statement in chunk.statements.iter().chain(&chunk.last) {
        needed.extend(statement.mentions.iter().map(String::as_str));
    }
    for item in &chunk.items {
        needed.extend(item.mentions.iter().map(String::as_str));
        needed.extend(item.provides.iter().map(String::as_str));
    }
    for name in takes {
        if let Some(variable) = engine.variables.get(name) {
            needed.extend(variable.type_names.iter().map(String::as_str));
        }
    }
    let local_types: BTreeSet<&str> = staying
        .iter()
        .map(|item| &item.parsed)
        .chain(&chunk.items)
        .flat_map(|item| &item.keys)
        .filter_map(|key| match key {
            ItemKey::Type(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();

    let mut present: BTreeSet<&str> = chunk.items.iter().flat_map(type_names).collect();
    let mut included = vec![false; staying.len()];
    loop {
        let mut grew = false;
        for (index, item) in staying.iter().enumerate() {
            if included[index] {
                continue;
            }
            let parsed = &item.parsed;
            let local: Vec<&str> = parsed
                .mentions
                .iter()
                .map(String::as_str)
                .filter(|name| local_types.contains(name))
                .collect();
            let wanted = parsed.provides.iter().any(|name| needed.contains(name.as_str()))
                || parsed.always && local.iter().all(|name| present.contains(name))
                || parsed.belongs_to.as_ref().is_some_and(|header| {
                    let mut local = header.iter().filter(|name| local_types.contains(name.as_str())).peekable();
                    local.peek().is_some() && local.all(|name| present.contains(name.as_str()))
                });
            if wanted {
                included[index] = true;
                grew = true;
                needed.extend(parsed.mentions.iter().map(String::as_str));
                present.extend(type_names(parsed));
            }
        }
        if !grew {
            break;
        }
    }
    staying.iter().zip(included).filter(|(_, included)| *included).map(|(item, _)| item.clone()).collect()
}

fn type_names(item: &super::parse::ParsedItem) -> impl Iterator<Item = &str> {
    item.keys.iter().filter_map(|key| match key {
        ItemKey::Type(name) => Some(name.as_str()),
        _ => None,
    })
}
