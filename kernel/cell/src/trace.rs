//! The functions of cells that a panic went through.
//!
//! A panic notes the addresses of its frames. They get names when the failure is told of, and only from the libraries of cells: the
//! tables of the SDK and of the standard library take 33 MB, and would be kept.

use crate::lock::lock;
use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

/// The most frames that are noted, the innermost ones. A recursion without end has a million.
const MOST_FRAMES: usize = 1024;

/// The libraries of cells that this process has loaded, as the system knows them. Whoever captures or names frames has the lock: the
/// crate has one of its own, and keeps it meanwhile.
static LIBRARIES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Notes that a cell's library is loaded.
pub fn note_library(path: &Path) {
    if let Ok(path) = path.canonicalize() {
        libraries().insert(path);
    }
}

/// The frames of a thread at some time, the innermost first.
#[derive(Default)]
pub(crate) struct Trace(Vec<usize>);

impl Trace {
    /// The frames of the calling thread.
    pub(crate) fn capture() -> Trace {
        let mut addresses = Vec::new();
        let _turn = libraries();
        backtrace::trace(|frame| {
            addresses.push(frame.ip() as usize);
            addresses.len() < MOST_FRAMES
        });
        Trace(addresses)
    }

    /// The functions of cells among them, the innermost first. All programs are crates named `cell`; they carry no line numbers, which
    /// would make every compile slower.
    pub(crate) fn functions(&self) -> Vec<String> {
        let mut functions: Vec<String> = Vec::new();
        let libraries = libraries();
        let places = places_of(&libraries);
        for &address in &self.0 {
            // A frame's address is behind its call.
            let call = address.saturating_sub(1);
            if !places.iter().any(|place| place.contains(&call)) {
                continue;
            }
            backtrace::resolve(address as *mut _, |symbol| {
                let name = symbol.name().map(|name| format!("{name:#}"));
                let function = name.as_deref().and_then(function_of_a_cell);
                if let Some(function) = function
                    && functions.last().is_none_or(|last| last != function)
                {
                    functions.push(function.to_owned());
                }
            });
        }
        backtrace::clear_symbol_cache();
        functions
    }
}

/// Takes the lock and lets go of it.
pub(crate) fn probe() {
    drop(libraries());
}

fn libraries() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    lock(&LIBRARIES)
}

/// Where libraries are in memory (proc_pid_maps(5)).
fn places_of(libraries: &BTreeSet<PathBuf>) -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let place = |line: &str| {
        // Behind the addresses there are permissions, offset, device, inode, and spaces in front of the path.
        let (addresses, rest) = line.split_once(' ')?;
        let path = rest.splitn(5, ' ').nth(4)?.trim_start();
        let (first, end) = addresses.split_once('-')?;
        let first = usize::from_str_radix(first, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        libraries.contains(Path::new(path)).then_some(first..end)
    };
    maps.lines().filter_map(place).collect()
}

/// The function's name without its crate and the closures in it; `None` for what no cell has written.
fn function_of_a_cell(name: &str) -> Option<&str> {
    let name = name.strip_prefix("cell::")?;
    let end = name
        .find("::{closure")
        .or_else(|| name.find("::{{closure"))
        .unwrap_or(name.len());
    let name = name[..end].trim();
    (!name.starts_with("patchbay_cell")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_cells_have_written() {
        for (name, expected) in [
            ("cell::outer::inner", Some("outer::inner")),
            ("cell::work::{closure#0}", Some("work")),
            ("cell::work::{{closure}}::{{closure}}", Some("work")),
            ("cell::patchbay_cell_run::{closure#1}", None),
            ("core::panicking::panic_fmt", None),
            ("my_cell::work", None),
        ] {
            assert_eq!(function_of_a_cell(name), expected, "{name}");
        }
    }

    #[test]
    fn libraries_are_found_in_memory_and_others_get_no_names() {
        let own = std::env::current_exe().unwrap().canonicalize().unwrap();
        let places = places_of(&BTreeSet::from([own]));
        let function = libraries_are_found_in_memory_and_others_get_no_names as *const () as usize;
        assert!(places.iter().any(|place| place.contains(&function)));
        assert!(places_of(&BTreeSet::from([PathBuf::from("/nowhere")])).is_empty());
        let trace = Trace::capture();
        assert!(trace.0.len() > 2);
        assert!(trace.functions().is_empty());
    }

    #[test]
    fn a_deep_stack_is_noted_up_to_a_bound() {
        fn deep(levels: usize) -> usize {
            if levels == 0 {
                return Trace::capture().0.len();
            }
            std::hint::black_box(deep(std::hint::black_box(levels - 1)))
        }
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let frames = thread.spawn(|| deep(10 * MOST_FRAMES)).unwrap().join();
        assert_eq!(frames.unwrap(), MOST_FRAMES);
    }
}
