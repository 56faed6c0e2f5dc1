//! Which variables are alive after a run, and which of their types a later program can write.

use std::collections::BTreeSet;

use patchbay_protocol::{Command, Outcome};
use tokio::sync::mpsc;

use crate::{
    EngineSession,
    builder::{Compiled, Job},
    defined::type_names,
    say::print_note,
};
use patchbay_contract::{CellError, SessionEvent};
use patchbay_engine::{
    history::Variable,
    lessons::{Binding, is_nameable},
};

impl EngineSession {
    /// The variables that a cell had taken when it was given up, and that have not come back, with the cells that made them.
    /// They are noted as lost.
    pub(crate) fn lost_with_the_cell(
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
    pub(crate) async fn account_for_variables(
        &mut self,
        job: &Job,
        compiled: &Compiled,
        outcome: &Outcome,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let cell = self.cell;
        let failed = outcome.failure.is_some();
        let closures: BTreeSet<&str> = job
            .chunk
            .statements
            .iter()
            .filter(|statement| statement.is_closure)
            .flat_map(|statement| &statement.defines)
            .map(|definition| definition.name.as_str())
            .collect();
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
                variable.tensor.clone_from(&stored.tensor);
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
                                tensor: variable.tensor.clone(),
                            };
                            self.engine.lost.remove(name);
                            self.engine.variables.insert(name.clone(), variable);
                        }
                        None => {
                            let text = type_text.map_or("unknown", |(_, text)| text.as_str());
                            unnameable.push(name.clone());
                            // A function that a macro was given, say, is no variable.
                            if job.chunk.is_of_macro(name) {
                                continue;
                            }
                            let why = why_unnameable(text);
                            print_note(
                                events,
                                &format!("note: `{name}` is not kept for later cells: {why}\n"),
                            );
                            self.engine
                                .lose(name, format!("cell [{cell}] could not keep it: {why}"));
                        }
                    }
                }
                Some(_) => {}
                None if compiled
                    .record
                    .lessons
                    .unnameable
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    let text = compiled
                        .record
                        .types
                        .iter()
                        .rfind(|(known, _)| known.name == *name)
                        .map_or("{closure}", |(_, text)| text.as_str());
                    let why = why_unnameable(text);
                    if !failed && !closures.contains(name.as_str()) {
                        print_note(
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
                    .borrowed
                    .iter()
                    .any(|binding| binding.name == *name) =>
                {
                    let why = "it borrows from a variable of its own cell; keep an owned value \
                               (clone it, or use the index or a range)";
                    if !failed {
                        print_note(
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
                // The cell returned before its end.
                None if !failed && compiled.plan.takes.iter().all(|taken| taken != name) => {
                    let why = format!("cell [{cell}], which defines it, returned before its end");
                    self.engine.lose(name, why);
                }
                None => {}
            }
        }
        let lessons = &compiled.record.lessons;
        let kept =
            self.engine
                .keep_closures(&job.chunk, &job.source, &compiled.plan.takes, lessons);
        for name in closures
            .iter()
            .filter(|name| !failed && !kept.contains(**name))
        {
            if let Some(why) = self.engine.lost.get(*name) {
                print_note(
                    events,
                    &format!("note: `{name}` is not kept for later cells: {why}\n"),
                );
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

fn why_unnameable(type_text: &str) -> String {
    let advice = if type_text.starts_with("{closure") || type_text.starts_with("[closure") {
        "a closure has no type that a later cell could name, and this one took variables away; borrow them \
         (without `move`), box it: `let f: Box<dyn Fn(i32) -> i32> = Box::new(move |x| x + n);`, or write a function"
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
    if type_text.contains('@') {
        return advice.to_owned();
    }
    format!("{advice} (its type: {type_text})")
}
