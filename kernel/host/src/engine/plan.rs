//! From a parsed chunk and the history to a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    completeness,
    directive::Timing,
    history::{Engine, Item},
    parse::{Chunk, Definition, ItemKey},
    program::{Program, Source},
};

/// The symbol of a cell's entry.
pub const ENTRY: &str = "patchbay_cell";

/// The name of the crate of every cell.
const CELL_CRATE: &str = "cell";

const CHECK: &str = "::patchbay::interrupt::check();";

/// Lints that say nothing in a notebook: a cell's program has names that only later cells use.
const HEAD: &str = "#![allow(unused_variables, unused_mut, unused_imports, unused_macros, unused_assignments, \
     unused_unsafe, unused_parens, unused_braces, unused_attributes, unused_doc_comments, dead_code, \
     unreachable_code, redundant_semicolons, non_local_definitions)]\n\
     use ::patchbay::prelude::*;\n";

/// A variable at one place of a cell: a name, and how many definitions of that name the cell has had
/// before; 0 is the earlier cells' variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    pub name: String,
    pub ordinal: usize,
}

/// What a compile has taught about a cell, for the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lessons {
    /// Bindings that the cell gives away; from there on they cannot be stored.
    pub moved: BTreeSet<Binding>,
    /// Bindings that a segment gives away and assigns again; the segment hands them back.
    pub returned: BTreeSet<Binding>,
    /// Bindings that borrow from the cell's own variables; they cannot be stored.
    pub borrowed: BTreeSet<Binding>,
    /// Borrowing bindings that are not dropped early either, because a drop is one more use.
    pub unreleased: BTreeSet<Binding>,
    /// The cell cannot be run in segments, because a statement borrows what the one before it made
    /// in passing.
    pub whole: bool,
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
    /// The names of variables that the cell assigns as a whole.
    pub assigns: BTreeSet<String>,
    /// Lines of the program that stand for a variable.
    pub marks: BTreeMap<usize, Mark>,
    /// `-C opt-level`.
    pub optimisation: u8,
    /// The crate's name. Equal names (and metadata) make a type that a cell defines one type in
    /// all cells.
    pub crate_name: String,
    /// Environment variables that the program reads when it is compiled.
    pub environment: Vec<(String, String)>,
    /// Whether there is nothing to run.
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
    let takes = taken_variables(engine, chunk);
    // What a repeated statement defines ends with each repetition.
    let defines = if timing == Timing::Repeated {
        Vec::new()
    } else {
        defined_variables(chunk)
    };
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
        optimisation: 3,
        crate_name,
        environment: vec![("PATCHBAY_PLUGIN_SOURCE".to_owned(), source)],
        items_only: false,
        has_state: false,
    }
}

impl Plan {
    fn line(&mut self, text: &str) {
        self.program.generated(text);
        self.program.generated("\n");
    }

