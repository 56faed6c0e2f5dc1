//! From a parsed chunk and the history to a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::{
    completeness,
    directive::Timing,
    history::{Engine, Item},
    lessons::{Binding, Lessons},
    parse::{Chunk, Definition, ItemKey},
    program::{Program, Source},
};

/// The symbol of a cell's entry.
pub const ENTRY: &str = "patchbay_cell";

/// The name of the crate of every cell.
const CELL_CRATE: &str = "cell";

pub(super) const CHECK: &str = "::patchbay::interrupt::check();";

/// Lints that say nothing in a notebook: a cell's program has names that only later cells use.
const HEAD: &str = "#![allow(unused_variables, unused_mut, unused_imports, unused_macros, unused_assignments, \
     unused_unsafe, unused_parens, unused_braces, unused_attributes, unused_doc_comments, dead_code, \
     unreachable_code, redundant_semicolons, non_local_definitions)]\n\
     use ::patchbay::prelude::*;\n";

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
    /// The names of variables that the cell assigns as a whole.
    pub assigns: BTreeSet<String>,
    /// Lines of the program that stand for a variable.
    pub marks: BTreeMap<usize, Mark>,
    /// The macros among the program's items, with their bytes.
    pub macros: Vec<(String, Range<usize>)>,
    /// `-C opt-level`.
    pub optimisation: u8,
    /// The crate's name. Equal names (and metadata) make a type that a cell defines one type in
    /// all cells.
    pub crate_name: String,
    /// Environment variables that the program reads when it is compiled.
    pub environment: Vec<(String, String)>,
    /// Whether there is nothing to run, so that the program is checked and not compiled.
    pub items_only: bool,
    /// Whether the program has state of its own and must not be shared by two runs.
    pub has_state: bool,
}

/// What a line of the engine's own does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Makes the compiler name the type.
    AskType(Binding),
    /// Stores a variable, or puts it back.
    Store(Binding),
    /// Ends a borrow, so that what it borrows from can be stored.
    Release(Binding),
    /// Hands the variables of a segment to the next.
    Segment,
}

impl Mark {
    /// The variable that the line is about.
    pub fn binding(&self) -> Option<Binding> {
        match self {
            Mark::AskType(binding) | Mark::Store(binding) | Mark::Release(binding) => {
                Some(binding.clone())
            }
            Mark::Segment => None,
        }
    }
}

/// Plans the program of a chunk.
pub fn plan(
    engine: &Engine,
    chunk: &Chunk,
    source: &Source,
    lessons: &Lessons,
    level: Level,
    timing: Timing,
) -> Plan {
    let staying = engine.items_that_stay(chunk);
    let mut takes = taken_variables(engine, chunk);
    // What a repeated statement defines ends with each repetition.
    let defines = if timing == Timing::Repeated {
        Vec::new()
    } else {
        defined_variables(chunk)
    };
    let mut earlier = needed_items(engine, &staying, chunk, &takes);
    if !lessons.local_macros.is_empty() {
        take_for_macros(engine, chunk, &earlier, lessons, &mut takes);
        earlier = needed_items(engine, &staying, chunk, &takes);
    }
    let (earlier_macros, earlier): (Vec<_>, Vec<_>) = earlier
        .into_iter()
        .partition(|item| item.parsed.is_local_macro(lessons));

    let mut program = Program::default();
    program.generated(HEAD);
    let mut macros = Vec::new();
    let items = earlier.iter().map(|item| (&*item.parsed, &item.source));
    for (item, source) in items.chain(chunk.items.iter().map(|item| (&**item, source))) {
        if item.is_local_macro(lessons) {
            continue;
        }
        let start = program.text.len();
        write_item(&mut program, item, source);
        let name = item.macro_name().map(str::to_owned);
        macros.extend(name.map(|name| (name, start..program.text.len())));
    }

    let repeats = timing == Timing::Repeated
        || chunk.items.iter().any(|item| item.repeats)
        || earlier.iter().any(|item| item.parsed.repeats)
        || chunk
            .statements
            .iter()
            .chain(&chunk.last)
            .any(|statement| statement.repeats);
    let mut plan = Plan {
        program,
        takes,
        defines,
        assigns: chunk
            .statements
            .iter()
            .chain(&chunk.last)
            .flat_map(|statement| statement.assigns.iter().cloned())
            .collect(),
        marks: BTreeMap::new(),
        macros,
        optimisation: match level {
            Level::Fixed(level) => level,
            Level::Auto if repeats => 2,
            Level::Auto => 0,
        },
        crate_name: CELL_CRATE.to_owned(),
        environment: Vec::new(),
        items_only: chunk.statements.is_empty() && chunk.last.is_none(),
        has_state: chunk.items.iter().any(|item| item.has_state)
            || earlier.iter().any(|item| item.parsed.has_state),
    };
    if !plan.items_only {
        plan.write_entry(engine, chunk, source, lessons, timing, &earlier_macros);
    }
    // The check of a text needs no code.
    plan.items_only |= lessons.checks_text;
    plan
}

