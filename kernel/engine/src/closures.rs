//! Closures that live on.
//!
//! A closure's type has no name that a later program could write. But the closure is its text, and what
//! it captures by reference are variables that live on, so a later program that names it writes it anew
//! in front of the cell: a call sees the variables as they are then, as a borrow would.

use std::collections::BTreeSet;

use super::{
    Engine,
    chunk::Chunk,
    closure::Closure,
    history::Variable,
    lessons::{Lessons, bindings},
    planned::{CHECK, Plan},
    program::Source,
    questions,
};

impl Engine {
    /// Remembers the closures that a chunk has defined, after the account of its variables, and forgets those
    /// whose variables it has defined anew. Returns the names of those that live on.
    pub fn keep_closures(
        &mut self,
        chunk: &Chunk,
        source: &Source,
        taken: &[String],
        lessons: &Lessons,
    ) -> BTreeSet<String> {
        let defined: BTreeSet<&str> = chunk
            .statements
            .iter()
            .flat_map(|statement| &statement.defines)
            .map(|definition| definition.name.as_str())
            .collect();
        let cell = source.cell;
        for closure in std::mem::take(&mut self.closures) {
            if defined.contains(closure.name.as_str()) {
                continue;
            }
            let renewed = closure
                .captures
                .iter()
                .find(|name| defined.contains(name.as_str()));
            match renewed {
                Some(variable) => {
                    let why = format!(
                        "it names `{variable}`, which cell [{cell}] defined anew; run cell [{}] again",
                        closure.source.cell
                    );
                    self.lost.insert(closure.name, why);
                }
                None => self.closures.push(closure),
            }
        }
        let mut kept = BTreeSet::new();
        for (binding, position) in bindings(chunk) {
            let statement = &chunk.statements[position];
            let is_last = chunk.statements[position + 1..]
                .iter()
                .flat_map(|later| &later.defines)
                .all(|later| later.name != binding.name);
            if !is_last || !lessons.unnameable.contains(&binding) {
                continue;
            }
            if let Some(closure) = self.closure(&binding.name, chunk, position, source, taken) {
                self.lost.remove(&binding.name);
                kept.insert(binding.name);
                self.closures.push(closure);
            } else if statement.is_closure {
                self.closures.retain(|closure| closure.name != binding.name);
            }
        }
        kept
    }

    /// Returns the closure that a statement defines, if a later program can make it again: every variable of its
    /// cell that it names is there, and one that it takes by value has not changed and cannot.
    fn closure(
        &self,
        name: &str,
        chunk: &Chunk,
        position: usize,
        source: &Source,
        taken: &[String],
    ) -> Option<Closure> {
        let statement = &chunk.statements[position];
        if !statement.is_closure {
            return None;
        }
        let is_variable = |mentioned: &&String| {
            taken.contains(mentioned)
                || chunk
                    .statements
                    .iter()
                    .take(position)
                    .flat_map(|before| &before.defines)
                    .any(|definition| definition.name == **mentioned)
        };
        // What a later statement of the cell defines anew is another variable than the closure's.
        let is_renewed = |mentioned: &String| {
            chunk.statements[position + 1..]
                .iter()
                .flat_map(|later| &later.defines)
                .any(|definition| definition.name == *mentioned)
        };
        let captures: BTreeSet<String> = statement
            .mentions
            .iter()
            .filter(|mentioned| *mentioned != name && self.variables.contains_key(*mentioned))
            .cloned()
            .collect();
        let is_there = |mentioned: &String| {
            self.variables.contains_key(mentioned) || self.closure_named(mentioned).is_some()
        };
        if !statement.mentions.iter().filter(is_variable).all(is_there)
            || captures.iter().any(is_renewed)
        {
            return None;
        }
        let stays_equal = |variable: &Variable| !variable.mutable && variable.is_plain();
        if statement.is_moving
            && !captures
                .iter()
                .filter_map(|captured| self.variables.get(captured))
                .all(stays_equal)
        {
            return None;
        }
        Some(Closure {
            name: name.to_owned(),
            source: source.clone(),
            range: statement.range.clone(),
            loop_bodies: statement.loop_bodies.clone(),
            questions: statement.questions.clone(),
            mentions: statement.mentions.clone(),
            captures,
            repeats: statement.repeats,
        })
    }

    /// The closure of this name.
    pub fn closure_named(&self, name: &str) -> Option<&Closure> {
        self.closures.iter().find(|closure| closure.name == name)
    }

    /// The closures that a chunk names before it defines its own of that name, directly or through others, in
    /// the order of their definition.
    pub fn closures_of(&self, chunk: &Chunk) -> Vec<Closure> {
        if self.closures.is_empty() {
            return Vec::new();
        }
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        // A function that the chunk defines takes the closure's place.
        let mut defined: BTreeSet<&str> = self
            .closures
            .iter()
            .map(|closure| closure.name.as_str())
            .filter(|name| chunk.has_value(name))
            .collect();
        for statement in chunk.statements.iter().chain(&chunk.last) {
            let names = statement.mentions.iter().map(String::as_str);
            wanted.extend(names.filter(|name| !defined.contains(name)));
            let names = statement.defines.iter();
            defined.extend(names.map(|definition| definition.name.as_str()));
        }
        // A closure names only those that were there before it.
        let mut found: Vec<Closure> = Vec::new();
        for closure in self.closures.iter().rev() {
            if wanted.contains(closure.name.as_str()) {
                wanted.extend(closure.mentions.iter().map(String::as_str));
                found.push(closure.clone());
            }
        }
        found.reverse();
        found
    }
}

impl Plan {
    /// Writes the earlier closures that the cell names.
    pub(super) fn write_closures(&mut self, closures: &[Closure], lessons: &Lessons) {
        for closure in closures {
            let checks = closure.loop_bodies.iter().map(|&at| (at, CHECK));
            let mut insertions: Vec<(usize, &str)> = checks
                .chain(questions::insertions(&closure.questions, lessons))
                .collect();
            insertions.sort_by_key(|(position, _)| *position);
            self.program
                .source_with(&closure.source, closure.range.clone(), &insertions);
            self.program.generated("\n");
        }
    }
}
