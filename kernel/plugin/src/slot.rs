//! The place in a program where a component is plugged in.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use candle_core::Var;
use serde_json::Value;

use patchbay_nn::Commit;

use super::{
    Carry, Error, History, HistoryEntry, Kind, Options, SwapReport,
    checkpoint::{self, Noted},
    origin::{Bound, Origin, Past, build, hand_over},
    panics,
    record::Record,
    registry::{self, AnySlot, Entry},
    resolve::resolve,
    store::{NamedVar, Part},
};
use patchbay_cell::interrupt;
use patchbay_cell::lock::{lock, read, write};

/// How many replaced components a slot keeps alive for `rollback`; older ones are made again.
const KEPT_ALIVE: usize = 16;

/// Makes a component and the slot that holds it.
///
/// ```no_run
/// # use patchbay::{plugin::{self, Loss}, prelude::*};
/// let loss = plugin::create::<dyn Loss>("loss/focal", json!({"gamma": 2.0}))?;
/// # Ok::<(), plugin::Error>(())
/// ```
///
/// # Errors
///
/// Fails where there is no such component, its plugin is refused, or its settings are wrong.
pub fn create<K: ?Sized + Kind>(id: &str, config: Value) -> Result<Slot<K>, Error> {
    create_with(id, config, Options::default())
}

/// As [`create`], with the tensors' type and device.
///
/// # Errors
///
/// As [`create`].
pub fn create_with<K: ?Sized + Kind>(
    id: &str,
    config: Value,
    options: Options,
) -> Result<Slot<K>, Error> {
    Slot::new(id, config, options, Vec::new())
}

/// Holds one component and implements its kind's trait by calling it.
///
/// A clone is the same slot. All methods take `&self`: a swap from another thread takes effect at
/// the next call; a call that is running ends with the component that it began with.
pub struct Slot<K: ?Sized + Kind>(Arc<Core<K>>);

pub(crate) struct Core<K: ?Sized + Kind> {
    current: RwLock<Arc<Bound<K>>>,
    /// Guards the order of swaps; `current` is locked only to exchange the pointer.
    past: Mutex<Vec<Past<K>>>,
    options: Options,
    swaps: AtomicUsize,
    /// Note of a part of the SDK about what is in here: for a forecaster the scales that it was fitted in.
    noted: Mutex<Noted>,
    memory: K::Memory,
}

impl<K: ?Sized + Kind> Clone for Slot<K> {
    fn clone(&self) -> Self {
        Slot(self.0.clone())
    }
}

impl<K: ?Sized + Kind> Slot<K> {
    pub(crate) fn new(
        id: &str,
        given: Value,
        options: Options,
        previous: Vec<NamedVar>,
    ) -> Result<Self, Error> {
        let entry = resolve(id)?;
        let bound = build::<K>(
            entry,
            given,
            options.clone(),
            previous,
            0,
            "create".to_owned(),
        )?;
        let core = Arc::new(Core {
            current: RwLock::new(Arc::new(bound)),
            past: Mutex::default(),
            options,
            swaps: AtomicUsize::new(0),
            noted: Mutex::default(),
            memory: K::Memory::default(),
        });
        let weak: Weak<Core<K>> = Arc::downgrade(&core);
        registry::add_slot(weak);
        Ok(Slot(core))
    }

    pub(crate) fn noted(&self) -> &Mutex<Noted> {
        &self.0.noted
    }

    pub(crate) fn core(&self) -> &Arc<Core<K>> {
        &self.0
    }

    pub(crate) fn as_part(&self) -> Arc<dyn Part> {
        self.0.clone()
    }

    /// Returns the memory of the kind in this slot.
    pub(crate) fn memory(&self) -> &K::Memory {
        &self.0.memory
    }

    /// Returns the values that the present component gave when it was made.
    pub(crate) fn constants(&self) -> Arc<K::Constants> {
        self.0.current().constants.clone()
    }

