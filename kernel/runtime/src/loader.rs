//! Loading compiled cells. Nothing that is loaded is ever unloaded: a value, a thread-local
//! destructor or candle's graph may point into it for as long as the process lives.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use patchbay::cell::{self, Entry};

/// What a program that shares its statics with others exports.
const SHARES_STATICS: &[u8] = b"patchbay_shares_statics";

/// Loads a compiled cell and finds its entry.
///
/// The statics of all programs are one: each has an exported symbol, which is bound to the first library that was
/// opened for all.
///
/// # Errors
///
/// Fails with the dynamic loader's words where the library does not load.
pub fn load_cell(path: &Path, symbol: &str) -> Result<Entry, libloading::Error> {
    // SAFETY: the library is a program that the engine generated and compiled with the compiler
    // and the SDK of this very process; its constructors are those of Rust's runtime, and it is
    // never unloaded.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }?;
    // SAFETY: the engine gives this symbol the type `Entry`, and the same compiler built both
    // sides.
    let entry = unsafe { library.get::<Entry>(symbol.as_bytes()) }.map(|entry| *entry);
    // SAFETY: only the presence of the symbol counts, nothing is read through it.
    let shares = unsafe { library.get::<*const u8>(SHARES_STATICS) }.is_ok();
    std::mem::forget(library);
    cell::note_library(path);
    if shares {
        // SAFETY: as above; the library is loaded already, and its symbols become visible to those that follow.
        let again = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
        std::mem::forget(again);
    }
    entry
}