    fn marked_line(&mut self, text: &str, mark: Mark) {
        let line = self.program.line_of(self.program.text.len());
        self.marks.insert(line, mark);
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
            "pub fn {ENTRY}(__cell: &mut ::patchbay::cell::Cell<'_>) {{"
        ));
        self.write_takes(engine, lessons);
        let whole = lessons.whole || timing == Timing::Repeated;
        let keeps = timing != Timing::Repeated;
        let segments = Segments::of(chunk, &self.takes, lessons, whole, keeps);
        let count = segments.statements.len();
        for (index, statements) in segments.statements.iter().enumerate() {
            let is_last = index + 1 == count;
            self.line(&format!(
                "let mut __s{index} = ::core::option::Option::None;"
            ));
            self.line("::patchbay::cell::run(::std::boxed::Box::new(|| {");
            if chunk.awaits {
                self.line("::patchbay::cell::block_on(async {");
            }
            if timing == Timing::Repeated {
                self.line("::patchbay::timing::timeit(|| {");
            }
            for &position in statements {
                let statement = &chunk.statements[position];
                self.program.source(
                    source,
                    statement.range.clone(),
                    &statement.loop_bodies,
                    CHECK,
                );
                self.program.generated("\n");
            }
            if is_last && let Some(last) = &chunk.last {
                let show = match timing {
                    Timing::Repeated => "let _ = ::core::hint::black_box(",
                    _ => "::patchbay::__show_result!(",
                };
                self.program.generated(show);
                self.program
                    .source(source, last.range.clone(), &last.loop_bodies, CHECK);
                self.program.generated(");\n");
            }
            if timing == Timing::Repeated {
                self.line("::core::result::Result::<(), ::patchbay::cell::CellError>::Ok(())");
                self.line("})?;");
            }
            if whole {
                self.write_stores(&segments, index, lessons);
            }
            let exports = if whole {
                Vec::new()
            } else {
                segments.handed_on(index)
            };
            let names: String = exports
                .iter()
                .map(|export| format!("{}, ", export.binding.name))
                .collect();
            self.marked_line(
                &format!("__s{index} = ::core::option::Option::Some(({names}));"),
                Mark::Segment,
            );
            self.line("::core::result::Result::<(), ::patchbay::cell::CellError>::Ok(())");
            if chunk.awaits {
                self.line("})");
            }
            self.line("}));");
            if is_last && exports.is_empty() {
                continue;
            }
            let pattern: String = exports
                .iter()
                .map(|Export { binding, mutable }| {
                    format!("{}{}, ", if *mutable { "mut " } else { "" }, binding.name)
                })
                .collect();
            self.line(&format!(
                "let ::core::option::Option::Some(({pattern})) = __s{index} else {{"
            ));
            self.write_stores(&segments, index, lessons);
            self.line("return; };");
        }
        if whole {
            self.write_put_backs(&segments, lessons);
        } else {
            self.write_stores(&segments, count, lessons);
        }
        self.line("}");
    }

    fn write_takes(&mut self, engine: &Engine, lessons: &Lessons) {
        let types: Vec<(String, String, bool)> = self
            .takes
            .iter()
            .filter_map(|name| {
                let variable = engine.variables.get(name)?;
                Some((name.clone(), variable.type_text.clone(), variable.mutable))
            })
            .collect();
        if types.is_empty() {
            return;
        }
        let mut required = String::from("if !__cell.has(&[");
        for (name, type_text, _) in &types {
            let _ = write!(
                required,
                "(\"{name}\", ::core::any::TypeId::of::<{type_text}>()), "
            );
        }
        required.push_str("]) { return; }");
        self.line(&required);
        for (name, type_text, mutable) in &types {
            let mutable = if *mutable { "mut " } else { "" };
            self.line(&format!(
                "let {mutable}{name}: {type_text} = __cell.take(\"{name}\");"
            ));
            // What stays where it is, unchanged, can be read from there if the cell has to be given up. Numbers and their like come
            // back by themselves.
            let binding = Binding {
                name: name.clone(),
                ordinal: 0,
            };
            let stays = mutable.is_empty()
                && !lessons.moved.contains(&binding)
                && !lessons.returned.contains(&binding);
            if stays && type_text.contains(char::is_uppercase) {
                self.line(&format!(
                    "__cell.lend(\"{name}\", (&raw const {name}).cast());"
                ));
            }
        }
    }

    /// Stores what is visible when segment `index` has failed, or at the end of all.
    fn write_stores(&mut self, segments: &Segments, index: usize, lessons: &Lessons) {
        let at_end = index + 1 >= segments.statements.len()
            && (segments.whole || index == segments.statements.len());
        let visible: Vec<Binding> = segments
            .visible_after(index)
            .filter(|binding| {
                !(segments.whole && binding.ordinal == 0 && !lessons.returned.contains(binding))
            })
            .filter(|binding| !segments.is_taken_by(index, binding))
            .filter(|binding| {
                !(lessons.moved.contains(binding) && segments.last_use(binding) <= index)
            })
            .cloned()
            .collect();
        let released = |binding: &&Binding| {
            lessons.borrowed.contains(binding) && !lessons.unreleased.contains(binding)
        };
        for binding in visible.iter().filter(released) {
            self.marked_line(
                &format!("::core::mem::drop({});", binding.name),
                Mark::Release(binding.clone()),
            );
        }
        for binding in visible {
            let name = &binding.name;
            // A leading underscore says that the value is not wanted.
            if lessons.borrowed.contains(&binding) || name.starts_with('_') && binding.ordinal > 0 {
                continue;
            }
            if at_end && binding.ordinal > 0 {
                self.marked_line(
                    &format!("::core::mem::drop(&{name});"),
                    Mark::AskType(binding.clone()),
                );
            }
            let ordinal = binding.ordinal;
            self.marked_line(
                &format!("__cell.put(\"{name}\", {ordinal}, {name});"),
                Mark::Store(binding),
            );
        }
    }

    /// Puts the earlier variables back, unless new ones of their names were stored.
    fn write_put_backs(&mut self, segments: &Segments, lessons: &Lessons) {
        for name in self.takes.clone() {
            let binding = Binding { name, ordinal: 0 };
            if lessons.returned.contains(&binding) {
                continue;
            }
            if !(lessons.moved.contains(&binding) && segments.last_use(&binding) < usize::MAX) {
                let name = &binding.name;
                self.marked_line(
                    &format!("__cell.put_back(\"{name}\", {name});"),
                    Mark::Store(binding.clone()),
                );
            }
        }
    }
}

/// The parts of a cell that run one after the other. A `let` ends a segment: what it defines is
/// outside of all that follows, and is kept if that fails.
struct Segments {
    /// The positions of the statements, by segment.
    statements: Vec<Vec<usize>>,
    /// What each segment hands to those that follow.
    exports: Vec<Vec<Export>>,
    /// The bindings of before that each segment gives away and hands back.
    returns: Vec<Vec<Binding>>,
    /// The bindings in the order of definition, with the segment that defines each.
    bindings: Vec<(Binding, Option<usize>)>,
    last_uses: BTreeMap<Binding, usize>,
    whole: bool,
}