    /// Calls the present component: with an interruption point before, a panic as an error, and the
    /// component's id in front of an error's text. The kinds' own methods go through this.
    ///
    /// # Errors
    ///
    /// Returns the component's error.
    #[inline]
    pub fn call<R>(
        &self,
        run: impl FnOnce(&K) -> patchbay_show::Result<R>,
    ) -> patchbay_show::Result<R> {
        interrupt::check();
        let bound = self.0.current();
        match panics::catch(|| run(&bound.component)) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(bound.origin.failed(&error)),
            Err(message) => Err(bound.origin.panicked(message)),
        }
    }

    /// Puts another component into this slot, taking over tensors with equal name and shape.
    ///
    /// # Errors
    ///
    /// Fails, changing nothing, where the component cannot be made or a trained tensor would be lost
    /// (see [`Carry`]).
    pub fn swap(&self, id: &str, config: Value) -> Result<SwapReport, Error> {
        self.swap_with(id, config, Carry::All)
    }

    /// As [`Slot::swap`], saying which tensors are taken over.
    ///
    /// # Errors
    ///
    /// As [`Slot::swap`].
    pub fn swap_with(&self, id: &str, config: Value, carry: Carry) -> Result<SwapReport, Error> {
        self.0.replace(resolve(id)?, config, carry, "swap")
    }

    /// Makes the component again from the newest loaded generation of its plugin, with the same
    /// settings.
    ///
    /// # Errors
    ///
    /// As [`Slot::swap`].
    pub fn reload(&self) -> Result<SwapReport, Error> {
        self.0.reload()
    }

    /// Puts back the component of this number in [`Slot::history`]. Tensors that it shares with its
    /// successors have the values that training has given them since; others are as it left them.
    ///
    /// # Errors
    ///
    /// Fails, changing nothing, where there is no such number.
    pub fn rollback(&self, number: usize) -> Result<SwapReport, Error> {
        self.0.rollback(number)
    }

    /// Returns the components that this slot has held, oldest first, and the one that it holds.
    pub fn history(&self) -> History {
        let past = self.0.past();
        let mut entries: Vec<HistoryEntry> = past.iter().map(|past| past.origin.record()).collect();
        entries.push(self.0.current().origin.record());
        History(entries)
    }

    /// The id, settings and origin of the present component, to be kept with a result.
    pub fn provenance(&self) -> HistoryEntry {
        self.0.current().origin.record()
    }

    /// The present component's tensors, those of its parts included.
    pub fn variables(&self) -> Vec<NamedVar> {
        self.0.variables()
    }

    /// Gives this component's tensors the values of another's, by name.
    ///
    /// # Errors
    ///
    /// Fails where the other lacks a tensor or has it in another shape; tensors before it have the new values then.
    pub fn set_values_of(&self, other: &Slot<K>) -> Result<(), Error> {
        let values = other.variables();
        for named in self.variables() {
            let Some(value) = values.iter().find(|value| value.name == named.name) else {
                return Err(Error::new(format!(
                    "{}: there is no tensor {} to take values from",
                    other.provenance().id,
                    named.name
                )));
            };
            named
                .var
                .set(&value.var.as_detached_tensor())
                .map_err(|error| Error::new(format!("{}: {error}", named.name)))?;
        }
        Ok(())
    }

    /// The variables for an optimizer, each once, those with two names as well.
    pub fn trainable(&self) -> Vec<Var> {
        let named = self.named_parameters().into_iter();
        named.map(|(_, var)| var).collect()
    }

    /// The variables for an optimizer, by torch's name: [`Slot::trainable`].
    pub fn parameters(&self) -> Vec<Var> {
        self.trainable()
    }

    /// The variables for an optimizer with their names, each once: `nn::ParameterGroups::of_named(slot.named_parameters())`.
    pub fn named_parameters(&self) -> Vec<(String, Var)> {
        let mut seen = HashSet::new();
        self.variables()
            .into_iter()
            .filter(|named| named.trainable && seen.insert(named.var.id()))
            .map(|named| (named.name, named.var))
            .collect()
    }

    /// Counts the swaps: a loop that keeps an optimizer can tell that the variables may be others.
    pub fn swaps(&self) -> usize {
        self.0.swaps.load(Ordering::Acquire)
    }

    /// The last panic in the present component.
    pub fn failure(&self) -> Option<String> {
        lock(&self.0.current().origin.failure).clone()
    }

    /// Tells the component that an epoch begins.
    ///
    /// # Errors
    ///
    /// Fails where the component panics.
    pub fn begin_epoch(&self, epoch: usize) -> patchbay_show::Result<()> {
        self.call(|component| {
            component.as_component().begin_epoch(epoch);
            Ok(())
        })
    }
}

