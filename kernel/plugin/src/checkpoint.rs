//! Slots as parts of a checkpoint.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use candle_core::{Result, Tensor, bail};
use patchbay_cell::lock::lock;
use patchbay_nn::{Commit, ParameterNames, State, Stateful, prepare_variables, state_of_variables};
use serde_json::Value;

use super::{
    Kind, Slot,
    memory::Memory,
    origin::Bound,
    panics,
    record::{Record, below},
    slot::Core,
    store::{NamedVar, Part},
};

/// Note of a part of the SDK about what is in a slot: for a forecaster the scales that it was fitted in.
pub trait Note: Any + Send + Sync {
    /// Returns what a checkpoint keeps of it: a value and tensors by name.
    ///
    /// # Errors
    ///
    /// Fails where tensors cannot be made.
    fn record(&self) -> Result<NoteRecord>;

    /// Returns itself, to be asked for its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// A note as a checkpoint keeps it.
#[derive(Clone, Debug, Default)]
pub struct NoteRecord {
    /// Values that are no tensors.
    pub value: Value,
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The tensors of a note stand under this in a slot's state. Variables have dots in their names, no slashes.
const NOTE: &str = "note/";

/// `Component::tensors` stand under this, those of a component inside under its name and a slash besides.
const OWN: &str = "own/";

impl<K: ?Sized + Kind> Stateful for Slot<K> {
    fn named_vars(&self) -> Vec<(String, candle_core::Var)> {
        named(self.variables())
    }

    fn state(&self, _: &ParameterNames) -> Result<State> {
        let mut state = state_of_variables(named(self.variables()))?;
        let mut record = self.core().record()?;
        record.take_tensors(OWN, &mut state.tensors);
        if let Some(note) = self.note_record()? {
            let tensors = note.tensors.into_iter();
            state
                .tensors
                .extend(tensors.map(|(name, tensor)| (format!("{NOTE}{name}"), tensor)));
            record.note = Some(note.value);
        }
        state.with_values(&record)
    }

    fn prepare(&self, state: State, _: &ParameterNames) -> Result<Commit<'_>> {
        let mut record: Record = state.values()?;
        let mut tensors = state.tensors;
        let note = record.note.take().map(|value| NoteRecord {
            value,
            tensors: below(NOTE, &mut tensors),
        });
        record.give_tensors(OWN, &mut tensors);
        let put_back = self.core().clone().prepare(record)?;
        let set = prepare_variables("the slot", named(self.variables()), tensors)?;
        Ok(Box::new(move || {
            set()?;
            put_back()?;
            self.set_note_record(note);
            Ok(())
        }))
    }
}

fn named(variables: Vec<NamedVar>) -> Vec<(String, candle_core::Var)> {
    variables
        .into_iter()
        .map(|named| (named.name, named.var))
        .collect()
}

/// Makes the record that [`Part`] asks of a slot for checkpoints.
pub(crate) fn record<K: ?Sized + Kind>(core: &Core<K>, bound: &Bound<K>) -> Result<Record> {
    let own = panics::catch(|| {
        let component = bound.component.as_component();
        (component.state(), component.tensors())
    });
    let (state, tensors) = own.map_err(|panic| bound.origin.panicked(panic))?;
    let mut parts = BTreeMap::new();
    for (name, part) in bound.store.parts() {
        parts.insert(name, part.record()?);
    }
    Ok(Record {
        id: bound.origin.entry.spec.id.clone(),
        config: bound.origin.complete.clone(),
        state,
        memory: core.memory().record(),
        parts,
        note: None,
        tensors,
    })
}

/// Checks a record and returns what puts it back.
pub(crate) fn prepare<K: ?Sized + Kind>(
    core: Arc<Core<K>>,
    bound: Arc<Bound<K>>,
    mut record: Record,
) -> Result<Commit<'static>> {
    let id = &bound.origin.entry.spec.id;
    let config = &bound.origin.complete;
    if record.id != *id {
        bail!(
            "the slot holds {id} and held {} when it was saved: slot.swap({:?}, json!({})), then load again",
            record.id,
            record.id,
            record.config
        )
    }
    if record.config != *config {
        bail!(
            "{id} has other settings than when it was saved: {}. Load with the same ones, then swap: slot.swap({id:?}, json!({}))",
            differences(config, &record.config),
            record.config
        )
    }
    let mut commits = Vec::new();
    for (name, part) in bound.store.parts() {
        let Some(record) = record.parts.remove(&name) else {
            bail!("{id} has a part {name} that it had not when it was saved")
        };
        let commit = part.prepare(record);
        commits.push(commit.map_err(|error| error.context(name))?);
    }
    if let Some(name) = record.parts.keys().next() {
        bail!("{id} had a part {name} when it was saved, and has none now")
    }
    Ok(Box::new(move || {
        for commit in commits {
            commit()?;
        }
        core.memory().restore(&record.memory);
        let tensors = record.tensors;
        let taken = panics::catch(|| {
            let component = bound.component.as_component();
            let taken = match record.state.is_empty() {
                true => Vec::new(),
                false => component.restore(&record.state),
            };
            component.restore_tensors(tensors).map(|()| taken)
        });
        let taken = taken.map_err(|panic| bound.origin.panicked(panic))?;
        let taken: BTreeSet<String> = taken
            .map_err(|error| bound.origin.failed(&error))?
            .into_iter()
            .collect();
        let left: Vec<&str> = record
            .state
            .keys()
            .map(String::as_str)
            .filter(|key| !taken.contains(*key))
            .collect();
        if !left.is_empty() {
            bail!(
                "{} did not take back {} of its state: `Component::restore` must return every key that `state` gives",
                bound.origin.entry.spec.id,
                left.join(", ")
            )
        }
        Ok(())
    }))
}

