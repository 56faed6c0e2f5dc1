//! The errors of the last cell that did not compile, for `:explain`.

use parking_lot::Mutex;
use patchbay_engine::diagnostics::Diagnostic;

#[derive(Default)]
pub(crate) struct LastErrors(Mutex<Vec<Diagnostic>>);

impl LastErrors {
    /// Remembers why a cell did not compile.
    pub(crate) fn note(&self, errors: &[&Diagnostic]) {
        let errors = errors.iter().map(|error| (*error).clone()).collect();
        *self.0.lock() = errors;
    }

    pub(crate) fn get(&self) -> Vec<Diagnostic> {
        self.0.lock().clone()
    }
}