#[derive(Clone)]
struct Export {
    binding: Binding,
    mutable: bool,
}

impl Segments {
    fn of(
        chunk: &Chunk,
        takes: &[String],
        lessons: &Lessons,
        whole: bool,
        keeps: bool,
    ) -> Segments {
        let mut ordinals: BTreeMap<&str, usize> = BTreeMap::new();
        let mut segments = Segments {
            statements: vec![Vec::new()],
            exports: vec![Vec::new()],
            returns: vec![Vec::new()],
            bindings: takes
                .iter()
                .map(|name| {
                    (
                        Binding {
                            name: name.clone(),
                            ordinal: 0,
                        },
                        None,
                    )
                })
                .collect(),
            last_uses: BTreeMap::new(),
            whole,
        };
        for (position, statement) in chunk.statements.iter().enumerate() {
            let index = segments.statements.len() - 1;
            segments.note_uses(&statement.mentions, &ordinals, index);
            segments.note_returns(&statement.assigns, &ordinals, lessons, index);
            segments.statements[index].push(position);
            for Definition { name, mutable } in statement.defines.iter().filter(|_| keeps) {
                let ordinal = ordinals.entry(name).or_default();
                *ordinal += 1;
                let binding = Binding {
                    name: name.clone(),
                    ordinal: *ordinal,
                };
                segments.bindings.push((binding.clone(), Some(index)));
                segments.exports[index].retain(|export| export.binding.name != *name);
                segments.returns[index].retain(|returned| returned.name != *name);
                segments.exports[index].push(Export {
                    binding,
                    mutable: *mutable,
                });
            }
            let next = chunk.statements.get(position + 1);
            let more = next.is_some() || chunk.last.is_some();
            // A constant is not worth a segment of its own if another `let` follows.
            let joins = statement.is_constant && next.is_some_and(|next| next.is_let);
            if more && !joins && !segments.exports[index].is_empty() && !whole {
                segments.statements.push(Vec::new());
                segments.exports.push(Vec::new());
                segments.returns.push(Vec::new());
            }
        }
        let index = segments.statements.len() - 1;
        if let Some(last) = &chunk.last {
            segments.note_uses(&last.mentions, &ordinals, index);
            segments.note_returns(&last.assigns, &ordinals, lessons, index);
        }
        segments
    }

    fn note_returns(
        &mut self,
        assigns: &BTreeSet<String>,
        ordinals: &BTreeMap<&str, usize>,
        lessons: &Lessons,
        index: usize,
    ) {
        for name in assigns {
            let binding = Binding {
                name: name.clone(),
                ordinal: ordinals.get(name.as_str()).copied().unwrap_or(0),
            };
            let own = self.exports[index]
                .iter()
                .any(|export| export.binding == binding);
            if lessons.returned.contains(&binding)
                && !own
                && !self.returns[index].contains(&binding)
            {
                self.returns[index].push(binding);
            }
        }
    }

    fn note_uses(
        &mut self,
        mentions: &BTreeSet<String>,
        ordinals: &BTreeMap<&str, usize>,
        index: usize,
    ) {
        for name in mentions {
            let ordinal = ordinals.get(name.as_str()).copied().unwrap_or(0);
            self.last_uses.insert(
                Binding {
                    name: name.clone(),
                    ordinal,
                },
                index,
            );
        }
    }

    /// What a segment hands on: what it defines, and what it took and gives back.
    fn handed_on(&self, index: usize) -> Vec<Export> {
        let returns = self.returns[index].iter().map(|binding| Export {
            binding: binding.clone(),
            mutable: true,
        });
        self.exports[index].iter().cloned().chain(returns).collect()
    }

    /// Whether segment `index` has taken a binding with it if it fails.
    fn is_taken_by(&self, index: usize, binding: &Binding) -> bool {
        !self.whole
            && self
                .returns
                .get(index)
                .is_some_and(|returns| returns.contains(binding))
    }

    /// The segment that uses a binding last; a binding that is moved is moved there.
    fn last_use(&self, binding: &Binding) -> usize {
        self.last_uses.get(binding).copied().unwrap_or(0)
    }

    /// The bindings that can be stored after segment `index` has failed, or has ended if it is all
    /// there is: of each name the last that is defined before.
    fn visible_after(&self, index: usize) -> impl Iterator<Item = &Binding> {
        let is_before = move |segment: &Option<usize>| {
            segment.is_none_or(|segment| segment < index || self.whole && segment <= index)
        };
        self.bindings
            .iter()
            .enumerate()
            .filter_map(move |(position, (binding, segment))| {
                let is_last = !self.bindings[position + 1..]
                    .iter()
                    .any(|(later, segment)| later.name == binding.name && is_before(segment));
                (is_before(segment) && is_last).then_some(binding)
            })
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
