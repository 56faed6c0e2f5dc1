//! From a parsed chunk and the history to a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use super::planned::{ENTRY, Level, Mark, Plan};
use super::{
    brackets::Scanner,
    chunk::{Chunk, Definition},
    entry::Earlier,
    history::Engine,
    item::Item,
    items::{
        scope::Root,
        select::{self, Needed},
        write::Writer,
    },
    lessons::{Lessons, is_unwanted},
    planned::CHECK,
    program::{Program, Source},
    timing::Timing,
};

/// The name of the crate of every cell.
const CELL_CRATE: &str = "cell";

/// Lints that say nothing in a notebook: a cell's program has names that only later cells use.
const LINTS: &str = "#![allow(unused_variables, unused_mut, unused_imports, unused_macros, unused_assignments, \
     unused_unsafe, unused_parens, unused_braces, unused_attributes, unused_doc_comments, dead_code, \
     unreachable_code, redundant_semicolons, non_local_definitions)]\n";

/// The names that every cell has.
const PRELUDE: &str = "use ::patchbay::prelude::*;\n";

/// A name that is declared stands before one that `*` imports, so the trait is not in scope.
const HIDES_TENSOR_METHODS: &str = "#[allow(dead_code)] struct TensorMethods;\n";

/// What the symbols of statics need; see [`statics`](super::items::statics).
const STATICS: &str = "#![feature(linkage)]\n";

/// Tells the runtime to let other programs see the statics.
const SHARES_STATICS: &str = "#[unsafe(no_mangle)] static patchbay_shares_statics: u8 = 0;\n";

/// Plans the program of a chunk.
pub fn plan(
    engine: &Engine,
    chunk: &Chunk,
    source: &Source,
    lessons: &Lessons,
    level: Level,
    timing: Timing,
) -> Plan {
    let standing = engine.standing(chunk, source);
    let why_aside = |item: &Item| {
        let known = standing.aside.get(&item.id);
        known.or_else(|| lessons.set_aside.get(&item.id))
    };
    let mut staying = standing.items.clone();
    let mut aside = Vec::new();
    if !standing.aside.is_empty() || !lessons.set_aside.is_empty() {
        (staying, aside) = staying
            .into_iter()
            .partition(|item| why_aside(item).is_none());
    }
    let closures = engine.closures_of(chunk);
    let mut takes = taken_variables(engine, chunk);
    for name in closures.iter().flat_map(|closure| &closure.captures) {
        if engine.variables.contains_key(name) && !takes.contains(name) {
            takes.push(name.clone());
        }
    }
    takes.sort();
    // What a repeated statement defines ends with each repetition.
    let defines = if timing == Timing::Repeated {
        Vec::new()
    } else {
        defined_variables(chunk, lessons)
    };
    let needed_by = |takes: &[String]| Needed::by_chunk(engine, chunk, takes, &closures);
    let mut needed = needed_by(&takes).select(&staying, chunk);
    if !lessons.local_macros.is_empty() {
        take_for_macros(engine, chunk, &needed, lessons, &mut takes);
        needed = needed_by(&takes).select(&staying, chunk);
    }
    let repeats_earlier = needed.iter().any(|item| item.parsed.repeats);
    let dependents = select::dependents(&engine.items, &staying, chunk);
    let earlier = match dependents.is_empty() {
        true => needed,
        false => needed_by(&takes).and(dependents).select(&staying, chunk),
    };
    let (earlier_macros, earlier): (Vec<_>, Vec<_>) = earlier
        .into_iter()
        .partition(|item| item.parsed.is_local_macro(lessons));

    let has_statics = chunk
        .items
        .iter()
        .map(|item| &**item)
        .chain(earlier.iter().map(|item| &*item.parsed))
        .any(|item| !item.shape.statics.is_empty());
    let mut program = Program::default();
    if has_statics {
        program.generated(STATICS);
    }
    program.generated(LINTS);
    for attribute in &chunk.crate_attributes {
        program.generated(attribute);
        program.generated("\n");
    }
    program.generated(PRELUDE);
    if lessons.own_tensor_methods {
        program.generated(HIDES_TENSOR_METHODS);
    }
    if has_statics {
        program.generated(SHARES_STATICS);
    }
    let writer = Writer {
        symbols: engine.symbols(&standing, chunk, source),
        check: CHECK,
        lessons,
    };
    let aside_ids = aside.iter().map(|item| item.id.as_str());
    let root = Root::new(&engine.births, &staying, &earlier, chunk, aside_ids);
    let items = writer.write_all(&mut program, &earlier, chunk, source, &root);

    let repeats = timing == Timing::Repeated
        || closures.iter().any(|closure| closure.repeats)
        || chunk.items.iter().any(|item| item.repeats)
        || repeats_earlier
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
        optimization: match level {
            Level::Fixed(level) => level,
            Level::Auto if repeats => 2,
            Level::Auto => 0,
        },
        crate_name: CELL_CRATE.to_owned(),
        environment: Vec::new(),
        items_only: chunk.statements.is_empty() && chunk.last.is_none(),
        has_state: chunk.items.iter().any(|item| item.has_state)
            || earlier.iter().any(|item| item.parsed.has_state),
        has_statics,
        items,
        aside: aside
            .into_iter()
            .filter_map(|item| {
                let aside = why_aside(&item)?.clone();
                Some((item, aside))
            })
            .collect(),
    };
    if !plan.items_only {
        let earlier = Earlier {
            macros: earlier_macros,
            closures,
        };
        plan.write_entry(engine, chunk, source, lessons, timing, &earlier);
    }
    // The check of a text needs no code.
    plan.items_only |= lessons.checks_text;
    plan
}

/// A program for text that does not parse, so that rustc can say what is wrong with it.
pub fn plan_unparsed(source: &Source) -> Plan {
    let mut program = Program::default();
    program.generated(LINTS);
    program.generated(PRELUDE);
    program.generated("pub fn patchbay_cell() {\n");
    program.source(source, 0..source.text.len(), &[], "");
    // The engine's bracket would close the cell's, and rustc would point at the engine's as the one that is open.
    if Scanner::of(&source.text).unclosed().is_none() {
        program.generated("\n}\n");
    }
    Plan {
        program,
        takes: Vec::new(),
        defines: Vec::new(),
        assigns: BTreeSet::new(),
        marks: BTreeMap::new(),
        optimization: 0,
        crate_name: CELL_CRATE.to_owned(),
        environment: Vec::new(),
        items_only: true,
        has_state: false,
        has_statics: false,
        items: Vec::new(),
        aside: Vec::new(),
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
        optimization: 3,
        crate_name,
        environment: vec![("PATCHBAY_PLUGIN_SOURCE".to_owned(), source)],
        items_only: false,
        has_state: false,
        has_statics: false,
        items: Vec::new(),
        aside: Vec::new(),
    }
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
fn defined_variables(chunk: &Chunk, lessons: &Lessons) -> Vec<Definition> {
    let mut definitions: Vec<Definition> = Vec::new();
    for definition in chunk
        .statements
        .iter()
        .flat_map(|statement| &statement.defines)
    {
        definitions.retain(|known| known.name != definition.name);
        if !is_unwanted(&definition.name) && !lessons.undefined.contains(&definition.name) {
            definitions.push(definition.clone());
        }
    }
    definitions
}