/// The settings in which two components differ.
fn differences(here: &Value, there: &Value) -> String {
    let (Some(here), Some(there)) = (here.as_object(), there.as_object()) else {
        return format!("{here} here, {there} in the file");
    };
    let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| here.get(*key) != there.get(*key))
        .map(|key| {
            format!(
                "{key} is {} here and {} in the file",
                text(here.get(key)),
                text(there.get(key))
            )
        })
        .collect();
    differing.join(", ")
}

/// Note about a slot: as a value, or as a checkpoint had it, until somebody asks for the value.
#[derive(Default)]
pub(crate) enum Noted {
    #[default]
    Nothing,
    Value(Arc<dyn Note>),
    Loaded(NoteRecord),
}

impl<K: ?Sized + Kind> Slot<K> {
    /// Returns what was noted last, whatever component is in here by now; a note of a checkpoint is read by `read`.
    ///
    /// # Errors
    ///
    /// Returns the error of `read`.
    #[doc(hidden)]
    pub fn note<N: Note>(
        &self,
        read: impl FnOnce(&NoteRecord) -> Result<N>,
    ) -> Result<Option<Arc<N>>> {
        let mut noted = lock(self.noted());
        let note = match &*noted {
            Noted::Nothing => return Ok(None),
            Noted::Value(note) => note.clone(),
            Noted::Loaded(record) => {
                let note: Arc<dyn Note> = Arc::new(read(record)?);
                *noted = Noted::Value(note.clone());
                note
            }
        };
        Ok(note.into_any().downcast().ok())
    }

    /// Notes something, in place of what was noted before.
    #[doc(hidden)]
    pub fn set_note(&self, note: Arc<dyn Note>) {
        let before = std::mem::replace(&mut *lock(self.noted()), Noted::Value(note));
        // Whatever it drops, no lock is held.
        drop(before);
    }

    fn note_record(&self) -> Result<Option<NoteRecord>> {
        match &*lock(self.noted()) {
            Noted::Nothing => Ok(None),
            Noted::Value(note) => note.record().map(Some),
            Noted::Loaded(record) => Ok(Some(record.clone())),
        }
    }

    fn set_note_record(&self, record: Option<NoteRecord>) {
        let noted = record.map_or(Noted::Nothing, Noted::Loaded);
        let before = std::mem::replace(&mut *lock(self.noted()), noted);
        drop(before);
    }
}
