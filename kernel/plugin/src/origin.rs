//! One component in a slot, where it came from, and its making.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use serde_json::Value;

use super::{
    Context, Error, HistoryEntry, Kind, Options,
    error::candle_text,
    panics,
    registry::Entry,
    store::{NamedVar, Store},
};
use patchbay_cell::lock::lock;
use patchbay_cell::parts::identity;

/// A component in a slot.
pub(crate) struct Bound<K: ?Sized + Kind> {
    pub(crate) component: Arc<K>,
    /// Values that were read of it when it was made.
    pub(crate) constants: Arc<K::Constants>,
    pub(crate) store: Arc<Store>,
    pub(crate) origin: Arc<Origin>,
}

/// How a component came into a slot: what is needed to make it again, and to tell.
pub(crate) struct Origin {
    pub(crate) entry: Arc<Entry>,
    /// As the user gave it: a newer generation may have other defaults.
    pub(crate) given: Value,
    /// With the defaults.
    pub(crate) complete: Value,
    pub(crate) number: usize,
    pub(crate) why: String,
    pub(crate) when: SystemTime,
    pub(crate) failure: Mutex<Option<String>>,
}

/// A component that a slot has held.
pub(crate) struct Past<K: ?Sized + Kind> {
    pub(crate) origin: Arc<Origin>,
    pub(crate) alive: Option<Arc<Bound<K>>>,
}

impl Origin {
    pub(crate) fn label(&self) -> String {
        format!("{} g{}", self.entry.spec.id, self.entry.generation)
    }

    pub(crate) fn record(&self) -> HistoryEntry {
        HistoryEntry {
            number: self.number,
            id: self.entry.spec.id.clone(),
            config: self.complete.clone(),
            generation: self.entry.generation,
            version: self.entry.spec.version.clone(),
            source: self.entry.source.clone(),
            build_id: identity().build_id.to_owned(),
            why: self.why.clone(),
            when: self.when,
            failure: lock(&self.failure).clone(),
        }
    }

    #[cold]
    pub(crate) fn failed(&self, error: &candle_core::Error) -> candle_core::Error {
        candle_core::Error::Msg(format!("{}: {}", self.entry.spec.id, candle_text(error)))
    }

    #[cold]
    pub(crate) fn panicked(&self, message: String) -> candle_core::Error {
        let text = format!(
            "{} panicked: {message}. The slot is marked; slot.swap, slot.reload or slot.rollback replaces \
             the component",
            self.label()
        );
        *lock(&self.failure) = Some(message);
        candle_core::Error::Msg(text)
    }
}

/// Makes a component. Nothing outside the result is changed, whatever happens.
pub(crate) fn build<K: ?Sized + Kind>(
    entry: Arc<Entry>,
    given: Value,
    options: Options,
    previous: Vec<NamedVar>,
    number: usize,
    why: String,
) -> Result<Bound<K>, Error> {
    let factory = entry.factory::<K>()?;
    let context = Context::new(options, previous);
    let made = panics::catch(|| factory(&given, &context));
    let (component, complete) = made.unwrap_or_else(|panic| {
        Err(Error::new(format!(
            "{} cannot be made: it panicked: {panic}",
            entry.spec.id
        )))
    })?;
    let constants = panics::catch(|| component.constants()).map_err(|panic| {
        Error::new(format!(
            "{} cannot be made: saying what is constant of it (its widths, lengths, names), it panicked: {panic}",
            entry.spec.id
        ))
    })?;
    let origin = Origin {
        entry,
        given,
        complete,
        number,
        why,
        when: SystemTime::now(),
        failure: Mutex::default(),
    };
    Ok(Bound {
        component,
        constants: Arc::new(constants),
        store: context.into_store(),
        origin: Arc::new(origin),
    })
}

/// Carries the state that is no tensor.
pub(crate) fn hand_over<K: ?Sized + Kind>(
    old: &Bound<K>,
    new: &Bound<K>,
) -> Result<Vec<String>, Error> {
    panics::catch(|| {
        let state = old.component.as_component().state();
        if state.is_empty() {
            Vec::new()
        } else {
            new.component.as_component().restore(&state)
        }
    })
    .map_err(|panic| {
        Error::new(format!(
            "{} -> {}: handing over the state panicked: {panic}. Nothing was changed; \
             slot.swap_with(id, config, Carry::Fresh) hands nothing over",
            old.origin.label(),
            new.origin.label()
        ))
    })
}
