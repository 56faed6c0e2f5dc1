//! What a cell has defined once it has succeeded.

use std::collections::BTreeSet;

use patchbay_engine::{
    Engine,
    history::Variable,
    lessons::{Binding, is_nameable},
    names, nesting,
};

use crate::builder::{Compiled, Job};

/// The session as it will be if a chunk succeeds.
pub(crate) fn after_success(engine: &mut Engine, job: &Job, compiled: &Compiled) {
    for (name, _) in engine.variables_made_stale(&job.chunk) {
        engine.variables.remove(&name);
    }
    let lessons = &compiled.record.lessons;
    engine.add_items(&job.chunk, &job.source, &lessons.set_aside);
    for name in &compiled.plan.takes {
        if lessons.moved.contains(&Binding {
            name: name.clone(),
            ordinal: 0,
        }) {
            engine.variables.remove(name);
        }
    }
    for definition in &compiled.plan.defines {
        let stored = compiled.record.types.iter().find(|(binding, text)| {
            binding.name == definition.name
                && is_nameable(text)
                && !lessons.ends_with_cell(binding)
                && !lessons.moved.contains(binding)
        });
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
                    tensor: None,
                };
                engine.variables.insert(definition.name.clone(), variable);
            }
            None => {
                engine.variables.remove(&definition.name);
            }
        }
    }
    engine.keep_closures(&job.chunk, &job.source, &compiled.plan.takes, lessons);
}

/// Returns the names in a type.
pub(crate) fn type_names(type_text: &str) -> BTreeSet<String> {
    let collect = || {
        let mut found = BTreeSet::new();
        if let Ok(tokens) = type_text.parse() {
            names::collect(tokens, &mut found);
        }
        found
    };
    nesting::read(type_text, collect).unwrap_or_default()
}
