//! Loading a plugin into the process. Nothing that is loaded is ever unloaded: a tensor's graph, a
//! slot or a thread-local destructor may point into it for as long as the process lives.

use std::{
    collections::BTreeMap,
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use patchbay_protocol::MimeBundle;

use super::{
    Error, Registration, SwapReport,
    abi::{ANCHOR, ANCHOR_SYMBOL, Anchor, CANARY_PREFIX, COMPONENTS_SYMBOL, Components},
    guard, metadata, panics, registry, run_directory,
};
use patchbay_cell::lock::lock;
use patchbay_show::show::{Show, plain_text};

/// Report of loading a plugin.
#[derive(Clone)]
pub struct LoadReport {
    /// The library's path.
    pub path: PathBuf,
    /// Source that the plugin was made from.
    pub source: String,
    /// The ids with their generations. Empty where this very file is already loaded.
    pub components: Vec<(String, u32)>,
    /// Outcome for each slot that holds one of these components.
    pub slots: Vec<SlotUpdate>,
}

/// Outcome for one slot when its plugin was loaded again.
#[derive(Clone)]
pub struct SlotUpdate {
    /// The id of the component in the slot.
    pub id: String,
    /// The error says why the slot still has the older generation.
    pub result: Result<SwapReport, Error>,
}

/// The hash of the file that was loaded last, by source.
static LOADED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// How long a thread waits for another that loads a plugin. A constructor may hang, and the others must not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Loading by turns, so that two threads load one after the other. No lock is held while a plugin's own code runs.
struct Turn(u64);

#[derive(Default)]
struct Turns {
    last: u64,
    /// The turn of the thread that loads.
    taken: Option<u64>,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns {
    last: 0,
    taken: None,
});

static TURN_ENDED: Condvar = Condvar::new();

impl Turn {
    fn take() -> Turn {
        let turns = lock(&TURNS);
        // After that the other is left to itself.
        let (mut turns, _) = TURN_ENDED
            .wait_timeout_while(turns, PATIENCE, |turns| turns.taken.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        turns.last += 1;
        turns.taken = Some(turns.last);
        Turn(turns.last)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = lock(&TURNS);
        if turns.taken == Some(self.0) {
            turns.taken = None;
            TURN_ENDED.notify_all();
        }
    }
}

/// Takes each lock for a moment.
pub(super) fn probe() {
    drop(lock(&TURNS));
    drop(lock(&LOADED));
}

/// Loads the plugin at `path` and registers its components. Where a generation of it is loaded, the
/// new one replaces it, and live slots take the new component, tensors carried.
///
/// # Errors
///
/// Refuses, without running any of its code, a file that is no plugin, is cut or damaged, or was built for
/// another SDK; refuses a plugin with an id that another source has.
pub fn load(path: impl AsRef<Path>) -> Result<LoadReport, Error> {
    let path = path.as_ref();
    let bytes = fs::read(path)
        .map_err(|error| Error::new(format!("{}: cannot be read: {error}", path.display())))?;
    let metadata = metadata::parse(path, &bytes)?;
    guard::check_bytes(path, &bytes, &metadata)?;
    for component in &metadata.components {
        registry::check_source(&component.id, &metadata.source, path)?;
    }
    let mut report = LoadReport {
        path: path.to_owned(),
        source: metadata.source.clone(),
        components: Vec::new(),
        slots: Vec::new(),
    };

    // To the end of the registration.
    let turn = Turn::take();
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let hash = hasher.finish();
    let registered = |id: &str| registry::entries().iter().any(|entry| entry.spec.id == id);
    let last = lock(&LOADED).get(&metadata.source).copied();
    if last == Some(hash)
        && metadata
            .components
            .iter()
            .all(|component| registered(&component.id))
    {
        return Ok(report);
    }
    let name = path
        .file_name()
        .map_or_else(|| "plugin.so".into(), |name| name.to_string_lossy());
    let copy = run_directory::place(&bytes, &name)?;
    let registrations = open(path, &copy)?;
    report.components = registry::add(&metadata.source, Some(path), registrations)?;
    lock(&LOADED).insert(metadata.source, hash);
    drop(turn);

    for slot in registry::slots() {
        let id = slot.id();
        if report
            .components
            .iter()
            .any(|(component, _)| *component == id)
        {
            report.slots.push(SlotUpdate {
                id,
                result: slot.reload(),
            });
        }
    }
    Ok(report)
}

/// Maps the copy of a plugin that [`guard::check_bytes`] has passed, and asks for its components.
fn open(path: &Path, copy: &Path) -> Result<Vec<Registration>, Error> {
    let shown = path.display();
    // SAFETY: the file is a fresh copy that nothing writes to, and `guard::check_bytes` has seen that its bytes are those
    // that the linker wrote and that it was compiled by this compiler against this build of the SDK; its constructors are those of
    // Rust's runtime and of code that the user asked to run. It is never unloaded.
    let library = unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
        // libloading keeps the loader's own words in the source.
        let words = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        let hint = if words.contains(CANARY_PREFIX) {
            "it was built for another SDK; build it again: patchbay plugin build <its folder>"
        } else {
            "build it again: patchbay plugin build <its folder>"
        };
        Error::new(format!(
            "{shown}: the dynamic loader refuses it: {words}\n  {hint}"
        ))
    })?;
    // SAFETY: `export_plugin!` gives this symbol the type `Anchor`, which is of the C binary interface.
    let anchor = unsafe { library.get::<Anchor>(ANCHOR_SYMBOL.as_bytes()) }.map(|symbol| *symbol);
    // SAFETY: `export_plugin!` gives this symbol the type `Components`, and the guard has seen that the
    // same compiler built both sides from the same SDK.
    let components =
        unsafe { library.get::<Components>(COMPONENTS_SYMBOL.as_bytes()) }.map(|symbol| *symbol);
    std::mem::forget(library);
    let (Ok(anchor), Ok(components)) = (anchor, components) else {
        return Err(Error::new(format!(
            "{shown}: it has a plugin's metadata but not its functions ({ANCHOR_SYMBOL}, {COMPONENTS_SYMBOL}); \
             export components with patchbay::export_plugin! only"
        )));
    };
    if anchor() != &raw const ANCHOR {
        return Err(Error::new(format!(
            "{shown}: it sees another SDK than this process has, so its tensors would not be ours; it is \
             not used. Build it with: patchbay plugin build <its folder>"
        )));
    }
    panics::catch(components)
        .map_err(|panic| Error::new(format!("{shown}: listing its components panicked: {panic}")))
}

impl fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.components.is_empty() {
            return write!(formatter, "{}: unchanged", self.source);
        }
        let components: Vec<String> = self
            .components
            .iter()
            .map(|(id, generation)| match generation {
                1 => format!("{id} is loaded"),
                _ => format!("{id} g{generation} replaces g{}", generation - 1),
            })
            .collect();
        formatter.write_str(&components.join("\n"))?;
        for update in &self.slots {
            match &update.result {
                Ok(report) => write!(formatter, "\nslot: {report}")?,
                Err(error) => write!(formatter, "\nslot of {} stays as it is: {error}", update.id)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Show for LoadReport {
    fn show(&self) -> MimeBundle {
        plain_text(self.to_string())
    }
}
