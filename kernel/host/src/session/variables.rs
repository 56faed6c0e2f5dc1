//! Which variables are alive after a run, and which of their types a later program can write.

use std::collections::BTreeSet;

use patchbay_protocol::{Command, Outcome};
use tokio::sync::mpsc;

use super::{
    CellError, Session, SessionEvent,
    build::{Compiled, Job},
    chunk::say,
};
use crate::engine::{Engine, history::Variable, names, plan::Binding};

impl Session {
    /// The variables that a cell had taken when it was given up, and that have not come back, with the cells that made them.
    /// They are noted as lost.
    pub(super) fn lost_with_the_cell(
        &mut self,
        compiled: &Compiled,
        outcome: &Outcome,
    ) -> Vec<(String, u32)> {
        let is_back = |name: &str| outcome.stored.iter().any(|stored| stored.name == name);
        let mut lost = Vec::new();
        for name in compiled.plan.takes.iter().filter(|name| !is_back(name)) {
            if let Some(variable) = self.engine.variables.get(name) {
                lost.push((name.clone(), variable.cell));
            }
        }
        let cell = self.cell;
        for (name, made_by) in &lost {
            let why =
                format!("cell [{cell}] had it when it was given up; cell [{made_by}] makes it");
            self.engine.lose(name, why);
        }
        lost
    }

    /// Notes which variables are alive after a run.
    pub(super) async fn account_for_variables(
        &mut self,
        compiled: &Compiled,
        outcome: &Outcome,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let cell = self.cell;
        let failed = outcome.failure.is_some();
        let stored = |name: &str| {
            outcome
                .stored
                .iter()
                .rfind(|variable| variable.name == name)
        };
        for stored in &outcome.stored {
            if let Some(variable) = self.engine.variables.get_mut(&stored.name) {
                variable.tensor_bytes = stored.tensor_bytes;
                variable.gpu_bytes = stored.gpu_bytes;
            }
        }
        let mut unnameable = Vec::new();
        for name in &compiled.plan.takes {
            if stored(name).is_none() && self.engine.variables.contains_key(name) {
                // A refused run has not taken anything.
                if !matches!(&outcome.failure, Some(failure)
                    if failure.kind == patchbay_protocol::FailureKind::Refused)
                {
                    self.engine
                        .lose(name, format!("cell [{cell}] moved it away"));
                }
            }
        }
        for definition in &compiled.plan.defines {
            let name = &definition.name;
            match stored(name) {
                Some(variable) if variable.ordinal > 0 => {
                    let stored_as = Binding {
                        name: name.clone(),
                        ordinal: variable.ordinal,
                    };
                    let type_text = compiled
                        .record
                        .types
                        .iter()
                        .find(|(known, _)| *known == stored_as);
                    match type_text
                        .map(|(_, text)| text)
                        .filter(|text| is_nameable(text))
                    {
                        Some(text) => {
                            let variable = Variable {
                                type_text: text.clone(),
                                type_names: type_names(text),
                                mutable: definition.mutable,
                                cell,
                                bytes: variable.bytes,
                                tensor_bytes: variable.tensor_bytes,
                                gpu_bytes: variable.gpu_bytes,
                            };
                            self.engine.lost.remove(name);
                            self.engine.variables.insert(name.clone(), variable);
                        }
                        None => {
                            let text = type_text.map_or("unknown", |(_, text)| text.as_str());
                            let why = why_unnameable(text);
                            say(
                                events,
                                &format!("note: `{name}` is not kept for later cells: {why}\n"),
                            );
                            self.engine
                                .lose(name, format!("cell [{cell}] could not keep it: {why}"));
                            unnameable.push(name.clone());
                        }
                    }
                }
                Some(_) => {}
                None if compiled
                    .record
                    .lessons
                    .borrowed
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    let why = "it borrows from a variable of its own cell; keep an owned value \
                               (clone it, or use the index or a range)";
                    if !failed {
                        say(
                            events,
                            &format!("note: `{name}` is not kept for later cells: {why}\n"),
                        );
                    }
                    self.engine
                        .lose(name, format!("cell [{cell}] could not keep it: {why}"));
                }
                None if compiled
                    .record
                    .lessons
                    .moved
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    self.engine
                        .lose(name, format!("cell [{cell}] defined it and moved it away"));
                }
                None if failed && !self.engine.variables.contains_key(name) => {
                    let why = format!("cell [{cell}], which defines it, failed before its end");
                    self.engine.lose(name, why);
                }
                None => {}
            }
        }
        if !unnameable.is_empty() {
            self.command(
                |id| Command::DropVariables {
                    id,
                    names: unnameable,
                },
                events,
            )
            .await?;
        }
        Ok(())
    }
}

/// The session as it will be if a chunk succeeds.
pub(super) fn after_success(engine: &mut Engine, job: &Job, compiled: &Compiled) {
    for name in engine.variables_made_stale(&job.chunk, &job.source) {
        engine.variables.remove(&name);
    }
    engine.add_items(&job.chunk, &job.source);
    let lessons = &compiled.record.lessons;
    for name in &compiled.plan.takes {
        if lessons.moved.contains(&Binding {
            name: name.clone(),
            ordinal: 0,
        }) {
            engine.variables.remove(name);
        }
    }
    for definition in &compiled.plan.defines {
        let stored = compiled
            .record
            .types
            .iter()
            .find(|(binding, text)| binding.name == definition.name && is_nameable(text));
        match stored {
            Some((_, text)) => {
                let variable = Variable {
                    type_text: text.clone(),
                    type_names: type_names(text),
                    mutable: definition.mutable,
                    cell: job.source.cell,
                    bytes: 0,
                    tensor_bytes: 0,
                    gpu_bytes: 0,
                };
                engine.variables.insert(definition.name.clone(), variable);
            }
            None => {
                engine.variables.remove(&definition.name);
            }
        }
    }
}

/// Whether a type is copied when it is given away, as far as its text tells.
pub(super) fn is_plain(type_text: &str) -> bool {
    const PLAIN: [&str; 17] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize", "()",
    ];
    PLAIN.contains(&type_text) || type_text.starts_with('&') && !type_text.starts_with("&mut")
}

/// Whether a later program can write the type: closures, futures, functions and hidden types have no
/// name.
fn is_nameable(type_text: &str) -> bool {
    let hidden = ["impl ", "{", "[closure", "[async", "<unnamed"];
    !hidden.iter().any(|mark| type_text.contains(mark))
        && syn::parse_str::<syn::Type>(type_text).is_ok()
}

fn why_unnameable(type_text: &str) -> String {
    let advice = if type_text.starts_with("{closure") || type_text.starts_with("[closure") {
        "a closure has no type that a later cell could name; box it: `let f: Box<dyn Fn(i32) -> i32> = \
         Box::new(|x| x + 1);`, or write a function"
    } else if type_text.contains("closure") {
        "its type has a closure in it, which no later cell could name; collect it into a `Vec`, or box it"
    } else if type_text.contains("async") {
        "a future has no type that a later cell could name; await it in this cell, or box it: \
         `Box::pin(...)`"
    } else if type_text.starts_with("fn") {
        "the type of a function item has no name; give it one: `let f: fn(i32) -> i32 = ...;`"
    } else {
        "its type has no name that a later cell could write; box it as a trait object"
    };
    format!("{advice} (its type: {type_text})")
}

fn type_names(type_text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(tokens) = type_text.parse() {
        names::collect(tokens, &mut found);
    }
    found
}