impl<K: ?Sized + Kind> std::fmt::Debug for Slot<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let record = self.provenance();
        write!(
            formatter,
            "slot of {} g{} {}",
            record.id, record.generation, record.config
        )?;
        match record.failure {
            Some(panic) => write!(formatter, ", panicked: {panic}"),
            None => Ok(()),
        }
    }
}

impl<K: ?Sized + Kind> Part for Core<K> {
    fn variables(&self) -> Vec<NamedVar> {
        self.current().store.variables()
    }

    fn record(&self) -> candle_core::Result<Record> {
        checkpoint::record(self, &self.current())
    }

    fn prepare(self: Arc<Self>, record: Record) -> candle_core::Result<Commit<'static>> {
        let bound = self.current();
        checkpoint::prepare(self, bound, record)
    }
}

impl<K: ?Sized + Kind> AnySlot for Core<K> {
    fn id(&self) -> String {
        self.current().origin.entry.spec.id.clone()
    }

    fn reload(&self) -> Result<SwapReport, Error> {
        let current = self.current();
        let entry = resolve(&current.origin.entry.spec.id)?;
        self.replace(entry, current.origin.given.clone(), Carry::All, "reload")
    }
}

impl<K: ?Sized + Kind> Core<K> {
    pub(crate) fn memory(&self) -> &K::Memory {
        &self.memory
    }

    #[inline]
    fn current(&self) -> Arc<Bound<K>> {
        // The lock is only held to copy or exchange the pointer, neither of which can panic.
        read(&self.current).clone()
    }

    fn past(&self) -> MutexGuard<'_, Vec<Past<K>>> {
        lock(&self.past)
    }

    fn replace(
        &self,
        entry: Arc<Entry>,
        given: Value,
        carry: Carry,
        why: &str,
    ) -> Result<SwapReport, Error> {
        let mut past = self.past();
        let old = self.current();
        let before = old.store.variables();
        let previous = if carry == Carry::Fresh {
            Vec::new()
        } else {
            before.clone()
        };
        let number = old.origin.number + 1;
        let new = build::<K>(
            entry,
            given,
            self.options.clone(),
            previous,
            number,
            why.to_owned(),
        )?;
        let mut report = SwapReport::compare(
            old.origin.label(),
            new.origin.label(),
            &before,
            &new.store.variables(),
        );
        if carry == Carry::All {
            report.refuse_loss(&before)?;
        }
        if carry != Carry::Fresh {
            report.state = hand_over(&old, &new)?;
        }
        self.publish(&mut past, old, Arc::new(new), &report);
        Ok(report)
    }

    fn rollback(&self, number: usize) -> Result<SwapReport, Error> {
        let mut past = self.past();
        let old = self.current();
        let Some(target) = past.get(number) else {
            return Err(Error::new(format!(
                "this slot has no number {number} to go back to: it has held 0 to {}; slot.history() lists them",
                past.len()
            )));
        };
        let why = format!("rollback to {number}");
        let before = old.store.variables();
        let origin = target.origin.clone();
        let new = match &target.alive {
            Some(bound) => Bound {
                component: bound.component.clone(),
                constants: bound.constants.clone(),
                store: bound.store.clone(),
                origin: Arc::new(Origin {
                    entry: origin.entry.clone(),
                    given: origin.given.clone(),
                    complete: origin.complete.clone(),
                    number: old.origin.number + 1,
                    why,
                    when: SystemTime::now(),
                    failure: Mutex::default(),
                }),
            },
            None => build::<K>(
                origin.entry.clone(),
                origin.given.clone(),
                self.options.clone(),
                before.clone(),
                old.origin.number + 1,
                why,
            )?,
        };
        let report = SwapReport::compare(
            old.origin.label(),
            new.origin.label(),
            &before,
            &new.store.variables(),
        );
        self.publish(&mut past, old, Arc::new(new), &report);
        Ok(report)
    }

    fn publish(
        &self,
        past: &mut Vec<Past<K>>,
        old: Arc<Bound<K>>,
        new: Arc<Bound<K>>,
        report: &SwapReport,
    ) {
        *write(&self.current) = new;
        past.push(Past {
            origin: old.origin.clone(),
            alive: Some(old),
        });
        if let Some(index) = past.len().checked_sub(KEPT_ALIVE + 1) {
            past[index].alive = None;
        }
        self.swaps.fetch_add(1, Ordering::Release);
        if report.has_tensors() {
            println!("{report}");
        }
    }
}
