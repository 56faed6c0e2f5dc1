//! The components of the process, by id.

use std::{
    any::Any,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

use super::{
    Error, Kind, Registration, Spec, SwapReport,
    define::{Factory, MakeSample},
    store::Part,
};
use patchbay_cell::lock;

/// A component that can be made.
pub(crate) struct Entry {
    pub(crate) spec: Spec,
    factory: Box<dyn Any + Send + Sync>,
    pub(crate) sample: MakeSample,
    /// Source that the plugin was made from.
    pub(crate) source: String,
    /// The plugin's file, where it came from one.
    pub(crate) path: Option<PathBuf>,
    /// Counts the loads of this id, from 1.
    pub(crate) generation: u32,
}

impl Entry {
    /// The function that makes the component, if `K` is its kind.
    pub(crate) fn factory<K: ?Sized + Kind>(&self) -> Result<Factory<K>, Error> {
        self.factory.downcast_ref::<Factory<K>>().copied().ok_or_else(|| {
            Error::new(format!(
                "{} is of kind {}, and one of kind {} is asked for: create::<dyn ...> and the id must agree",
                self.spec.id,
                self.spec.kind,
                K::NAME
            ))
        })
    }
}

/// A slot of any kind, as the loader sees it.
pub(crate) trait AnySlot: Part {
    fn id(&self) -> String;
    fn reload(&self) -> Result<SwapReport, Error>;
}

#[derive(Default)]
struct Registry {
    entries: BTreeMap<String, Arc<Entry>>,
    slots: Vec<Weak<dyn AnySlot>>,
}

static REGISTRY: RwLock<Registry> = RwLock::new(Registry {
    entries: BTreeMap::new(),
    slots: Vec::new(),
});

/// No plugin's code runs under the lock, so a poisoned one still guards a valid map.
fn read() -> RwLockReadGuard<'static, Registry> {
    lock::read(&REGISTRY)
}

/// Takes the lock for a moment.
pub(super) fn probe() {
    drop(write());
}

fn write() -> RwLockWriteGuard<'static, Registry> {
    lock::write(&REGISTRY)
}

/// Makes components known that are linked into this program, in a test of a plugin for instance.
/// `source` says what they come from.
///
/// # Errors
///
/// Fails, changing nothing, where an id is taken by another source.
pub fn register(source: &str, registrations: Vec<Registration>) -> Result<(), Error> {
    add(source, None, registrations).map(|_| ())
}

/// Registers in one step and returns the ids with their generations.
pub(crate) fn add(
    source: &str,
    path: Option<&Path>,
    registrations: Vec<Registration>,
) -> Result<Vec<(String, u32)>, Error> {
    let mut registry = write();
    for registration in &registrations {
        refuse_conflict(&registry, &registration.spec.id, source, path)?;
    }
    let mut added = Vec::new();
    for Registration {
        spec,
        factory,
        sample,
    } in registrations
    {
        let generation = registry
            .entries
            .get(&spec.id)
            .map_or(1, |entry| entry.generation + 1);
        added.push((spec.id.clone(), generation));
        let entry = Entry {
            factory,
            sample,
            source: source.to_owned(),
            path: path.map(Path::to_owned),
            generation,
            spec,
        };
        registry
            .entries
            .insert(entry.spec.id.clone(), Arc::new(entry));
    }
    Ok(added)
}

/// Checks that an id is free or of the same source.
pub(crate) fn check_source(id: &str, source: &str, path: &Path) -> Result<(), Error> {
    refuse_conflict(&read(), id, source, Some(path))
}

fn refuse_conflict(
    registry: &Registry,
    id: &str,
    source: &str,
    path: Option<&Path>,
) -> Result<(), Error> {
    let place = |source: &str, path: Option<&Path>| match path {
        Some(path) => format!("{source} ({})", path.display()),
        None => source.to_owned(),
    };
    match registry.entries.get(id) {
        Some(entry) if entry.source != source => Err(Error::new(format!(
            "two plugins define {id}: {} has it, and {} brings it again. Give the new one another name, or \
             drop the old one with plugin::unregister(\"{id}\")",
            place(&entry.source, entry.path.as_deref()),
            place(source, path),
        ))),
        _ => Ok(()),
    }
}

/// Forgets a component, so that another source may define its id. Slots that hold it keep it.
/// Returns whether it was known.
pub fn unregister(id: &str) -> bool {
    write().entries.remove(id).is_some()
}

/// All components that are loaded.
pub(crate) fn entries() -> Vec<Arc<Entry>> {
    read().entries.values().cloned().collect()
}

/// The component of this id or, where it is unique, of this bare name, if it is loaded.
pub(crate) fn find(name: &str) -> Result<Option<Arc<Entry>>, Error> {
    let registry = read();
    if let Some(entry) = registry.entries.get(name) {
        return Ok(Some(entry.clone()));
    }
    let mut matches = registry
        .entries
        .values()
        .filter(|entry| is_called(&entry.spec.id, entry.spec.former_id, name));
    match (matches.next(), matches.next()) {
        (Some(first), Some(second)) => Err(Error::new(format!(
            "{name} is ambiguous: {} or {}? Give the whole id",
            first.spec.id, second.spec.id
        ))),
        (first, _) => Ok(first.cloned()),
    }
}

/// Whether a name is this id, the one before it, or the part behind the kind of either.
pub(crate) fn is_called(id: &str, former_id: &str, name: &str) -> bool {
    [id, former_id]
        .iter()
        .any(|id| *id == name || id.split_once('/').is_some_and(|(_, bare)| bare == name))
}

/// Remembers a slot, for as long as it lives.
pub(crate) fn add_slot(slot: Weak<dyn AnySlot>) {
    let mut registry = write();
    registry.slots.retain(|slot| slot.strong_count() > 0);
    registry.slots.push(slot);
}

/// The slots that are alive.
pub(crate) fn slots() -> Vec<Arc<dyn AnySlot>> {
    read().slots.iter().filter_map(Weak::upgrade).collect()
}