/// Adds the variables that the bodies of macros name.
fn take_for_macros(
    engine: &Engine,
    chunk: &Chunk,
    earlier: &[Arc<Item>],
    lessons: &Lessons,
    takes: &mut Vec<String>,
) {
    let earlier = earlier
        .iter()
        .map(|item| (&*item.parsed, 0))
        .chain(chunk.items.iter().map(|item| (&**item, item.range.start)))
        .filter(|(item, _)| item.is_local_macro(lessons));
    for (item, position) in earlier {
        let defined_before = |name: &String| {
            chunk
                .statements
                .iter()
                .take_while(|statement| statement.range.start < position)
                .flat_map(|statement| &statement.defines)
                .any(|definition| definition.name == *name)
        };
        for name in &item.mentions {
            let taken = engine.variables.contains_key(name) && !takes.contains(name);
            if taken && !defined_before(name) {
                takes.push(name.clone());
            }
        }
    }
    takes.sort();
}

/// A program for text that does not parse, so that rustc can say what is wrong with it.
pub fn plan_unparsed(source: &Source) -> Plan {
    let mut program = Program::default();
    program.generated(HEAD);
    program.generated("pub fn patchbay_cell() {\n");
    program.source(source, 0..source.text.len(), &[], "");
    // The engine's bracket would close the cell's, and rustc would point at the engine's as the one that is open.
    if completeness::unclosed(&source.text).is_none() {
        program.generated("\n}\n");
    }
    Plan {
        program,
        takes: Vec::new(),
        defines: Vec::new(),
        assigns: BTreeSet::new(),
        marks: BTreeMap::new(),
        macros: Vec::new(),
        optimisation: 0,
        crate_name: CELL_CRATE.to_owned(),
        environment: Vec::new(),
        items_only: true,
        has_state: false,
    }
}

/// The plan of a plugin's program.
pub fn plan_plugin(program: Program, crate_name: String, source: String) -> Plan {
    Plan {
        program,
        takes: Vec::new(),
        defines: Vec::new(),
        assigns: BTreeSet::new(),
        marks: BTreeMap::new(),
        macros: Vec::new(),
        optimisation: 3,
        crate_name,
        environment: vec![("PATCHBAY_PLUGIN_SOURCE".to_owned(), source)],
        items_only: false,
        has_state: false,
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
        defined.extend(
            statement
                .defines
                .iter()
                .map(|definition| definition.name.as_str()),
        );
    }
    taken.into_iter().collect()
}

/// The variables that a chunk defines, each once, as its last definition has it.
fn defined_variables(chunk: &Chunk) -> Vec<Definition> {
    let mut definitions: Vec<Definition> = Vec::new();
    for definition in chunk
        .statements
        .iter()
        .flat_map(|statement| &statement.defines)
    {
        definitions.retain(|known| known.name != definition.name);
        if !definition.name.starts_with('_') {
            definitions.push(definition.clone());
        }
    }
    definitions
}

/// The earlier items that a chunk needs, directly or through others, in the order of definition.
fn needed_items(
    engine: &Engine,
    staying: &[Arc<Item>],
    chunk: &Chunk,
    takes: &[String],
) -> Vec<Arc<Item>> {
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
        .map(|item| &*item.parsed)
        .chain(chunk.items.iter().map(|item| &**item))
        .flat_map(|item| &item.keys)
        .filter_map(|key| match key {
            ItemKey::Type(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();

    let mut present: BTreeSet<&str> = chunk
        .items
        .iter()
        .flat_map(|item| type_names(item))
        .collect();
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
            let wanted = parsed
                .provides
                .iter()
                .any(|name| needed.contains(name.as_str()))
                || parsed.always && local.iter().all(|name| present.contains(name))
                || parsed.belongs_to.as_ref().is_some_and(|header| {
                    let mut local = header
                        .iter()
                        .filter(|name| local_types.contains(name.as_str()))
                        .peekable();
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
    staying
        .iter()
        .zip(included)
        .filter(|(_, included)| *included)
        .map(|(item, _)| item.clone())
        .collect()
}

fn type_names(item: &super::parse::ParsedItem) -> impl Iterator<Item = &str> {
    item.keys.iter().filter_map(|key| match key {
        ItemKey::Type(name) => Some(name.as_str()),
        _ => None,
    })
}
